"""The filter of the static IPs page."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import ClassVar

import django_filters
from django.db.models import Exists, OuterRef, QuerySet

from runners_app.models import Runner, RunnerGroup
from runners_app.web.filters import CatalogFilter


class StaticIpFilter(CatalogFilter):
    """Filter runners with static IPs by account, group name, words, or an address or range.

    An address or a range as the only word finds the runners whose ranges contain it.
    """

    TERMS: ClassVar[dict[str, str]] = {"group": "group"}

    group = django_filters.CharFilter(method="by_group", label="Group")

    class Meta:
        model = Runner
        fields: tuple[str, ...] = ()

    def search(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows if self.network else super().search(rows, name, value)

    def by_group(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        groups = RunnerGroup.objects.filter(
            account=OuterRef("account"), github_id=OuterRef("group_id"), name__iexact=value
        )
        return rows.filter(Exists(groups))

    @property
    def network(self) -> IPv4Network | IPv6Network | None:
        """The address or range in the search box; None if it holds anything else."""
        try:
            return ip_network(str(self.data.get("q", "")).strip(), strict=False)
        except ValueError:
            return None
