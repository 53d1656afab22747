"""The way out through a proxy: what goes through it, what never does, and how it refuses."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runners_app.github import (
    GitHubClient,
    Limits,
    NewHostedRunner,
    NotSent,
    ProxyFailed,
    ProxySettings,
)
from tests.certificates import Authority
from tests.proxy_server import Proxy, proxy_server

from .conftest import ORG, TOKEN
from .raw_server import RawServer, answer, raw_server, saying
from .test_transport import everything_said_about

Connect = Callable[..., GitHubClient]

LIMITS = {"public_ips": {"maximum": 10, "current_usage": 2}}
NEW = NewHostedRunner(name="linux-4core", image_id="2306", size="4-core", runner_group_id=1)
USER = "trackside:canary-p%40ss"  # as it stands in an address
PLAIN_USER = "trackside:canary-p@ss"
HOST = "github.test"  # a name that only the proxy can look up


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxy_server() as serving:
        yield serving


@pytest.fixture
def github(authority: Authority, proxy: Proxy) -> Iterator[RawServer]:
    """GitHub behind the proxy, at https://github.test."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue(HOST))
    tls = lambda sock: context.wrap_socket(sock, server_side=True)  # noqa: E731
    with raw_server(saying(answer(LIMITS)), wrap=tls) as server:
        proxy.hosts[f"{HOST}:443"] = server.port
        yield server


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The names this process asks for."""
    names: list[object] = []
    really = socket.getaddrinfo

    def look_up(host: object, *args: object, **options: object) -> object:
        names.append(host)
        return really(host, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


def through(proxy: Proxy, *, user: str = "", no_proxy: tuple[str, ...] = ()) -> ProxySettings:
    return ProxySettings(f"http://{user + '@' if user else ''}127.0.0.1:{proxy.port}", no_proxy)


def test_a_tunnel_leads_to_github_and_shows_the_proxy_nothing(
    connect: Connect,
    proxy: Proxy,
    github: RawServer,
    authority: Authority,
    looked_up: list[object],
) -> None:
    client = connect(f"https://{HOST}", proxy=through(proxy), ca_file=str(authority.file))
    for _ in range(3):
        assert client.get_hosted_runner_limits(ORG).items == (Limits(10, 2),)
    assert TOKEN.encode() in github.requests[0]
    assert proxy.asked == [f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n"]
    assert proxy.tunnels == github.connections == 1
    assert TOKEN.encode() not in proxy.seen
    assert set(looked_up) == {"127.0.0.1"}


def test_an_address_without_tls_takes_a_tunnel_as_well(connect: Connect, proxy: Proxy) -> None:
    with raw_server(saying(answer(LIMITS))) as server:
        proxy.hosts[f"{HOST}:8080"] = server.port
        client = connect(f"http://{HOST}:8080", proxy=through(proxy))
        assert client.get_hosted_runner_limits(ORG).items == (Limits(10, 2),)
        assert server.targets == ["GET /orgs/octo-org/actions/hosted-runners/limits"]
        assert proxy.tunnels == 1


def test_a_proxy_that_inspects_tls_must_be_trusted(
    connect: Connect, proxy: Proxy, github: RawServer, authority: Authority, tmp_path: Path
) -> None:
    its_own = Authority(tmp_path, "proxy")

    def shown_for(host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(its_own.issue(host))
        return context

    proxy.inspect = shown_for
    proxy.upstream = ssl.create_default_context(cafile=str(authority.file))

    client = connect(f"https://{HOST}", proxy=through(proxy), ca_file=str(its_own.file))
    assert client.get_hosted_runner_limits(ORG).items == (Limits(10, 2),)
    assert TOKEN.encode() in proxy.seen

    proxy.seen.clear()
    wary = connect(f"https://{HOST}", proxy=through(proxy), ca_file=str(authority.file))
    with pytest.raises(NotSent, match="if the outgoing proxy inspects TLS, its authority"):
        wary.get_hosted_runner_limits(ORG)
    assert proxy.seen == b""


def test_the_certificate_must_be_of_the_host_and_not_of_the_proxy(
    connect: Connect, proxy: Proxy, authority: Authority, certificate: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)  # of 127.0.0.1, where the proxy is
    tls = lambda sock: context.wrap_socket(sock, server_side=True)  # noqa: E731
    with raw_server(saying(answer(LIMITS)), wrap=tls) as server:
        proxy.hosts[f"{HOST}:443"] = server.port
        client = connect(f"https://{HOST}", proxy=through(proxy), ca_file=str(authority.file))
        with pytest.raises(NotSent, match="certificate was not accepted"):
            client.get_hosted_runner_limits(ORG)
        assert server.requests == []


def test_user_and_password_reach_the_proxy_and_nobody_else(
    connect: Connect, proxy: Proxy, github: RawServer, authority: Authority
) -> None:
    proxy.user = PLAIN_USER
    settings = through(proxy, user=USER)
    client = connect(f"https://{HOST}", proxy=settings, ca_file=str(authority.file))
    assert client.get_hosted_runner_limits(ORG).items == (Limits(10, 2),)
    assert b"proxy-authorization" not in github.requests[0].lower()
    for shown in (repr(settings), str(settings), settings.address):
        assert "canary" not in shown
    assert repr(settings) == f"ProxySettings('127.0.0.1:{proxy.port}', no_proxy=())"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "it does not allow this host"),
        (407, "it needs a user and password, or others than it was given"),
        (418, "it refuses"),
        (502, "it could not reach the host"),
        (504, "it could not reach the host in time"),
        (302, "it refuses"),
    ],
)
def test_a_refusal_of_the_proxy_is_told_as_its_own(
    connect: Connect, proxy: Proxy, github: RawServer, status: int, words: str
) -> None:
    proxy.refuse_with = status
    client = connect(f"https://{HOST}", proxy=through(proxy, user=USER))
    with pytest.raises(ProxyFailed) as caught:
        client.create_hosted_runner(ORG, NEW)
    error = caught.value
    assert not error.sent
    assert not error.may_have_applied
    assert error.proxy_status == status
    assert str(error) == (
        "GitHub could not be reached: "
        f"the outgoing proxy 127.0.0.1:{proxy.port} answered {status}, {words}."
    )
    assert github.connections == 0
    said = everything_said_about(error)
    assert "canary" not in said
    assert TOKEN not in said


def test_a_wrong_password_is_told_without_it(
    connect: Connect, proxy: Proxy, github: RawServer
) -> None:
    proxy.user = "trackside:another"
    with pytest.raises(ProxyFailed, match="answered 407") as caught:
        connect(f"https://{HOST}", proxy=through(proxy, user=USER)).get_app()
    assert caught.value.proxy_status == 407
    assert "canary" not in everything_said_about(caught.value)
    assert github.connections == 0


def test_a_proxy_that_is_down_is_told_as_such(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    client = connect(f"https://{HOST}", proxy=ProxySettings(f"http://{address}"))
    with pytest.raises(ProxyFailed, match=f"proxy {address} failed: Connection refused") as caught:
        client.get_app()
    assert caught.value.proxy_status is None


@pytest.mark.parametrize(
    "said", [b"", b"220 mail.test ESMTP\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000]
)
def test_what_speaks_no_http_is_no_proxy(connect: Connect, said: bytes) -> None:
    def speak(sock: socket.socket, _: bytes) -> None:
        sock.sendall(said)
        sock.shutdown(socket.SHUT_RDWR)

    with raw_server(speak) as server, pytest.raises(ProxyFailed, match="the outgoing proxy"):
        connect(f"https://{HOST}", proxy=ProxySettings(server.url)).get_app()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 Connection established\r\n"])
def test_the_deadline_covers_the_way_through_the_proxy(connect: Connect, head: bytes) -> None:
    def trickle(sock: socket.socket, _: bytes) -> None:
        sock.sendall(head)
        for _number in range(100):
            sock.sendall(b"X-Slow: yes\r\n" if head else b"H")
            time.sleep(0.05)

    with raw_server(trickle) as server:
        began = time.monotonic()
        with pytest.raises(ProxyFailed, match="it did not answer in time"):
            connect(f"https://{HOST}", proxy=ProxySettings(server.url), deadline=0.4).get_app()
        assert time.monotonic() - began < 2


def test_hosts_that_need_no_proxy_are_reached_without(connect: Connect, proxy: Proxy) -> None:
    with raw_server(saying(answer(LIMITS))) as server:
        settings = through(proxy, no_proxy=(f"127.0.0.1:{server.port}",))
        client = connect(server.url, proxy=settings)
        assert client.get_hosted_runner_limits(ORG).items == (Limits(10, 2),)
        assert server.connections == 1
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("pattern", "host", "direct"),
    [
        ("corp.test", "corp.test", True),
        ("corp.test", "github.corp.test", True),
        ("corp.test", "GitHub.Corp.test.", True),
        ("corp.test", "notcorp.test", False),
        (".corp.test", "github.corp.test", True),
        ("*.corp.test", "github.corp.test", True),
        ("Corp.Test", "corp.test", True),
        ("corp.test:8443", "corp.test", False),
        ("corp.test:443", "corp.test", True),
        ("*", "api.github.com", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "ten.test", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3:8443", "10.1.2.3", False),
        ("::1", "[::1]", True),
        ("[::1]:443", "::1", True),
        ("fd00::/8", "fd00::5", True),
        ("localhost", "127.0.0.1", False),
    ],
)
def test_a_pattern_stands_for_hosts(pattern: str, host: str, direct: bool) -> None:
    assert ProxySettings("http://proxy.test:3128", [pattern]).serves(host, 443) is not direct


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.test",
        "https://u:canary@proxy.test",
        "socks5://u:canary@proxy.test",
        "http://",
        "http://u:canary@proxy.test/path",
        "http://u:canary@[proxy",
    ],
)
def test_what_is_no_address_of_a_proxy_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="looks like http://HOST:PORT") as caught:
        ProxySettings(url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "pattern", ["http://corp.test", "corp.test/path", "a b", "10.0.0.0/99", "::1:x"]
)
def test_a_pattern_that_stands_for_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no host name, IP address or network"):
        ProxySettings("http://proxy.test:3128", [pattern])
