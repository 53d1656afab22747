"""How allauth and axes fit Trackside: who may join, what is kept of an attempt, and where second
factors are sealed.
"""

import re
from ipaddress import IPv4Address, ip_address

from django.conf import settings
from django.http import HttpRequest

WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d+)?|([^:]*):\d+")


NO_ADDRESS = str(IPv4Address(0))  # of who comes by a unix socket


def address_of(request: HttpRequest | None) -> str:
    """Of the browser: what the nearest of one's own proxies saw, or who called when there is none."""
    if request is None:
        return ""
    told = [
        part.strip()
        for part in request.headers.get("X-Forwarded-For", "").split(",")
        if part.strip()
    ]
    forwarded = told[-settings.PROXY_COUNT] if 0 < settings.PROXY_COUNT <= len(told) else ""
    return _address_in(forwarded) or _address_in(request.META.get("REMOTE_ADDR", "")) or NO_ADDRESS


def _address_in(text: str) -> str:
    """Without a port or a zone, which no column for addresses holds; empty when it is no address."""
    found = WITH_PORT.fullmatch(text)
    try:
        return str(ip_address(((found[1] or found[2] or "") if found else text).partition("%")[0]))
    except ValueError:
        return ""
