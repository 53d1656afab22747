"""Servers on loopback that receive what Trackside sends: a webhook and a mail server."""

import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any


class Sink:
    """`messages` in the order received; `status` and `location` of a webhook's next response."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.status = 200
        self.location = ""
        self.port = 0


@contextmanager
def webhook() -> Iterator[Sink]:
    """A server that accepts JSON by POST."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if sink.status == 200:
                sink.messages.append(json.loads(body))
            self.send_response(sink.status)
            if sink.location:
                self.send_header("Location", sink.location)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        sink.port = server.server_port
        yield sink


@contextmanager
def mail_server() -> Iterator[Sink]:
    """A minimal SMTP server that keeps each message as text."""
    sink = Sink()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline(1000):
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    sink.messages.append(self._data())
                if verb == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(
                    b"250-ok\r\n250 AUTH PLAIN\r\n" if verb == b"EHLO" else b"250 ok\r\n"
                )

        def _data(self) -> str:
            lines = []
            while (line := self.rfile.readline(10_000)) not in (b".\r\n", b""):
                lines.append(line.decode())
            return "".join(lines)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, _serving(server):
        sink.port = server.server_address[1]
        yield sink


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
