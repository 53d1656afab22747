"""The proxy of compose: what it passes on of what browsers and other proxies claim."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from tests.processes import ROOT, Process, find_binary, free_port, run

CLAIMED = {
    "X-Forwarded-For": "192.0.2.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "elsewhere.example",
}
Ask = Callable[[str], dict[str, str]]


@pytest.fixture
def web() -> Iterator[int]:
    """The port of a server that answers with the headers it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name in CLAIMED:
                self.send_header(f"Got-{name}", self.headers.get(name, ""))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def ask(web: int, tmp_path: Path) -> Iterator[Ask]:
    """Through a proxy with these TRUSTED_PROXIES; what arrives of the headers in `CLAIMED`."""
    binary = find_binary("caddy")
    with ExitStack() as stack:

        def through(trusted: str) -> dict[str, str]:
            at = f"http://127.0.0.1:{free_port()}"
            environment = {
                "PATH": os.environ["PATH"], "HOME": str(tmp_path), "SITE_ADDRESS": at, "WEB_HOST": "localhost",
                "WEB_PORT": str(web), "CADDY_ADMIN": "off", "TRUSTED_PROXIES": trusted,
            }  # fmt: skip
            command = [
                binary,
                "run",
                "--adapter",
                "caddyfile",
                "--config",
                str(ROOT / "deploy/Caddyfile"),
            ]
            proxy = stack.enter_context(
                run(Process(command, environment=environment, log=tmp_path / "caddy.log"))
            )
            proxy.wait_until(lambda: bool(_headers(at)))
            return _headers(at)

        yield through


def _headers(url: str) -> dict[str, str]:
    """Of `CLAIMED`, those that arrived; empty while nobody listens."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(url, headers=CLAIMED, timeout=5)
        except requests.ConnectionError:
            return {}
    return {name: answer.headers[f"Got-{name}"] for name in CLAIMED if answer.ok}


def test_what_a_browser_claims_is_dropped_also_from_a_private_address(ask: Ask) -> None:
    got = ask("")
    assert got["X-Forwarded-For"] == "127.0.0.1"
    assert got["X-Forwarded-Proto"] == "http"
    assert got["X-Forwarded-Host"] != "elsewhere.example"


def test_what_a_trusted_proxy_says_is_passed_on(ask: Ask) -> None:
    got = ask("10.0.0.0/8 127.0.0.1")
    assert got["X-Forwarded-For"] == "192.0.2.7, 127.0.0.1"
    assert got["X-Forwarded-Proto"] == "https"


def test_trust_in_others_does_not_help_a_browser(ask: Ask) -> None:
    assert ask("10.0.0.0/8")["X-Forwarded-For"] == "127.0.0.1"
