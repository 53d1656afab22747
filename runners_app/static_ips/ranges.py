"""Static IP ranges: parse what GitHub reports, and put it in order for firewalls."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


def networks_of(public_ips: Sequence[Mapping[str, object]]) -> tuple[list[Network], list[Network]]:
    """The enabled ranges and the other ones; values that are not a range are skipped."""
    enabled: list[Network] = []
    others: list[Network] = []
    for ip in public_ips:
        try:
            network = ip_network(f"{ip['prefix']}/{ip['length']}", strict=False)
        except (KeyError, TypeError, ValueError):
            continue  # the table shows the value as GitHub sent it
        (others if ip.get("enabled") is False else enabled).append(network)
    return enabled, others


def in_order(networks: Iterable[Network]) -> list[Network]:
    """Every range once, in address order."""
    return sorted(
        set(networks), key=lambda network: (network.version, int(network[0]), network.prefixlen)
    )
