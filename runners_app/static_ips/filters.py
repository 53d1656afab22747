"""Filters of lists. All of them live in the URL; the search box understands them as `word:value`
too.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network

from django.db.models import QuerySet

from runners_app.models import Runner
from runners_app.web.filters import CatalogFilter


class StaticIpFilter(CatalogFilter):
    """Runners with static IPs. An address or a range in the search box finds the runners whose
    ranges hold it.
    """

    class Meta:
        model = Runner
        fields: tuple[str, ...] = ()

    def search(self, rows: QuerySet[Runner], name: str, value: str) -> QuerySet[Runner]:
        return rows if self.network else super().search(rows, name, value)

    @property
    def network(self) -> IPv4Network | IPv6Network | None:
        """The address or range somebody looks for; nothing when the search box holds other words."""
        try:
            return ip_network(str(self.data.get("q", "")).strip(), strict=False)
        except ValueError:
            return None
