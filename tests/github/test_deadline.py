"""A call ends by its deadline, whatever the server does to keep it waiting; also through TLS."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest_django import Settings

from runners_app.credentials.credentials import app_client, open_client, store_app, store_token
from runners_app.credentials.leases import take_lease
from runners_app.github import AnswerLost, GitHubClient, GitHubError, Limits, NotSent
from runners_app.github.clock import uptime

from .conftest import ORG, TOKEN
from .raw_server import answer, raw_server, saying

Connect = Callable[..., GitHubClient]
Wrap = Callable[[socket.socket], socket.socket]

LIMITS = {"public_ips": {"maximum": 10, "current_usage": 2}}
DEADLINE = 0.4
# Generous, for machines that are busy with something else; a trickled answer would take minutes.
IN_TIME = 2.0


def trickle(what: bytes, head: bytes = b"") -> Callable[[socket.socket, bytes], None]:
    """Send the head at once and the rest one byte every 50 ms."""

    def behave(sock: socket.socket, _: bytes) -> None:
        sock.sendall(head)
        for number in range(len(what)):
            sock.sendall(what[number : number + 1])
            time.sleep(0.05)

    return behave


def fails_in_time(client: GitHubClient, expected: type[GitHubError] = AnswerLost) -> GitHubError:
    began = time.monotonic()
    with pytest.raises(expected, match="in time") as caught:
        client.get_hosted_runner_limits(ORG)
    assert time.monotonic() - began < IN_TIME
    return caught.value


def test_headers_that_trickle_end_at_the_deadline(connect: Connect) -> None:
    with raw_server(trickle(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 99)) as server:
        fails_in_time(connect(server.url, deadline=DEADLINE))


def test_a_body_that_trickles_ends_at_the_deadline(connect: Connect) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
    with raw_server(trickle(b" " * 5000, head)) as server:
        fails_in_time(connect(server.url, deadline=DEADLINE))


def test_chunks_that_trickle_end_at_the_deadline(connect: Connect) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw_server(trickle(b"1\r\n \r\n" * 1000, head)) as server:
        fails_in_time(connect(server.url, deadline=DEADLINE))


def test_endless_interim_answers_end_at_the_deadline(connect: Connect) -> None:
    with raw_server(trickle(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)) as server:
        fails_in_time(connect(server.url, deadline=DEADLINE))


def test_a_server_that_says_nothing_ends_at_the_deadline(connect: Connect) -> None:
    with raw_server(lambda *_: None) as server:
        fails_in_time(connect(server.url, deadline=DEADLINE))


def test_redirects_share_one_deadline(connect: Connect) -> None:
    def redirect_slowly(sock: socket.socket, _: bytes) -> None:
        time.sleep(DEADLINE * 0.6)
        sock.sendall(answer(status=302, headers={"Location": "/again"}))

    with raw_server(redirect_slowly) as server:
        fails_in_time(connect(server.url, deadline=DEADLINE))
        assert len(server.requests) == 2


def test_a_server_that_does_not_take_the_connection_was_not_sent_anything(connect: Connect) -> None:
    with socket.socket() as full, socket.socket() as waiting, socket.socket() as more:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (waiting, more):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        error = fails_in_time(
            connect(f"http://127.0.0.1:{full.getsockname()[1]}", deadline=DEADLINE), NotSent
        )
        assert not error.sent


def test_a_slow_name_lookup_ends_at_the_deadline(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object, **__: object) -> list[object]:
        time.sleep(3 * DEADLINE)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    fails_in_time(connect("http://github.test", deadline=DEADLINE), NotSent)


def test_a_tls_handshake_that_trickles_ends_at_the_deadline(connect: Connect) -> None:
    # The head of a TLS record that announces 16 KB of handshake
    slow_hello = trickle(b"\x00" * 1000, b"\x16\x03\x03\x40\x00")

    def handshake(sock: socket.socket) -> socket.socket:
        sock.recv(65_536)
        slow_hello(sock, b"")
        return sock

    with raw_server(lambda *_: None, wrap=handshake) as server:
        fails_in_time(connect(server.url.replace("http:", "https:"), deadline=DEADLINE), NotSent)


def test_sixteen_threads_on_one_trickling_server_all_end_in_time(connect: Connect) -> None:
    with raw_server(trickle(b"HTTP/1.1 200 OK\r\n" * 100)) as server:
        client = connect(server.url, deadline=DEADLINE)
        with ThreadPoolExecutor(16) as pool:
            errors = list(pool.map(lambda _: fails_in_time(client), range(16)))
    assert len(errors) == 16


def test_after_a_missed_deadline_the_connection_is_not_used_again(connect: Connect) -> None:
    late = answer({"public_ips": {"maximum": 666}})

    def behave(sock: socket.socket, _: bytes) -> None:
        if server.connections == 1:
            time.sleep(1.5 * DEADLINE)
            sock.sendall(late)
        else:
            sock.sendall(answer(LIMITS))

    with raw_server(behave) as server:
        client = connect(server.url, deadline=DEADLINE)
        fails_in_time(client)
        time.sleep(DEADLINE)
        assert client.get_hosted_runner_limits(ORG).items == (Limits(10, 2),)
        assert server.connections == 2


# The right to send, which may end sooner


def test_a_request_ends_with_the_right_to_send(connect: Connect) -> None:
    with raw_server(lambda *_: None) as server:
        client = connect(server.url, before_request=lambda method: uptime() + DEADLINE)
        fails_in_time(client)


def test_a_right_that_lasts_longer_does_not_prolong_a_request(connect: Connect) -> None:
    with raw_server(lambda *_: None) as server:
        allowed = lambda method: uptime() + 60  # noqa: E731
        fails_in_time(connect(server.url, deadline=DEADLINE, before_request=allowed))


def test_after_the_right_has_ended_nothing_is_sent(connect: Connect) -> None:
    with raw_server(saying(answer(LIMITS))) as server:
        client = connect(server.url, before_request=lambda method: uptime() - 1)
        with pytest.raises(NotSent, match="time for this request was over") as caught:
            client.get_hosted_runner_limits(ORG)
        assert not caught.value.may_have_applied
        assert server.connections == 0


def test_each_redirect_needs_the_right_anew(connect: Connect) -> None:
    rights = iter([60.0, -1.0])
    moved = answer(status=302, headers={"Location": "/again"})
    with raw_server(saying(moved)) as server:
        client = connect(server.url, before_request=lambda method: uptime() + next(rights))
        with pytest.raises(NotSent):
            client.get_hosted_runner_limits(ORG)
        assert len(server.requests) == 1


# TLS


@pytest.fixture
def tls(server_context: ssl.SSLContext) -> Wrap:
    return lambda sock: server_context.wrap_socket(sock, server_side=True)


def test_a_certificate_nobody_vouches_for_is_not_accepted(connect: Connect, tls: Wrap) -> None:
    with raw_server(saying(answer(LIMITS)), wrap=tls) as server:
        with pytest.raises(NotSent, match="certificate was not accepted"):
            connect(server.url.replace("http:", "https:")).get_hosted_runner_limits(ORG)
        assert server.requests == []


def test_a_server_of_ones_own_may_have_an_authority_of_its_own(
    connect: Connect, tls: Wrap, certificate: Path
) -> None:
    with raw_server(saying(answer(LIMITS)), wrap=tls) as server:
        client = connect(server.url.replace("http:", "https:"), ca_file=str(certificate))
        for _ in range(3):
            assert client.get_hosted_runner_limits(ORG).items == (Limits(10, 2),)
        assert server.connections == 1
        client.close()


def test_stored_tokens_and_apps_trust_the_authority_of_the_setting(
    db: None, settings: Settings, tls: Wrap, certificate: Path
) -> None:
    settings.GITHUB_CA_FILE = str(certificate)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with raw_server(saying(answer(LIMITS)), wrap=tls) as server:
        url = server.url.replace("http:", "https:")
        credential = store_token(url, TOKEN, by=None)
        lease = take_lease(credential.pk, "a test")
        assert lease is not None
        for client in (app_client(store_app(url, "1", pem)), open_client(credential, lease)):
            assert client.get_hosted_runner_limits(ORG).items == (Limits(10, 2),)
            client.close()


START = "from django.conf import settings; settings.GITHUB_CA_FILE"


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["missing", "folder", "no certificates"])
def test_a_file_of_authorities_that_cannot_be_read_is_said_at_start(
    tmp_path: Path, kind: str
) -> None:
    file = {
        "missing": tmp_path / "none.pem",
        "folder": tmp_path,
        "no certificates": tmp_path / "empty.pem",
    }[kind]
    (tmp_path / "empty.pem").touch()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "TRACKSIDE_DATA_DIR": str(tmp_path),
    }
    environment["GITHUB_CA_FILE"] = str(file)
    done = subprocess.run(
        [sys.executable, "-c", START], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert f"GITHUB_CA_FILE is {file}, which has no certificates that can be read" in done.stderr


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"], ids=["headers", "body"]
)
def test_what_trickles_through_tls_ends_at_the_deadline(
    connect: Connect, tls: Wrap, certificate: Path, head: bytes
) -> None:
    with raw_server(trickle(b"HTTP/1.1 200 OK\r\n" * 100, head), wrap=tls) as server:
        fails_in_time(
            connect(
                server.url.replace("http:", "https:"), deadline=DEADLINE, ca_file=str(certificate)
            )
        )
