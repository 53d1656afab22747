"""Ranges of static IPs as GitHub tells of them, and as firewalls want them."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


def networks_of(public_ips: Sequence[Mapping[str, object]]) -> tuple[list[Network], list[Network]]:
    """The ranges GitHub has switched on, and the others; what is no range is left out."""
    enabled: list[Network] = []
    others: list[Network] = []
    for ip in public_ips:
        try:
            network = ip_network(f"{ip['prefix']}/{ip['length']}", strict=False)
        except (KeyError, TypeError, ValueError):
            continue  # whatever GitHub sent is shown in the table as it is
        (others if ip.get("enabled") is False else enabled).append(network)
    return enabled, others


def in_order(networks: Iterable[Network]) -> list[Network]:
    """Each once, in the order of addresses."""
    return sorted(
        set(networks), key=lambda network: (network.version, int(network[0]), network.prefixlen)
    )
