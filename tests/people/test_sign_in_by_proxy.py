"""Signing in at a provider that web reaches only through a proxy."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.people.test_providers import (
    EVERY,
    PASSWORD,
    PREPARE,
    Browser,
    first_administrator,
)
from tests.processes import start_web
from tests.providers import CLIENT_ID, CLIENT_SECRET, Provider, start_provider
from tests.proxy_server import Proxy, proxy_server
from tests.web.test_headers import run

USER = "trackside:canary-password"
CALLS = {
    "GitHub": ["POST /login/oauth/access_token", "GET /api/v3/user", "GET /api/v3/user/emails"],
    "Acme": ["GET /.well-known/openid-configuration", "POST /token", "GET /userinfo"],
}


@dataclass
class Behind:
    """Trackside behind a proxy, with a provider."""

    url: str
    provider: Provider
    proxy: Proxy
    email: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder: Path = tmp_path_factory.mktemp("proxied")
    with start_provider() as provider, proxy_server() as proxy:
        proxy.hosts[provider.url.removeprefix("http://")] = int(provider.url.rpartition(":")[2])
        environment = {
            "PATH": "",
            "TRACKSIDE_DATA_DIR": str(folder),
            "OUTGOING_PROXY": proxy.url.replace("//", f"//{USER}@"),
            "GITHUB_URL": provider.url,
            "GITHUB_CLIENT_ID": CLIENT_ID,
            "GITHUB_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_URL": provider.url,
            "OIDC_NAME": "Acme",
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        }
        email = f"{secrets.token_hex(4)}@example.com"
        code = run(folder, PREPARE, **environment).split()[-1]
        with start_web(environment) as web:
            admin = first_administrator(web.url, code)
            admin.open("/people/new/")
            if admin.path == "/you/confirm/":
                admin.send("/you/confirm/?next=/people/new/", password=PASSWORD)
            fields = {"password1": PASSWORD, "password2": PASSWORD}
            admin.send("/people/new/", username="grace", email=email, **fields)
            behind = Behind(web.url, provider, proxy, email)
            yield behind
            assert "canary" not in web.output()
            assert "answered 407, it needs a user and password" in web.output()


@pytest.fixture
def behind(running: Behind) -> Behind:
    running.provider.behave()
    running.provider.sign_in("grace", running.email)
    running.proxy.user = USER
    running.proxy.seen.clear()
    return running


@EVERY
def test_every_call_to_the_provider_goes_through_the_proxy(behind: Behind, name: str) -> None:
    browser = Browser(behind.url)
    browser.sign_in_with(name)
    assert browser.is_signed_in
    through = bytes(behind.proxy.seen).decode("latin-1")
    for call in CALLS[name]:
        assert f"{call} HTTP/1.1" in through
    ways = [path for path, _ in behind.provider.asked if not path.endswith("/authorize")]
    assert through.count(" HTTP/1.1\r\n") == len(ways)


@EVERY
def test_a_proxy_that_refuses_lets_nobody_in_and_is_told_in_the_log(
    behind: Behind, name: str
) -> None:
    behind.proxy.user = "trackside:another"
    browser = Browser(behind.url)
    browser.sign_in_with(name)
    assert "did not tell Trackside who you are" in browser.page
    assert "canary" not in browser.page
    assert not browser.is_signed_in
    assert not [path for path, _ in behind.provider.asked if not path.endswith("/authorize")]
