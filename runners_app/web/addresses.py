"""The address a request came from, for the audit log, sign-in limits and API tokens."""

import re
from ipaddress import IPv4Address, ip_address

from django.conf import settings
from django.http import HttpRequest

WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d+)?|([^:]*):\d+")

# Stands for a client on a Unix socket, which has no address.
NO_ADDRESS = str(IPv4Address(0))


def address_of(request: HttpRequest | None) -> str:
    """The client's IP address as text, empty without a request.

    Behind `PROXY_COUNT` proxies it is the entry of `X-Forwarded-For` that the outermost of them
    added, because a client can write everything to the left of that entry itself.
    """
    if request is None:
        return ""

    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    hops = [hop for hop in hops if hop]
    forwarded = hops[-settings.PROXY_COUNT] if 0 < settings.PROXY_COUNT <= len(hops) else ""

    return _address_in(forwarded) or _address_in(request.META.get("REMOTE_ADDR", "")) or NO_ADDRESS


def _address_in(text: str) -> str:
    """The address without port and zone, which no address column holds; empty if there is none."""
    match = WITH_PORT.fullmatch(text)
    host = (match[1] or match[2] or "") if match else text
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return ""
