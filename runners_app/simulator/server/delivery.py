"""How a response is sent: normally, or truncated, byte by byte or not at all."""

import errno
import socket
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from runners_app.simulator.api.wire import Response, status_phrase
from runners_app.simulator.controls.faults import Fault

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CHUNK = 65_536


def deliver(response: Response, start_response: "StartResponse") -> Iterable[bytes]:
    content = response.content()
    start_response(_status_line(response), _headers(response, len(content)))
    return [content]


def deliver_faultily(
    fault: Fault, response: Response, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    """Send the response as the fault says.

    Raises ``ConnectionResetError``, which gunicorn does not log, to drop the connection.
    """
    if fault.action in ("drop_before_apply", "drop_after_apply"):
        raise _hang_up(environ)
    if fault.action == "truncate":
        return _truncated(response, environ, start_response)
    if fault.action == "trickle":
        return _trickled(fault, response, environ, start_response)
    if fault.action == "garbage" and fault.bytes:
        start_response(_status_line(response), _headers(response, fault.bytes))
        return _repeated(response.content(), fault.bytes)
    return deliver(response, start_response)


def _status_line(response: Response) -> str:
    return f"{response.status} {status_phrase(response.status)}"


def _headers(response: Response, length: int) -> list[tuple[str, str]]:
    headers = [
        (name, value)
        for name, value in response.headers.items()
        if name.lower() != "content-length"
    ]
    bodiless = response.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    return headers if bodiless else [*headers, ("Content-Length", str(length))]


def _hang_up(environ: "WSGIEnvironment") -> ConnectionResetError:
    """Close the TCP connection at once: the server would keep it open while the client waits."""
    connection = environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)
    return ConnectionResetError(errno.ECONNRESET, "dropped on purpose")


def _truncated(
    response: Response, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterator[bytes]:
    content = response.content()
    start_response(_status_line(response), _headers(response, max(len(content), 2)))
    yield content[: len(content) // 2] or b"{"
    raise _hang_up(environ)


def _trickled(
    fault: Fault, response: Response, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterator[bytes]:
    """Send a byte every ``seconds`` (default 1): of the body, or with ``whole`` of everything from
    the status line on.
    """
    content, pause = response.content(), fault.seconds or 1.0
    headers = _headers(response, len(content))
    connection = environ.get("gunicorn.socket")
    if fault.whole and isinstance(connection, socket.socket):
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        for byte in f"HTTP/1.1 {_status_line(response)}\r\n{head}\r\n".encode() + content:
            connection.sendall(bytes([byte]))
            time.sleep(pause)
        raise _hang_up(environ)
    start_response(_status_line(response), headers)
    for byte in content:
        time.sleep(pause)
        yield bytes([byte])


def _repeated(content: bytes, length: int) -> Iterator[bytes]:
    """``content`` repeated until ``length`` bytes have been sent."""
    chunk = (content or b" ") * (CHUNK // max(len(content), 1) + 1)
    for sent in range(0, length, len(chunk)):
        yield chunk[: length - sent]
