"""The filter of the static IPs page."""

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import ClassVar

from django.db.models import Exists, OuterRef, Q

from runners_app.models import RunnerGroup
from runners_app.web.filters import ACCOUNT_WORDS, CatalogFilter


class StaticIpFilter(CatalogFilter):
    """Filter runners with static IPs by account, group name, words, or an address or range.

    An address or a range as the only text finds the runners whose ranges contain it.
    """

    WORDS: ClassVar[dict[str, str]] = {**ACCOUNT_WORDS, "group": "group"}

    def by_text(self, value: str) -> Q:
        return Q() if self.network else super().by_text(value)

    def by_group(self, value: str) -> Q:
        groups = RunnerGroup.objects.filter(
            self.text_is("name", value),
            account=OuterRef("account"),
            github_id=OuterRef("group_id"),
        )
        return Q(Exists(groups))

    @cached_property
    def network(self) -> IPv4Network | IPv6Network | None:
        """The address or range in the search box; None if it holds anything else."""
        try:
            return ip_network(str(self.data.get("q", "")).strip(), strict=False)
        except ValueError:
            return None
