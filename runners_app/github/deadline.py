"""Connections on which one request takes no longer than its deadline, and sends nothing after it.

A timeout of requests and urllib3 counts from byte to byte, so a server that sends one byte a second
holds a thread for as long as it likes. Here every single wait (name lookup, each address, TLS, each
chunk sent or read) is given only what is left of the whole, so no watchdog is needed; the failed
connection is closed and not used again.

A process may be stopped at any point and go on much later, when its lease belongs to another. So
the deadline is an absolute time of `uptime()`, headers and body are gathered in one buffer, and the
clock is read again right before each chunk of it is handed to the kernel. What the kernel holds
then is dropped at the deadline by TCP_USER_TIMEOUT, also while this process stands still.
"""

from __future__ import annotations

import http.client
import io
import queue
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util.wait import wait_for_read, wait_for_write

from .clock import uptime

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# The most one answer may be on the wire, headers and all: what http.client reads without asking us
# is bounded too.
WIRE_LIMIT = 16_000_000
# One TLS record, so that no record leaves unchecked behind another.
SEND_CHUNK = 16_384
# Linux begins to count TCP_USER_TIMEOUT only when it has to send something a second time, which is
# this much later at most (measured: 0.27 s without a network between).
KERNEL_SECONDS = 0.5


class NothingSent(Exception):
    """No byte of the request has left. Not an OSError, which urllib3 would take for a failure of
    the request."""


class NeverConnected(NothingSent):
    """The connection could not be opened; the message says why."""


class TooLate(NothingSent):
    """The deadline passed before the request could leave."""


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
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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
            reason = _reason(error)
        else:
            return
        raise NeverConnected(reason)

    def _new_conn(self) -> socket.socket:
        ends_at = self._ends_at
        sock = _connect(_look_up(self._dns_host, self.port, ends_at), ends_at)
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        sock.settimeout(_left_until(ends_at))  # for the TLS handshake
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._gathered.clear()
        super().request(*args, **kwargs)
        if self.sock is None:
            self.connect()
        _send(self.sock, self._gathered, self._ends_at)

    def send(self, data: Any) -> None:
        """Gather what urllib3 would send piece by piece; `request` sends it as one."""
        self._gathered += data

    def response_class(  # type: ignore[override]  # http.client only ever calls it
        self, sock: socket.socket, *args: Any, **kwargs: Any
    ) -> http.client.HTTPResponse:
        timed = _TimedSocket(sock, self._ends_at)
        return http.client.HTTPResponse(timed, *args, **kwargs)  # type: ignore[arg-type]


class _TimedHTTPS(_Timed, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPS


class DeadlineAdapter(HTTPAdapter):
    """The adapter of a session whose requests are sent with `timeout=Deadline(…)`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def _send(sock: socket.socket, request: bytearray, ends_at: float) -> None:
    """Hand the request to the kernel, no byte of it after its end.

    Raises TooLate while nothing can have left, TimeoutError afterwards.
    """
    left_to_send = memoryview(request)
    began = False
    sock.setblocking(False)  # a send that blocks would go on by itself once there is room
    while left_to_send:
        _drop_unsent_at(sock, ends_at)
        if uptime() >= ends_at:
            raise TimeoutError if began else TooLate
        began = True
        left_to_send = left_to_send[_send_some(sock, left_to_send[:SEND_CHUNK], ends_at) :]


def _send_some(sock: socket.socket, data: memoryview, ends_at: float) -> int:
    """Send if the kernel has room, otherwise wait until it has. Returns how much was sent."""
    try:
        return sock.send(data)
    except (BlockingIOError, ssl.SSLWantWriteError):
        wait = wait_for_write
    except ssl.SSLWantReadError:
        wait = wait_for_read
    wait(sock, _left_until(ends_at))
    return 0


def _drop_unsent_at(sock: socket.socket, ends_at: float) -> None:
    """Have the kernel give up at the end what it was handed and could not deliver."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = max(int((ends_at - uptime() - KERNEL_SECONDS) * 1000), 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _look_up(host: str, port: int | None, ends_at: float) -> list[Any]:
    """The addresses of a host.

    The system's lookup takes no timeout, so a thread is left behind with a slow one.
    """
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
    left = ends_at - uptime()
    if left <= 0:
        raise TimeoutError
    return left


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
