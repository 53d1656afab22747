"""Sockets on which every single wait, and every chunk that is sent, keeps to one deadline.

Deadlines are times of `uptime()`. A process may be stopped at any point and go on much later, when
its lease belongs to another. So the clock is read again right before each chunk is handed to the
kernel, and what the kernel holds is dropped at the deadline by TCP_USER_TIMEOUT, also while this
process stands still.
"""

from __future__ import annotations

import io
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
        self._sock.settimeout(left_until(self._ends_at))
        size = self._raw.readinto(buffer)
        self._bytes_left -= size or 0
        if self._bytes_left < 0:
            raise OSError("the answer never ends")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class TimedSocket:
    """What http.client needs of a socket to read an answer from."""

    def __init__(self, sock: socket.socket, ends_at: float) -> None:
        self._sock = sock
        self._ends_at = ends_at

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._ends_at))


def send(sock: socket.socket, request: bytes, ends_at: float) -> None:
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
    wait(sock, left_until(ends_at))
    return 0


def _drop_unsent_at(sock: socket.socket, ends_at: float) -> None:
    """Have the kernel give up at the end what it was handed and could not deliver."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = max(int((ends_at - uptime() - KERNEL_SECONDS) * 1000), 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def connect(
    host: str, port: int | None, ends_at: float, check: Callable[[str], None] | None = None
) -> socket.socket:
    """A connection to a host, by the first of its addresses that takes one. Raises OSError.

    The name is looked up once. `check` is given each address and raises OSError for one that
    nothing may be sent to: then no connection is opened.
    """
    failure: OSError = OSError("its name has no address")
    found = _look_up(host, port, ends_at)
    if check is not None:
        for *_, address in found:
            check(str(address[0]))
    for family, kind, protocol, _, address in found:
        try:
            return _connect_to(socket.socket(family, kind, protocol), address, ends_at)
        except OSError as error:
            failure = error
    raise failure


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
        found = answers.get(timeout=left_until(ends_at))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, OSError):
        raise found
    return found


def _connect_to(sock: socket.socket, address: Any, ends_at: float) -> socket.socket:
    try:
        sock.settimeout(left_until(ends_at))
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def left_until(ends_at: float) -> float:
    """Seconds until then. Raises TimeoutError when it has passed."""
    left = ends_at - uptime()
    if left <= 0:
        raise TimeoutError
    return left


def reason(error: Exception) -> str:
    """Why a connection could not be opened, as the end of a sentence about the other side."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'no reason given'})"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return type(error).__name__
