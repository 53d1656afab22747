"""A server on 127.0.0.1 that answers byte by byte what a test tells it to, however wrong."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket, bytes], object]


@dataclass
class RawServer:
    """`requests` are those received so far, each as it came; `connections` counts the connections
    opened.
    """

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """Method and target of each request."""
        return [request.split(b" HTTP/1.1\r\n", 1)[0].decode() for request in self.requests]


def answer(
    body: object = None, status: int = 200, headers: Mapping[str, str] | None = None
) -> bytes:
    """A whole answer; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def saying(*answers: bytes) -> Behaviour:
    """Give these answers one after the other, and the last one from then on."""
    left = list(answers)
    return lambda sock, _: sock.sendall(left.pop(0) if len(left) > 1 else left[0])


def hanging_up_after(sent: bytes) -> Behaviour:
    """Give this answer and close the connection."""

    def behave(sock: socket.socket, _: bytes) -> None:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_RDWR)

    return behave


@contextmanager
def raw_server(
    behave: Behaviour, wrap: Callable[[socket.socket], socket.socket] | None = None
) -> Iterator[RawServer]:
    """Serve until the block ends: `behave` is called with the connection and each request read from
    it.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(listener.getsockname()[1])
        opened: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    server.connections += 1
                    opened.append(sock.dup())  # TLS takes the first handle away
                    threads.append(threading.Thread(target=converse, args=(sock,)))
                    threads[-1].start()

        def converse(sock: socket.socket) -> None:
            with suppress(OSError), sock, wrap(sock) if wrap else sock as talking:
                while request := _read_request(talking):
                    server.requests.append(request)
                    behave(talking, request)
                    if b"\r\nconnection: close" in request.lower():
                        return

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            _shut(listener, *opened)
            for thread in [accepting, *threads]:
                thread.join(5)
            for sock in opened:
                sock.close()


def _read_request(sock: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        chunk = sock.recv(65_536)
        if not chunk:
            return b""
        request += chunk
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1]
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    while lengths and len(body) < int(lengths[0]):
        body += sock.recv(65_536)
    return head + b"\r\n\r\n" + body


def _shut(*sockets: socket.socket) -> None:
    for sock in sockets:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
