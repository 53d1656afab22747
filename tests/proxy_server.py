"""An HTTP proxy on loopback that opens tunnels (CONNECT), and may look into them."""

from __future__ import annotations

import base64
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """What it does may be set at any time.

    `hosts` are the only ones it knows, such as `github.test:443`, and the port on 127.0.0.1 each
    leads to. `user` is `name:password` if it lets only that one in, `refuse_with` a status to
    answer instead. With `inspect`, from a host to the TLS context to show for it, it looks into
    tunnels; with `upstream` it goes on from there by TLS.

    `asked` are the heads of requests it got, `tunnels` how many it opened, `seen` what went through
    it.
    """

    port: int
    hosts: dict[str, int] = field(default_factory=dict)
    user: str = ""
    refuse_with: int | None = None
    inspect: Callable[[str], ssl.SSLContext] | None = None
    upstream: ssl.SSLContext | None = None
    asked: list[str] = field(default_factory=list)
    tunnels: int = 0
    seen: bytearray = field(default_factory=bytearray)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def status_for(self, head: str) -> int:
        expected = f"Proxy-Authorization: Basic {base64.b64encode(self.user.encode()).decode()}"
        if self.user and expected not in head.split("\r\n"):
            return 407
        if not head.startswith("CONNECT "):
            return 405
        return self.refuse_with or (200 if head.split()[1] in self.hosts else 502)


@contextmanager
def proxy_server() -> Iterator[Proxy]:
    """Serve until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1])
        opened: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def start(run: Callable[..., None], *args: object) -> None:
            threads.append(threading.Thread(target=run, args=args))
            threads[-1].start()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client = listener.accept()[0]
                    opened.append(client.dup())  # TLS takes the first handle away
                    start(serve, client)

        def serve(client: socket.socket) -> None:
            with suppress(OSError), client:
                head = _read_head(client)
                proxy.asked.append(head)
                status = proxy.status_for(head)
                if status != 200:
                    client.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
                    return
                host = head.split()[1]
                server = socket.create_connection(("127.0.0.1", proxy.hosts[host]))
                opened.append(server.dup())
                proxy.tunnels += 1
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                with server:
                    tunnel(host.rpartition(":")[0], client, server)

        def tunnel(host: str, client: socket.socket, server: socket.socket) -> None:
            if proxy.inspect:
                client = proxy.inspect(host).wrap_socket(client, server_side=True)
            if proxy.upstream:
                server = proxy.upstream.wrap_socket(server, server_hostname=host)
            with client, server:
                while pass_on(client, server) and pass_on(server, client):
                    select.select([client, server], [], [], 30)
                for sock in (client, server):
                    with suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)

        def pass_on(source: socket.socket, target: socket.socket) -> bool:
            """Pass on what has arrived; whether more may come. One thread does both directions,
            because two must not use one TLS connection at once.
            """
            source.setblocking(False)
            with suppress(BlockingIOError, ssl.SSLWantReadError):
                while chunk := source.recv(65_536):
                    proxy.seen += chunk
                    target.setblocking(True)
                    target.sendall(chunk)
                    target.setblocking(False)
                return False
            return True

        start(accept)
        try:
            yield proxy
        finally:
            for sock in (listener, *opened):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
            for sock in opened:
                sock.close()


def _read_head(sock: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = sock.recv(1)
        if not chunk:
            break
        head += chunk
    return head.decode("latin-1")
