"""The client against servers that do everything a server should not."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from runners_app.github import (
    AnswerLost,
    AnswerMeta,
    AnswerUnusable,
    BadCredentials,
    Forbidden,
    GitHubClient,
    GitHubError,
    Limits,
    NewHostedRunner,
    NotSent,
    RedirectRefused,
    Refused,
    ServerFailed,
    TokenAuth,
)

from .conftest import ORG, TOKEN
from .raw_server import answer, hanging_up_after, raw_server, saying

Connect = Callable[..., GitHubClient]

LIMITS = {"public_ips": {"maximum": 10, "current_usage": 2}}
RUNNER = {"id": 5, "name": "linux-4core"}
NEW = NewHostedRunner(name="linux-4core", image_id="2306", size="4-core", runner_group_id=1)


# Size


def big_body(size: int) -> Callable[[socket.socket, bytes], None]:
    def behave(sock: socket.socket, request: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 100_000):
            sock.sendall(b" " * 100_000)

    return behave


def test_a_body_of_a_hundred_megabytes_is_not_taken(connect: Connect) -> None:
    with (
        raw_server(big_body(100_000_000)) as server,
        pytest.raises(AnswerUnusable, match="too large"),
    ):
        connect(server.url).get_hosted_runner_limits(ORG)


def test_a_small_body_that_unpacks_to_a_hundred_megabytes_is_not_taken(connect: Connect) -> None:
    bomb = gzip.compress(b" " * 100_000_000, 1)
    with (
        raw_server(saying(answer(bomb, headers={"Content-Encoding": "gzip"}))) as server,
        pytest.raises(AnswerUnusable, match="too large"),
    ):
        connect(server.url).get_hosted_runner_limits(ORG)


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
            id="chunk of negative size",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", id="trailers"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", id="headers"),
    ],
)
def test_what_never_ends_outside_of_the_body_is_not_read_to_the_end(
    connect: Connect, endless: bytes
) -> None:
    def behave(sock: socket.socket, _: bytes) -> None:
        sock.sendall(endless)
        while True:
            sock.sendall(b"X-More: and more\r\n" * 1_000)

    with raw_server(behave) as server, pytest.raises(AnswerLost, match="connection broke"):
        connect(server.url).get_hosted_runner_limits(ORG)


def test_a_packed_body_is_unpacked(connect: Connect) -> None:
    packed = gzip.compress(json.dumps(LIMITS).encode())
    with raw_server(saying(answer(packed, headers={"Content-Encoding": "gzip"}))) as server:
        assert connect(server.url).get_hosted_runner_limits(ORG).items == (Limits(10, 2),)


# Broken connections


def test_a_refused_connection_was_not_sent_anything(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent, match="Connection refused") as caught:
        connect(f"http://127.0.0.1:{port}").create_hosted_runner(ORG, NEW)
    assert not caught.value.sent
    assert not caught.value.may_have_applied


def test_an_unknown_host_was_not_sent_anything(connect: Connect) -> None:
    with pytest.raises(NotSent, match="name could not be looked up"):
        connect("http://github.invalid").get_hosted_runner_limits(ORG)


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "xn--.test"])
def test_what_is_no_host_name_was_not_sent_anything(connect: Connect, host: str) -> None:
    with pytest.raises(NotSent):
        connect(f"http://{host}").get_hosted_runner_limits(ORG)


def test_a_server_without_tls_was_not_sent_anything(connect: Connect) -> None:
    def plainly(sock: socket.socket) -> socket.socket:
        sock.recv(65_536)
        sock.sendall(answer(status=400))
        return sock

    with (
        raw_server(lambda *_: None, wrap=plainly) as server,
        pytest.raises(NotSent, match="TLS failed"),
    ):
        connect(server.url.replace("http:", "https:")).get_hosted_runner_limits(ORG)


def reset(sock: socket.socket, _: bytes) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(reset, id="reset"),
        pytest.param(hanging_up_after(b""), id="closed without a word"),
        pytest.param(hanging_up_after(answer(RUNNER, 201)[:-3]), id="cut body"),
        pytest.param(hanging_up_after(b"HTTP/1.1 201 Crea"), id="cut status line"),
        pytest.param(hanging_up_after(b"\x00\xff garbage\r\n\r\n"), id="no HTTP"),
        pytest.param(
            saying(answer(b"not packed", 201, headers={"Content-Encoding": "gzip"})),
            id="packed body that is not",
        ),
        pytest.param(
            saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
            id="two lengths",
        ),
    ],
)
def test_an_answer_that_does_not_arrive_whole_leaves_a_write_open_and_is_not_repeated(
    connect: Connect, behave: Callable[[socket.socket, bytes], object]
) -> None:
    with raw_server(behave) as server:
        with pytest.raises((AnswerLost, AnswerUnusable)) as caught:
            connect(server.url, deadline=2).create_hosted_runner(ORG, NEW)
        assert caught.value.sent
        assert caught.value.may_have_applied
        assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "expected"), [(401, BadCredentials), (502, ServerFailed)])
def test_a_failing_status_says_enough_even_if_its_body_is_cut(
    connect: Connect, status: int, expected: type[GitHubError]
) -> None:
    cut = answer({"message": "cut off"}, status, {"X-GitHub-Request-Id": "A:1"})[:-5]
    with raw_server(hanging_up_after(cut)) as server, pytest.raises(expected) as caught:
        connect(server.url).get_hosted_runner_limits(ORG)
    assert caught.value.status == status


def test_a_failing_status_says_enough_even_if_its_body_is_huge(connect: Connect) -> None:
    big = answer(b" " * 10_000, 403, {"X-GitHub-Request-Id": "A:1"})
    with raw_server(saying(big)) as server, pytest.raises(Forbidden):
        connect(server.url, max_bytes=1_000).get_hosted_runner_limits(ORG)


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused_and_the_token_stays_here(
    connect: Connect, status: int
) -> None:
    with raw_server(saying(answer(LIMITS))) as other:
        elsewhere = f"http://localhost:{other.port}/orgs?leak=canary-query"
        with raw_server(saying(answer(status=status, headers={"Location": elsewhere}))) as server:
            for call in (
                connect(server.url).get_app,
                lambda: connect(server.url).create_hosted_runner(ORG, NEW),
            ):
                with pytest.raises(RedirectRefused, match="localhost") as caught:
                    call()
                assert caught.value.host == "localhost"
                assert "canary-query" not in str(caught.value)
        assert other.requests == []
        assert other.connections == 0


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1:{port}/api/v3/app",
        "http://user:pass@127.0.0.1:{port}/api/v3/app",
        "/elsewhere",
        "/api/v3",
        "/api/v3/../elsewhere",
        "/api/v3/%2e%2e/elsewhere",
        "//github.invalid/api/v3/app",
        "ftp://x/",
        "http://[",
        "",
    ],
)
def test_a_redirect_off_the_origin_or_path_is_refused(connect: Connect, location: str) -> None:
    behave = saying(answer(status=302, headers={"Location": "PLACE"}))
    with raw_server(lambda sock, _: behave(sock, b"")) as server:
        behave = saying(answer(status=302, headers={"Location": location.format(port=server.port)}))
        with pytest.raises(RedirectRefused):
            connect(f"{server.url}/api/v3").get_app()
        assert len(server.requests) == 1


def test_three_redirects_within_the_api_are_followed_with_the_token(connect: Connect) -> None:
    moves = [
        answer(status=s, headers={"Location": f"/api/v3/organizations/{s}"})
        for s in (301, 302, 307)
    ]
    with raw_server(saying(*moves, answer(LIMITS))) as server:
        page = connect(f"{server.url}/api/v3").get_hosted_runner_limits(ORG)
        assert page.items == (Limits(10, 2),)
        assert page.meta.redirected_to == f"{server.url}/api/v3/organizations/307"
        assert server.targets[1:] == [f"GET /api/v3/organizations/{s}" for s in (301, 302, 307)]
        assert all(TOKEN.encode() in request for request in server.requests)


def test_a_fourth_redirect_is_refused(connect: Connect) -> None:
    with raw_server(saying(answer(status=302, headers={"Location": "/app"}))) as server:
        with pytest.raises(RedirectRefused):
            connect(server.url).get_app()
        assert len(server.requests) == 4


def test_a_write_follows_307_with_its_body(connect: Connect) -> None:
    moved = answer(status=307, headers={"Location": "/organizations/1/actions/hosted-runners"})
    with raw_server(saying(moved, answer(RUNNER, 201))) as server:
        assert connect(server.url).create_hosted_runner(ORG, NEW).data.id == 5
        first, second = (request.split(b"\r\n\r\n", 1)[1] for request in server.requests)
        assert json.loads(first) == json.loads(second) == NEW.body()


@pytest.mark.parametrize("status", [301, 302, 303, 308])
def test_a_write_follows_no_other_redirect(connect: Connect, status: int) -> None:
    with raw_server(saying(answer(status=status, headers={"Location": "/app"}))) as server:
        with pytest.raises(RedirectRefused):
            connect(server.url).delete_hosted_runner(ORG, 5)
        assert len(server.requests) == 1


# Statuses nobody documents


MADE_UP = [200, 202, 204, 206, 226, 299, 300, 304, 306, 402, 405, 418, 423, 450, 451, 499, 500, 599]
WRITES: dict[str, tuple[Callable[[GitHubClient], object], int]] = {
    "POST": (lambda client: client.create_hosted_runner(ORG, NEW), 201),
    "PATCH": (lambda client: client.update_hosted_runner(ORG, 5, {"name": "new"}), 200),
    "DELETE": (lambda client: client.delete_hosted_runner(ORG, 5), 202),
    "PUT": (lambda client: client.add_repository_with_access(ORG, 2, 5), 204),
}


@pytest.mark.parametrize(
    ("method", "status"),
    [(method, made_up) for method in WRITES for made_up in MADE_UP if made_up != WRITES[method][1]],
)
def test_a_status_nobody_documents_leaves_a_write_open(
    connect: Connect, method: str, status: int
) -> None:
    write, _ = WRITES[method]
    body = b"" if status in (204, 304) else json.dumps({**RUNNER, "message": "fine"}).encode()
    with raw_server(saying(answer(body, status))) as server:
        with pytest.raises(GitHubError) as caught:
            write(connect(server.url))
        assert caught.value.may_have_applied
        assert not isinstance(caught.value, Refused)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [201, 204, 206, 299, 418, 450, 599])
def test_a_status_nobody_documents_is_an_error_of_a_read(connect: Connect, status: int) -> None:
    with raw_server(saying(answer(LIMITS, status))) as server, pytest.raises(GitHubError):
        connect(server.url).get_hosted_runner_limits(ORG)


def test_a_write_refused_after_a_redirect_is_left_open(connect: Connect) -> None:
    moved = answer(status=307, headers={"Location": "/organizations/1/actions/hosted-runners"})
    taken = answer({"message": "Already exists - linux-4core"}, 409)
    with raw_server(saying(moved, taken)) as server:
        with pytest.raises(AnswerUnusable, match="redirected and then refused") as caught:
            connect(server.url).create_hosted_runner(ORG, NEW)
        assert caught.value.may_have_applied
        assert len(server.requests) == 2


# What is sent


def test_a_request_says_who_asks_and_in_which_version(connect: Connect) -> None:
    with raw_server(saying(answer(LIMITS))) as server:
        connect(server.url, api_version="2022-11-28").get_hosted_runner_limits(ORG)
        head = server.requests[0].decode().lower()
    assert f"\r\nauthorization: bearer {TOKEN}\r\n".lower() in head
    assert "\r\nx-github-api-version: 2022-11-28\r\n" in head
    assert "\r\naccept: application/vnd.github+json\r\n" in head
    assert "\r\nuser-agent: trackside/" in head


def test_requests_share_one_connection(connect: Connect) -> None:
    with raw_server(saying(answer(LIMITS))) as server:
        client = connect(server.url)
        for _ in range(5):
            client.get_hosted_runner_limits(ORG)
        assert server.connections == 1
        assert len(server.requests) == 5


def test_a_connection_closed_while_idle_is_opened_anew(connect: Connect) -> None:
    with raw_server(hanging_up_after(answer(LIMITS))) as server:
        client = connect(server.url)
        client.get_hosted_runner_limits(ORG)
        time.sleep(0.05)
        client.get_hosted_runner_limits(ORG)
        assert server.connections == 2


def test_neither_proxies_nor_netrc_nor_cookies_are_used(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with raw_server(saying(answer(LIMITS, headers={"Set-Cookie": "canary=1"}))) as server:
        client = connect(server.url)
        client.get_hosted_runner_limits(ORG)
        client.get_hosted_runner_limits(ORG)
        assert f"Bearer {TOKEN}".encode() in server.requests[1]
        assert b"canary=1" not in server.requests[1]


def test_what_is_raised_before_a_request_stops_it(connect: Connect) -> None:
    class LeaseLost(Exception):
        pass

    def lost(method: str) -> None:
        raise LeaseLost(method)

    with raw_server(saying(answer(LIMITS))) as server:
        with pytest.raises(LeaseLost, match="GET"):
            connect(server.url, before_request=lost).get_hosted_runner_limits(ORG)
        assert server.connections == 0


def test_every_answer_is_reported_also_refusals_and_redirects(connect: Connect) -> None:
    seen: list[AnswerMeta] = []
    moved = answer(status=302, headers={"Location": "/app"})
    with (
        raw_server(saying(moved, answer({"message": "no"}, 403))) as server,
        pytest.raises(Forbidden),
    ):
        connect(server.url, on_answer=seen.append).get_hosted_runner_limits(ORG)
    assert [meta.status for meta in seen] == [302, 403]


# Secrets


def everything_said_about(error: BaseException) -> str:
    """The whole chain of errors with the local variables of all frames but the test's own, as an
    error tracker would show it.
    """
    assert error.__traceback__
    error.__traceback__ = error.__traceback__.tb_next
    chain: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        link = pending.pop()
        if link is not None and link not in chain:
            chain.append(link)
            pending += [link.__cause__, link.__context__]
    return "\n".join(
        "".join(traceback.TracebackException.from_exception(link, capture_locals=True).format())
        + repr(vars(link))
        for link in chain
    )


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(reset, id="reset"),
        pytest.param(saying(answer(status=502)), id="502"),
        pytest.param(saying(answer(b"<html>")), id="not JSON"),
        pytest.param(saying(answer({"runner": 1})), id="wrong shape"),
        pytest.param(
            saying(answer({"message": f"I got {TOKEN}"}, 401)), id="token repeated in the message"
        ),
        pytest.param(
            saying(answer(b"{}", 403, {"X-Accepted-GitHub-Permissions": TOKEN})), id="in a header"
        ),
        pytest.param(
            saying(answer(status=302, headers={"Location": f"http://{TOKEN}/"})), id="in a redirect"
        ),
    ],
)
def test_no_error_shows_the_token(
    connect: Connect, behave: Callable[[socket.socket, bytes], object]
) -> None:
    with raw_server(behave) as server:
        client = connect(server.url)
        with pytest.raises(GitHubError) as caught:
            client.get_hosted_runner(ORG, 5)
        assert TOKEN.encode() in server.requests[0]
    said = everything_said_about(caught.value)
    assert TOKEN not in said
    assert caught.value.__context__ is None


def test_an_unreachable_server_leaves_no_trace_of_the_token_either(connect: Connect) -> None:
    with pytest.raises(NotSent) as caught:
        connect("http://127.0.0.1:1").get_app()
    assert caught.value.__context__ is None
    assert TOKEN not in everything_said_about(caught.value)


# The address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com",
        "ftp://github.test",
        "https://",
        "https://u:p@github.test",
        "https://h/?q=1",
        "http://[",
    ],
)
def test_an_address_that_cannot_be_an_api_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="API address"):
        GitHubClient(url, TokenAuth(TOKEN))


@pytest.mark.parametrize("path", ["/api/v3", "/api/v3/"])
def test_the_api_may_live_under_a_path(connect: Connect, path: str) -> None:
    with raw_server(saying(answer(LIMITS))) as server:
        connect(server.url + path).get_hosted_runner_limits(ORG)
        assert server.targets == ["GET /api/v3/orgs/octo-org/actions/hosted-runners/limits"]
