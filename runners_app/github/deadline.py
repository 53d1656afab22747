"""Connections on which one answer takes no longer than its deadline, however slowly it trickles.

A timeout of requests and urllib3 counts from byte to byte, so a server that sends one byte a second holds a thread for
as long as it likes. Here every single wait (name lookup, each address, TLS, each read of headers and body) is given
only what is left of the whole, so no watchdog is needed; the failed connection is closed and not used again.

The whole is urllib3's `Timeout(total=…)`: it sets `connection.timeout` to what is left before it connects, and again
before the answer is read.
"""

from __future__ import annotations

import http.client
import io
import queue
import socket
import ssl
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# The most one answer may be on the wire, headers and all: what http.client reads without asking us is bounded too.
WIRE_LIMIT = 16_000_000


class NeverConnected(Exception):
    """The connection could not be opened, so no byte of the request has left. Not an OSError, which urllib3 would
    take for a failure of the request."""


class _TimedReader(io.RawIOBase):
    """The reading side of a socket; each wait ends at the latest when the whole answer should."""

    def __init__(self, sock: socket.socket, ends_at: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._ends_at = ends_at
        self._bytes_left = WIRE_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(_left_until(self._ends_at))
        size = self._raw.readinto(buffer)
        self._bytes_left -= size or 0
        if self._bytes_left < 0:
            raise OSError("the answer never ends")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedSocket:
    """What http.client needs of a socket to read an answer from."""

    def __init__(self, sock: socket.socket, ends_at: float) -> None:
        self._sock = sock
        self._ends_at = ends_at

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._ends_at))


class _Timed(HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPError, ValueError) as error:
            reason = _reason(error)
        else:
            return
        raise NeverConnected(reason)

    def _new_conn(self) -> socket.socket:
        ends_at = monotonic() + _seconds(self.timeout)
        sock = _connect(_look_up(self._dns_host, self.port, ends_at), ends_at)
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        sock.settimeout(_left_until(ends_at))  # for the TLS handshake
        return sock

    def response_class(  # type: ignore[override]  # http.client only ever calls it
        self, sock: socket.socket, *args: Any, **kwargs: Any
    ) -> http.client.HTTPResponse:
        timed = _TimedSocket(sock, monotonic() + _seconds(self.timeout))
        return http.client.HTTPResponse(timed, *args, **kwargs)  # type: ignore[arg-type]


class _TimedHTTPS(_Timed, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPS


class DeadlineAdapter(HTTPAdapter):
    """The adapter of a session whose requests are sent with `timeout=urllib3.Timeout(total=seconds)`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def _look_up(host: str, port: int | None, ends_at: float) -> list[Any]:
    """The addresses of a host. The system's lookup takes no timeout, so a thread is left behind with a slow one."""
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM))
        except OSError as error:
            answers.put(OSError(f"its name could not be looked up ({error.strerror})"))
        except UnicodeError:
            answers.put(OSError("its name is not a host name"))

    threading.Thread(target=ask, daemon=True, name="look up GitHub").start()
    try:
        found = answers.get(timeout=_left_until(ends_at))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, OSError):
        raise found
    return found


def _connect(addresses: list[Any], ends_at: float) -> socket.socket:
    failure: OSError = OSError("its name has no address")
    for family, kind, protocol, _, address in addresses:
        try:
            return _connect_to(socket.socket(family, kind, protocol), address, ends_at)
        except OSError as error:
            failure = error
    raise failure


def _connect_to(sock: socket.socket, address: Any, ends_at: float) -> socket.socket:
    try:
        sock.settimeout(_left_until(ends_at))
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def _left_until(ends_at: float) -> float:
    left = ends_at - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _seconds(timeout: object) -> float:
    if not isinstance(timeout, (int, float)):
        raise ValueError("requests on these connections are sent with a Timeout(total=…)")
    return timeout


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'no reason given'})"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return type(error).__name__
