"""Reports to Sentry contain the error and no secret."""

import json
import threading
from collections.abc import Iterator
from gzip import decompress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sentry_sdk
from django.test import Client

from dashboard import sentry

CANARIES = [
    "ghp_" + "canary" * 6,
    "github_pat_" + "canary" * 4,
    "eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl",
    "hunter2hunter2",
]


@pytest.fixture
def received() -> Iterator[list[str]]:
    """The reports that a Sentry server on this machine receives, as text."""
    bodies: list[str] = []

    class Sentry(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(
                (
                    decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                ).decode()
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
            pass

    server = HTTPServer(("127.0.0.1", 0), Sentry)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    sentry.start(f"http://public@127.0.0.1:{server.server_port}/1")
    yield bodies
    sentry_sdk.init()
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_error_is_reported_without_secrets(
    client: Client, db: None, received: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token, pat, jwt, password = CANARIES

    def fail() -> None:
        raise RuntimeError(f"{token} at https://ada:{password}@github.example with {jwt}")

    monkeypatch.setattr("runners_app.monitoring.health.check", fail)
    client.raise_request_exception = False
    client.cookies["sessionid"] = pat
    assert (
        client.get(
            "/readyz", {"token": pat}, headers={"authorization": f"Bearer {pat}"}
        ).status_code
        == 500
    )
    sentry_sdk.flush(5)
    assert any("RuntimeError" in body for body in received)
    for canary in CANARIES:
        assert not [body for body in received if canary in body]


def test_scrubbing_keeps_what_helps_to_debug() -> None:
    event = sentry.scrub(
        {
            "message": "reading 7 failed",
            "request": {"method": "GET", "url": "http://x/runners/?q=a"},
        }
    )
    assert json.loads(json.dumps(event)) == {
        "message": "reading 7 failed",
        "request": {"method": "GET", "url": "http://x/runners/"},
    }


def test_hostile_text_does_not_slow_the_patterns() -> None:
    """With backtracking patterns these took minutes; pytest's timeout would end the test."""
    for text in (
        "://" + ":" * 200_000,
        "-----BEGIN PRIVATE KEY-----" * 20_000,
        "gh" * 200_000,
        "eyJ" * 300_000,
    ):
        assert sentry.scrub({"message": text})
