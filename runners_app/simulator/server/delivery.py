"""How an answer goes out: as it should, or cut off, trickled or not at all."""

import errno
import socket
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from runners_app.simulator.api.wire import Answer
from runners_app.simulator.controls.faults import Fault

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CHUNK = 65_536


def deliver(answer: Answer, start_response: "StartResponse") -> Iterable[bytes]:
    content = answer.content()
    start_response(_status_line(answer), _headers(answer, len(content)))
    return [content]


def deliver_faultily(
    fault: Fault, answer: Answer, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    """As the fault says. A dropped connection is raised as ``ConnectionResetError``, which gunicorn
    takes quietly.
    """
    if fault.action in ("drop_before_apply", "drop_after_apply"):
        raise _hang_up(environ)
    if fault.action == "truncate":
        return _truncated(answer, environ, start_response)
    if fault.action == "trickle":
        return _trickled(fault, answer, environ, start_response)
    if fault.action == "garbage" and fault.bytes:
        start_response(_status_line(answer), _headers(answer, fault.bytes))
        return _repeated(answer.content(), fault.bytes)
    return deliver(answer, start_response)


def _status_line(answer: Answer) -> str:
    try:
        return f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        return f"{answer.status} Unknown"


def _headers(answer: Answer, length: int) -> list[tuple[str, str]]:
    told = [
        (name, value) for name, value in answer.headers.items() if name.lower() != "content-length"
    ]
    bodiless = answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    return told if bodiless else [*told, ("Content-Length", str(length))]


def _hang_up(environ: "WSGIEnvironment") -> ConnectionResetError:
    """Close the TCP connection under the server, which must not linger for a client that waits for
    an answer.
    """
    connection = environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)
    return ConnectionResetError(errno.ECONNRESET, "dropped on purpose")


def _truncated(
    answer: Answer, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterator[bytes]:
    content = answer.content()
    start_response(_status_line(answer), _headers(answer, max(len(content), 2)))
    yield content[: len(content) // 2] or b"{"
    raise _hang_up(environ)


def _trickled(
    fault: Fault, answer: Answer, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterator[bytes]:
    """A byte every ``seconds`` (default 1); with ``whole`` from the status line on, else the body
    only.
    """
    content, pause = answer.content(), fault.seconds or 1.0
    headers = _headers(answer, len(content))
    connection = environ.get("gunicorn.socket")
    if fault.whole and isinstance(connection, socket.socket):
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        for byte in f"HTTP/1.1 {_status_line(answer)}\r\n{head}\r\n".encode() + content:
            connection.sendall(bytes([byte]))
            time.sleep(pause)
        raise _hang_up(environ)
    start_response(_status_line(answer), headers)
    for byte in content:
        time.sleep(pause)
        yield bytes([byte])


def _repeated(content: bytes, length: int) -> Iterator[bytes]:
    """The same again and again, ``length`` bytes in all."""
    chunk = (content or b" ") * (CHUNK // max(len(content), 1) + 1)
    for sent in range(0, length, len(chunk)):
        yield chunk[: length - sent]
