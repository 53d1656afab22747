"""The filter of the static IPs page."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from django.db.models import QuerySet

from runners_app.models import Runner
from runners_app.web.filters import CatalogFilter


class StaticIpFilter(CatalogFilter):
    """Filter runners with static IPs by account, words, or an address or range.

    An address or a range as the only word finds the runners whose ranges contain it.
    """

    class Meta:
        model = Runner
        fields: tuple[str, ...] = ()

    def search(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows if self.network else super().search(rows, name, value)

    @property
    def network(self) -> IPv4Network | IPv6Network | None:
        """The address or range in the search box; None if it holds anything else."""
        try:
            return ip_network(str(self.data.get("q", "")).strip(), strict=False)
        except ValueError:
            return None
