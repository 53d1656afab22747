"""requests over connections on which one request takes no longer than its deadline, and sends
nothing after it.

A timeout of requests and urllib3 counts from byte to byte, so a server that sends one byte a second
holds a thread for as long as it likes. Here the deadline is an absolute time of `uptime()`, and
every wait (name lookup, each address, the proxy, TLS, each chunk sent or read) is given only what
is left until then, so no watchdog is needed; the failed connection is closed and not used again.
Headers and body leave from one buffer; see `sockets` for how.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from .clock import uptime
from .proxy import ProxySettings
from .sockets import NeverConnected, TimedSocket, TooLate, connect, left_until, reason, send

PORTS = {"http": 80, "https": 443}


class Deadline(Timeout):
    """The timeout to send requests with: ends at a time of `uptime()`.

    urllib3 copies a timeout and starts it when it gets to it. This one stays as it is, so that a
    process that was stopped on the way does not begin to count only then.
    """

    def __init__(self, ends_at: float) -> None:
        super().__init__()
        self.ends_at = ends_at

    def clone(self) -> Deadline:
        return Deadline(self.ends_at)

    @property
    def connect_timeout(self) -> float:
        return _Left(self.ends_at)

    @property
    def read_timeout(self) -> float:
        return _Left(self.ends_at)


class _Left(float):
    """The seconds that are left, as urllib3 hands them to a connection, with the end itself."""

    ends_at: float

    def __new__(cls, ends_at: float) -> _Left:
        left = super().__new__(cls, max(ends_at - uptime(), 0.001))
        left.ends_at = ends_at
        return left


class _Timed(HTTPConnection):
    def __init__(
        self,
        *args: Any,
        outgoing: ProxySettings | None = None,
        check: Callable[[str], None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._outgoing, self._check = outgoing, check
        self._gathered = bytearray()

    @property
    def _ends_at(self) -> float:
        if not isinstance(self.timeout, _Left):
            raise ValueError("requests on these connections are sent with a Deadline")
        return self.timeout.ends_at

    def connect(self) -> None:
        if uptime() >= self._ends_at:
            raise TooLate
        try:
            super().connect()
        except (OSError, HTTPError, ValueError) as error:
            why = reason(error)
            if self._outgoing and isinstance(error, ssl.SSLCertVerificationError):
                why += "; if the outgoing proxy inspects TLS, its authority must be trusted"
        else:
            return
        raise NeverConnected(why)

    def _new_conn(self) -> socket.socket:
        """A connection to the host, before TLS."""
        ends_at, port = self._ends_at, self.port or self.default_port
        if self._outgoing:
            sock = self._outgoing.open_tunnel(self.host, port, ends_at)
        else:
            sock = connect(self._dns_host, port, ends_at, self._check)
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        sock.settimeout(left_until(ends_at))  # for the TLS handshake
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._gathered.clear()
        super().request(*args, **kwargs)
        if self.sock is None:
            self.connect()
        send(self.sock, bytes(self._gathered), self._ends_at)

    def send(self, data: Any) -> None:
        """Gather what urllib3 would send piece by piece; `request` sends it as one."""
        self._gathered += data

    def response_class(  # type: ignore[override]  # http.client only ever calls it
        self, sock: socket.socket, *args: Any, **kwargs: Any
    ) -> http.client.HTTPResponse:
        timed: Any = TimedSocket(sock, self._ends_at)
        return http.client.HTTPResponse(timed, *args, **kwargs)


class _TimedHTTPS(_Timed, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPS


class DeadlineAdapter(HTTPAdapter):
    """The adapter of a session whose requests end by a deadline, and leave through a proxy if one
    is given.

    A request's timeout is a Deadline, or the seconds it may take as a whole. `more_authorities`
    names a PEM file of those to trust beside the ones of `verify`. Without a proxy, `check` is
    given each address of the host, and raises OSError for one that nothing may be sent to. Beside
    errors of requests, sending may raise NothingSent.
    """

    def __init__(
        self,
        *,
        proxy: ProxySettings | None = None,
        more_authorities: str | None = None,
        check: Callable[[str], None] | None = None,
        **options: Any,
    ) -> None:
        self._proxy, self._check = proxy, check
        self._more_authorities = more_authorities
        super().__init__(max_retries=0, **options)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._more_authorities:
            kwargs["ssl_context"] = ssl.create_default_context(cafile=self._more_authorities)
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send one request; `proxies` are those of requests, which are not used."""
        if not isinstance(timeout, Deadline):
            timeout = Deadline(uptime() + float(timeout))
        return super().send(request, stream, timeout, verify, cert)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        pool: Any = super().get_connection_with_tls_context(request, verify, None, cert)
        address = urlsplit(request.url or "")
        port = address.port or PORTS.get(address.scheme, 0)
        if self._proxy and self._proxy.serves(address.hostname or "", port):
            pool.conn_kw["outgoing"] = self._proxy
        if self._check:
            pool.conn_kw["check"] = self._check
        return pool
