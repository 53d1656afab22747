"""The way out through a company's HTTP proxy.

The proxy is asked for a tunnel (CONNECT) whatever the address, so it looks the name up itself, and
TLS and the origin are checked end to end as without it. Nothing of this is read from the
environment.
"""

from __future__ import annotations

import base64
import http.client
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import unquote

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from .sockets import NeverConnected, TimedSocket, connect, reason, send

_REFUSALS = {
    403: "it does not allow this host",
    407: "it needs a user and password, or others than it was given",
    502: "it could not reach the host",
    503: "it could not reach the host",
    504: "it could not reach the host in time",
}
_WITH_PORT = re.compile(r"(\[[^\]]*\]|[^:]*):(\d{1,5})")
_NAME = re.compile(r"[\w.-]*")


class NoTunnel(NeverConnected):
    """The proxy could not be reached, or opened no tunnel.

    `status` is what it answered, if it did.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ProxySettings:
    """A proxy at `http://[user:password@]host[:port]`, and the hosts that are reached without it.

    Each of `no_proxy` is the name of a host, which stands for every name beneath it as well (`*.`
    or `.` before it changes nothing), an IP address, a network such as `10.0.0.0/8`, or `*` for
    all. A name or an address may have a port: `127.0.0.1:8001`, `[::1]:8001`. Names are not looked
    up. `password` is there to be kept out of logs. ValueError, which does not tell the proxy's
    address, for what is none of these.
    """

    def __init__(self, url: str, no_proxy: Iterable[str] = ()) -> None:
        parsed = _parse(url)
        self.host = parsed.host or ""
        self.port = parsed.port or 80
        self.no_proxy = tuple(pattern.strip() for pattern in no_proxy if pattern.strip())
        self._direct = [_direct(pattern) for pattern in self.no_proxy]
        user, _, password = (parsed.auth or "").partition(":")
        self.password = unquote(password)
        self._authorization = _basic(unquote(user), self.password) if parsed.auth else ""

    def __repr__(self) -> str:
        return f"ProxySettings({self.address!r}, no_proxy={self.no_proxy!r})"

    @property
    def address(self) -> str:
        """Host and port, without user and password."""
        return f"{self.host}:{self.port}"

    def serves(self, host: str, port: int) -> bool:
        """Whether this host is reached through the proxy."""
        return not any(direct.has(host.strip("[]").rstrip("."), port) for direct in self._direct)

    def open_tunnel(self, host: str, port: int, ends_at: float) -> socket.socket:
        """A connection to a host through the proxy. Raises NoTunnel."""
        try:
            sock = connect(self.host, self.port, ends_at)
        except OSError as error:
            said = reason(error)
            raise NoTunnel(f"the outgoing proxy {self.address} failed: {said}") from None
        try:
            self._ask_for_tunnel(sock, host, port, ends_at)
        except BaseException:
            sock.close()
            raise
        return sock

    def _ask_for_tunnel(self, sock: socket.socket, host: str, port: int, ends_at: float) -> None:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self._authorization:
            lines.append(f"Proxy-Authorization: {self._authorization}")
        try:
            send(sock, "\r\n".join([*lines, "", ""]).encode(), ends_at)
            status = _read_status(sock, ends_at)
        except OSError as error:
            said = reason(error)
            raise NoTunnel(f"the outgoing proxy {self.address} failed: {said}") from None
        except http.client.HTTPException:
            raise NoTunnel(f"the outgoing proxy {self.address} speaks no HTTP") from None
        if not 200 <= status < 300:
            said = _REFUSALS.get(status, "it refuses")
            raise NoTunnel(f"the outgoing proxy {self.address} answered {status}, {said}", status)


def _read_status(sock: socket.socket, ends_at: float) -> int:
    timed: Any = TimedSocket(sock, ends_at)
    answer = http.client.HTTPResponse(timed, method="CONNECT")
    try:
        answer.begin()
    finally:
        answer.close()
    return answer.status


def _parse(url: str) -> Url:
    with suppress(LocationParseError):
        parsed = parse_url(url)
        beyond = (parsed.path or "").strip("/") or parsed.query or parsed.fragment
        if parsed.scheme == "http" and parsed.host and not beyond:
            return parsed
    raise ValueError(
        "a proxy's address looks like http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
    )


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@dataclass(frozen=True)
class _Direct:
    """Hosts that are reached without the proxy: a network, or a name with all beneath it."""

    name: str
    network: IPv4Network | IPv6Network | None
    port: int | None

    def has(self, host: str, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if self.network is not None:
            address = _address(host)
            return address is not None and address in self.network
        return not self.name or f".{host.lower()}".endswith(f".{self.name}")


def _direct(pattern: str) -> _Direct:
    """What a pattern stands for. Raises ValueError."""
    name, port = pattern, None
    if (found := _WITH_PORT.fullmatch(pattern)) is not None:
        name, port = found[1], int(found[2])
    with suppress(ValueError):
        return _Direct("", ip_network(name.strip("[]"), strict=False), port)
    name = name.lower().removeprefix("*").removeprefix(".")
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{pattern!r} is no host name, IP address or network, nor *")
    return _Direct(name, None, port)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
