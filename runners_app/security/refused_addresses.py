"""Addresses to which nothing is sent that a person chose: link-local ones and metadata services.

Cloud machines read their keys from those. Other private addresses are allowed, because a company's
own webhooks and mail servers have them.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

WHERE_NOTHING_GOES = "it leads to a link-local or metadata address, where Trackside sends nothing"
# Those of AWS, Azure and Google over IPv4 are link-local, so `is_link_local` covers them.
METADATA = tuple(
    map(
        ip_network,
        (
            "fd00:ec2::/32",  # AWS over IPv6
            "fd20:ce::254/128",  # Google Cloud over IPv6
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure's wire server
            "192.0.0.192/32",  # Oracle Cloud
        ),
    )
)
# IPv6 that ends in an IPv4 address: NAT64, IPv4-compatible, and ISATAP under any prefix.
ENDS_IN_IPV4 = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
ISATAP = (0x00005EFE, 0x02005EFE)
LOCAL_NAT64 = ip_network("64:ff9b:1::/48")
# Where RFC 6052 puts the four bytes under longer prefixes of one's own; byte 8 is always zero.
IN_LOCAL_NAT64 = ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12))


def is_refused(address: str) -> bool:
    """Whether an IP address, as a lookup answers it, is one where nothing is sent."""
    found = ip_address(address.partition("%")[0])
    inner = _inside(found) if isinstance(found, IPv6Address) else []
    return any(
        each.is_link_local or any(each in network for network in METADATA)
        for each in (found, *inner)
    )


def _inside(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address may be forwarded to."""
    raw = address.packed
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in ENDS_IN_IPV4) or (int.from_bytes(raw[8:12]) in ISATAP):
        found.append(IPv4Address(raw[12:]))
    if address in LOCAL_NAT64:
        found += [IPv4Address(bytes(raw[at] for at in places)) for places in IN_LOCAL_NAT64]
    return [each for each in found if each is not None]
