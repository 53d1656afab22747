"""The only way out is a proxy that inspects TLS: accounts are read, Apps get tokens, and nothing
takes another way.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from runners_app.accounts.accounts import connect, connect_with_token
from runners_app.accounts.github_apps import ask_installations, list_installations
from runners_app.credentials.credentials import store_app, store_installation
from runners_app.github import ProxySettings
from runners_app.models import Account, Reading, Runner
from tests.certificates import Authority
from tests.proxy_server import Proxy, proxy_server
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]

GITHUB = "https://github.test"  # a name that only the proxy can look up


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


@pytest.fixture
def proxy(
    simulator: SimulatorHandle, settings: Settings, tmp_path: Path, looked_up: list[object]
) -> Iterator[Proxy]:
    authority = Authority(tmp_path)

    def shown_for(host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue(host))
        return context

    with proxy_server() as serving:
        serving.inspect = shown_for
        serving.user = "trackside:canary-password"
        serving.hosts["github.test:443"] = int(simulator.base_url.rpartition(":")[2])
        settings.OUTGOING_PROXY = ProxySettings(
            serving.url.replace("//", "//trackside:canary-password@")
        )
        settings.GITHUB_CA_FILE = str(authority.file)
        settings.GITHUB_API_ORIGINS = [GITHUB]
        yield serving


def test_an_account_is_read_through_the_proxy_alone(
    db: None, simulator: SimulatorHandle, proxy: Proxy, work: Work, looked_up: list[object]
) -> None:
    known = simulator.account("acme")
    simulator.clear_requests()
    account = connect_with_token(
        known.slug, kind=known.kind, api_url=GITHUB, token=known.token, by=None, demo=False
    )
    work(account)
    assert Runner.objects.present().filter(account=account).exists()
    assert not Reading.objects.filter(account=account).exclude(error="").exists()
    seen = bytes(proxy.seen)
    assert seen.count(b" HTTP/1.1\r\nHost: github.test\r\n") == len(simulator.requests())
    assert GITHUB.removeprefix("https://") not in looked_up


def test_an_app_lists_its_installations_and_gets_its_tokens_through_the_proxy(
    db: None, simulator: SimulatorHandle, proxy: Proxy, work: Work, looked_up: list[object]
) -> None:
    told = simulator.app()
    app = store_app(GITHUB, str(told["app_id"]), told["pem"])
    ask_installations(app)
    list_installations(app.pk)
    app.refresh_from_db()
    acme = next(one for one in app.installations if one["account"] == "acme")
    credential = store_installation(app, acme["id"], "acme")
    account = connect("acme", kind="organization", credential=credential, by=None)
    work(account)
    assert Runner.objects.present().filter(account=account).exists()
    assert b"POST /app/installations/" in proxy.seen
    assert "github.test" not in looked_up


def test_what_the_proxy_refuses_stands_at_the_reading_as_the_proxys(
    db: None, simulator: SimulatorHandle, proxy: Proxy, work: Work
) -> None:
    proxy.user = "trackside:another"
    known = simulator.account("acme")
    simulator.clear_requests()
    account = connect_with_token(
        known.slug, kind=known.kind, api_url=GITHUB, token=known.token, by=None, demo=False
    )
    work(account)
    reading = Reading.objects.get(account=account, resource="runners")
    assert "the outgoing proxy 127.0.0.1" in reading.error_message
    assert "answered 407, it needs a user and password" in reading.error_message
    assert "canary" not in reading.error_message
    assert simulator.requests() == []
