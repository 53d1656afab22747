"""Signing in at a provider, as a browser does it: GitHub and OpenID Connect, configured by the
environment.

A real web server, a real provider over HTTP, and a browser that keeps cookies and follows where it
is sent. Whatever the provider does, the answer is a page that says what happened.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import jwt
import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from django.db import DataError
from django.db.models.signals import pre_save
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard.logs import Formatter
from tests.people.test_sign_in import code_now
from tests.processes import start_web
from tests.providers import CLIENT_ID, CLIENT_SECRET, DOWN, Provider, start_provider
from tests.web.test_headers import run, run_as_it_is

PASSWORD = "a long password for tests"
ADDRESSES = {"GitHub": "/sign-in/with/github/login/", "Acme": "/sign-in/with/oidc/oidc/login/"}
EVERY = pytest.mark.parametrize("name", ADDRESSES)


class Browser:
    """Keeps cookies, follows redirects, and sends forms with what stands hidden in them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.page = ""
        self.path = ""

    def open(self, path: str, **more: object) -> requests.Response:
        return self._keep(self.session.get(self.url + path, timeout=20, **more))  # type: ignore[arg-type]

    def send(self, path: str, **fields: str) -> requests.Response:
        """A form of the page one is on, to `path`."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page)
        assert token, self.page
        fields["csrfmiddlewaretoken"] = token[1]
        headers = {"Referer": self.url + self.path}
        return self._keep(
            self.session.post(self.url + path, data=fields, headers=headers, timeout=20)
        )

    def _keep(self, answer: requests.Response) -> requests.Response:
        assert answer.status_code < 500, answer.text[:2000]
        self.page, self.path = unescape(answer.text), urlsplit(answer.url).path
        return answer

    def sign_in(self, username: str) -> None:
        self.open("/sign-in/")
        self.send("/sign-in/", username=username, password=PASSWORD)

    def sign_in_with(self, name: str) -> None:
        """By the button on the page of signing in."""
        self.open("/sign-in/")
        assert f"Sign in with {name}" in self.page
        self.send(ADDRESSES[name])

    def connect(self, name: str) -> None:
        """By the way through one's own page, with the password that is asked for."""
        self.open("/you/")
        assert "Single sign-on" in self.page
        self.open("/sign-in/with/")
        self.send(ADDRESSES[name], process="connect")
        if self.path == "/you/confirm/":
            back = re.search(r'name="next" value="([^"]+)"', self.page)
            assert back
            self.send("/you/confirm/", password=PASSWORD, next=back[1])

    @property
    def is_signed_in(self) -> bool:
        return (
            self.session.get(f"{self.url}/", allow_redirects=False, timeout=20).status_code == 200
        )


@dataclass
class Place:
    """Trackside with both providers, and an administrator who is signed in."""

    url: str
    provider: Provider
    admin: Browser
    log: Callable[[], str]

    def browser(self) -> Browser:
        return Browser(self.url)

    def add(self, email: str, *, administrator: bool = False) -> str:
        """Somebody new; the name."""
        username = f"p{secrets.token_hex(4)}"
        self.admin.open("/people/new/")
        if self.admin.path == "/you/confirm/":
            self.admin.send("/you/confirm/?next=/people/new/", password=PASSWORD)
        more = {"administrator": "on"} if administrator else {}
        self.admin.send(
            "/people/new/",
            username=username,
            email=email,
            password1=PASSWORD,
            password2=PASSWORD,
            **more,
        )
        assert f"{username} can sign in now" in self.admin.page
        return username

    def people(self) -> set[str]:
        """The addresses of all."""
        self.admin.open("/people/")
        return set(re.findall(r"/people/\d+/", self.admin.page))


PREPARE = """
call_command("collectstatic", interactive=False, verbosity=0)
call_command("setup_code")
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("providers")
    with start_provider() as provider:
        environment = {
            "PATH": "",
            "TRACKSIDE_DATA_DIR": str(folder),
            "REQUIRE_MFA_FOR_ADMINS": "on",
            "PYTHONWARNINGS": "default",
            "GITHUB_URL": provider.url,
            "GITHUB_CLIENT_ID": CLIENT_ID,
            "GITHUB_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_URL": provider.url,
            "OIDC_NAME": "Acme",
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        }
        code = run(folder, PREPARE, **environment).split()[-1]
        with start_web(environment) as web:
            admin = first_administrator(web.url, code)
            yield Place(web.url, provider, admin, web.output)
            assert "Internal Server Error" not in web.output()
            assert CLIENT_SECRET not in web.output()


def first_administrator(url: str, code: str) -> Browser:
    """By the setup page, with the second factor that is required."""
    admin = Browser(url)
    admin.open("/setup/")
    admin.send("/setup/", code=code, username="ada", password1=PASSWORD, password2=PASSWORD)
    set_up_second_factor(admin)
    return admin


def set_up_second_factor(browser: Browser) -> str:
    """The key."""
    browser.open("/you/two-factor/totp/activate/")
    if browser.path == "/you/confirm/":  # not after signing in with the password just now
        browser.send("/you/confirm/?next=/you/two-factor/totp/activate/", password=PASSWORD)
    secret = re.search(r'value="([A-Z2-7]{32})"', browser.page)
    assert secret, browser.page
    browser.send("/you/two-factor/totp/activate/", code=code_now(secret[1]))
    assert browser.path != "/you/two-factor/totp/activate/", browser.page
    return secret[1]


@pytest.fixture
def place(running: Place) -> Place:
    running.provider.behave()
    return running


def anybody() -> str:
    return f"{secrets.token_hex(4)}@example.com"


# --- Whom it lets in


@EVERY
def test_an_unknown_user_is_refused_and_not_added(place: Place, name: str) -> None:
    before, browser = place.people(), place.browser()
    place.provider.sign_in("stranger", "stranger@example.com")
    browser.sign_in_with(name)
    assert "Trackside does not know you" in browser.page
    assert "Ask an administrator of Trackside to add you" in browser.page
    assert not browser.is_signed_in
    assert place.people() == before


@EVERY
def test_a_verified_address_signs_in_its_user_who_keeps_the_password(
    place: Place, name: str
) -> None:
    email, browser = anybody(), place.browser()
    username = place.add(email)
    place.provider.sign_in(f"login-of-{username}", email.upper())
    browser.sign_in_with(name)
    assert browser.is_signed_in
    browser.open("/you/")
    assert username in browser.page
    by_password = place.browser()
    by_password.sign_in(username)
    assert by_password.is_signed_in


@EVERY
def test_an_address_entered_with_capitals_is_the_same_address(place: Place, name: str) -> None:
    email, browser = anybody(), place.browser()
    username = place.add(f"Kim.{email.upper()}")
    place.provider.sign_in(f"login-of-{username}", f"kim.{email}")
    browser.sign_in_with(name)
    browser.open("/you/")
    assert username in browser.page


@EVERY
def test_an_address_of_two_users_signs_in_neither(place: Place, name: str) -> None:
    email, browser = anybody(), place.browser()
    place.add(email)
    place.add(email.upper())
    place.provider.sign_in("one-of-two", email)
    browser.sign_in_with(name)
    assert "Trackside does not know you" in browser.page
    assert not browser.is_signed_in


@EVERY
def test_an_unverified_address_signs_in_no_user(place: Place, name: str) -> None:
    email, browser = anybody(), place.browser()
    place.add(email)
    place.provider.sign_in("pretender", email, verified=False)
    browser.sign_in_with(name)
    assert "Trackside does not know you" in browser.page
    assert not browser.is_signed_in


@EVERY
def test_a_user_connects_a_provider_and_then_signs_in_with_it(place: Place, name: str) -> None:
    username, browser = place.add(anybody()), place.browser()
    place.provider.sign_in(f"other-name-{username}-{name}", "not-known-here@example.com")
    browser.sign_in(username)
    browser.connect(name)
    assert "has been connected" in browser.page
    later = place.browser()
    later.sign_in_with(name)
    assert later.is_signed_in
    later.open("/you/")
    assert username in later.page


@EVERY
@pytest.mark.parametrize(
    ("query", "title"), [("", "Sign in with"), ("?process=connect", "Connect")]
)
def test_a_link_leads_to_a_page_that_names_the_provider_as_it_names_itself(
    place: Place, name: str, query: str, title: str
) -> None:
    browser = place.browser()
    browser.open(ADDRESSES[name] + query)
    assert f"<h1>{title} {name}</h1>" in browser.page
    assert f"<title>{title} {name}" in browser.page
    assert f"Continue to {name}</button>" in browser.page
    assert name.lower() not in re.sub(r"<[^>]*>", "", browser.page)


@EVERY
def test_the_intermediate_page_continues_to_the_provider(place: Place, name: str) -> None:
    email, browser = anybody(), place.browser()
    place.provider.sign_in(place.add(email), email)
    browser.open(ADDRESSES[name])
    browser.send(ADDRESSES[name])
    assert browser.is_signed_in


def test_connecting_asks_for_the_password_first(place: Place) -> None:
    email, browser = anybody(), place.browser()
    username = place.add(email)
    place.provider.sign_in(f"login-of-{username}", email)
    browser.sign_in_with("Acme")
    place.provider.sign_in(f"name-{username}", "not-known-here@example.com")
    browser.open("/sign-in/with/")
    browser.send(ADDRESSES["GitHub"], process="connect")
    assert browser.path == "/you/confirm/"
    thief = place.browser()
    thief.sign_in_with("GitHub")
    assert not thief.is_signed_in


def test_a_disconnected_provider_signs_in_no_user_and_ends_other_sessions(place: Place) -> None:
    username, browser, elsewhere = place.add(anybody()), place.browser(), place.browser()
    place.provider.sign_in(f"gone-{username}", "not-known-here@example.com")
    browser.sign_in(username)
    browser.connect("GitHub")
    elsewhere.sign_in_with("GitHub")
    assert elsewhere.is_signed_in
    browser.open("/sign-in/with/")
    number = re.search(r'name="account" value="(\d+)"', browser.page)
    assert number
    browser.send("/sign-in/with/", account=number[1])
    assert "has been disconnected" in browser.page
    assert not elsewhere.is_signed_in
    assert browser.is_signed_in
    elsewhere.sign_in_with("GitHub")
    assert "Trackside does not know you" in elsewhere.page


def test_an_identity_of_another_user_cannot_be_connected(place: Place) -> None:
    first, second = place.browser(), place.browser()
    one, other = place.add(anybody()), place.add(anybody())
    place.provider.sign_in(f"shared-{one}", "not-known-here@example.com")
    first.sign_in(one)
    first.connect("Acme")
    second.sign_in(other)
    second.connect("Acme")
    assert "is connected to another user here" in second.page
    second.open("/sign-in/with/")
    assert "None yet" in second.page


def test_a_disabled_user_cannot_sign_in_with_a_provider(place: Place) -> None:
    email, browser = anybody(), place.browser()
    username = place.add(email)
    pk = place.admin.path.split("/")[2]
    place.admin.send(f"/people/{pk}/active/", on="no")
    place.provider.sign_in(username, email)
    browser.sign_in_with("GitHub")
    assert "This account is inactive" in browser.page
    assert not browser.is_signed_in


@EVERY
def test_administrators_still_need_their_second_factor(place: Place, name: str) -> None:
    email = anybody()
    username = place.add(email, administrator=True)
    place.provider.sign_in(f"admin-{username}", email)
    browser = place.browser()
    browser.sign_in_with(name)
    browser.open("/people/")
    assert browser.path == "/you/two-factor/", (
        "without one no further than to the pages that set it up"
    )
    secret = set_up_second_factor(browser)
    later = place.browser()
    later.sign_in_with(name)
    assert later.path == "/you/two-factor/authenticate/"
    assert not later.is_signed_in
    later.send("/you/two-factor/authenticate/", code=code_now(secret, ahead=1))
    assert later.is_signed_in


def test_sign_in_leads_back_to_the_wanted_page_but_not_to_another_host(place: Place) -> None:
    email = anybody()
    place.provider.sign_in(place.add(email), email)
    for wanted, reached in (
        ("/audit/?person=x", "/audit/"),
        ("https://elsewhere.example/", "/"),
        ("//e.example", "/"),
    ):
        browser = place.browser()
        browser.open("/sign-in/", params={"next": wanted})
        action = re.search(rf'action="({ADDRESSES["GitHub"]}[^"]*)"', browser.page)
        assert action
        browser.send(action[1])
        assert browser.path == reached
    browser = place.browser()
    browser.open("/sign-in/")
    browser.send(f"{ADDRESSES['GitHub']}?next=https://elsewhere.example/")
    assert browser.path == "/"


def test_a_link_cannot_choose_what_the_provider_is_asked_for(place: Place) -> None:
    browser = place.browser()
    place.provider.sign_in("stranger", "stranger@example.com")
    browser.open("/sign-in/")
    browser.send(f"{ADDRESSES['GitHub']}?scope=admin:org,repo&auth_params=login%3Dada")
    asked = next(query for path, query in place.provider.asked if path == "/login/oauth/authorize")
    assert asked["scope"] == "user:email"
    assert "login" not in asked
    assert asked["code_challenge_method"] == "S256"


# --- What goes wrong


@EVERY
@pytest.mark.parametrize("code", ["", "code=abc&"])
def test_an_unknown_state_is_refused(place: Place, name: str, code: str) -> None:
    browser = place.browser()
    for state in ("", "state=made-up"):
        assert browser.open(f"{ADDRESSES[name]}callback/?{code}{state}").status_code == 401
        assert "Signing in did not work" in browser.page


@EVERY
def test_a_state_of_another_browser_is_refused(place: Place, name: str) -> None:
    """Else somebody could sign others in as themselves."""
    email = anybody()
    place.provider.sign_in(place.add(email), email)
    attacker, victim = place.browser(), place.browser()
    attacker.open("/sign-in/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', attacker.page)
    assert token
    sent = attacker.session.post(
        place.url + ADDRESSES[name],
        data={"csrfmiddlewaretoken": token[1]},
        allow_redirects=False,
        timeout=20,
    )
    back = attacker.session.get(
        sent.headers["Location"], allow_redirects=False, timeout=20
    ).headers["Location"]
    assert parse_qs(urlsplit(back).query)["code"]
    victim.open(back.removeprefix(place.url))
    assert "Signing in did not work" in victim.page
    assert not victim.is_signed_in


@EVERY
@pytest.mark.parametrize(
    ("error", "words"),
    [("access_denied", "Signing in was cancelled"), ("server_error", "Signing in did not work")],
)
def test_an_error_from_the_provider_is_shown(
    place: Place, name: str, error: str, words: str
) -> None:
    browser = place.browser()
    browser.open("/sign-in/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.page)
    assert token
    sent = browser.session.post(
        place.url + ADDRESSES[name],
        data={"csrfmiddlewaretoken": token[1]},
        allow_redirects=False,
        timeout=20,
    )
    state = parse_qs(urlsplit(sent.headers["Location"]).query)["state"][0]
    browser.open(f"{ADDRESSES[name]}callback/?error={error}&error_description=<b>x&state={state}")
    assert words in browser.page
    assert "<b>x" not in browser.page
    assert not browser.is_signed_in


PATHS = (
    ("GitHub", "/login/oauth/access_token"),
    ("GitHub", "/api/v3/user"),
    ("GitHub", "/api/v3/user/emails"),
    ("Acme", "/.well-known/openid-configuration"),
    ("Acme", "/token"),
    ("Acme", "/userinfo"),
)
ODD: tuple[object, ...] = (
    DOWN,
    "no JSON",
    {},
    [],
    None,
    {"error": "x"},
    {"access_token": None},
    {"id": None, "sub": None},
    [{}],
    7,
    {"sub": "somebody else", "id": "x", "login": 5, "email": ["x"]},
    {"sub": "s" * 300, "id": "s" * 300, "login": "kim"},
)
# Without addresses nobody is known by one; what user info does not tell, the signed token does.
NOBODY = {
    (path, odd) for path in ("/api/v3/user/emails", "/userinfo") for odd in ("{}", "[]", "None")
}


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: "down" if odd is DOWN else str(odd)[:40])
@pytest.mark.parametrize(("name", "path"), PATHS)
def test_a_provider_that_is_down_or_answers_garbage_shows_an_error(
    place: Place, name: str, path: str, odd: object
) -> None:
    before, browser = place.people(), place.browser()
    place.provider.sign_in("stranger", "stranger@example.com")
    place.provider.answers = {path: odd}
    browser.sign_in_with(name)
    is_nobody = (path, str(odd)) in NOBODY
    assert (
        "Trackside does not know you" if is_nobody else "Signing in did not work"
    ) in browser.page
    assert not browser.is_signed_in
    assert place.people() == before


@pytest.mark.parametrize(
    "wrong", [{"iss": "https://elsewhere.example"}, {"aud": "another"}, {"exp": 1_000_000_000}]
)
def test_an_id_token_for_another_audience_or_expired_is_refused(
    place: Place, wrong: dict[str, object]
) -> None:
    email, browser = anybody(), place.browser()
    place.provider.sign_in(place.add(email), email)
    place.provider.id_token = wrong
    browser.sign_in_with("Acme")
    assert "Signing in did not work" in browser.page
    assert not browser.is_signed_in


def test_the_log_says_what_failed_without_the_providers_answer(place: Place) -> None:
    browser = place.browser()
    place.provider.sign_in("stranger", "stranger@example.com")
    place.provider.answers = {"/token": {"error": "canary-of-the-answer"}}
    browser.sign_in_with("Acme")
    assert "Signing in with a provider failed: OAuth2Error" in place.log()
    assert "canary-of-the-answer" not in place.log()


# --- Where GitHub is

WHERE = """
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter as adapter
print(adapter.authorize_url, adapter.access_token_url, adapter.profile_url)
"""


@pytest.mark.parametrize("url", ["", "https://github.com", "https://github.com/"])
def test_without_a_custom_server_github_com_is_used(tmp_path: Path, url: str) -> None:
    more = {"GITHUB_URL": url} if url else {}
    said = run_as_it_is(tmp_path, WHERE, GITHUB_CLIENT_ID="x", GITHUB_CLIENT_SECRET="y", **more)
    at = "https://github.com/login/oauth"
    assert said.split() == [f"{at}/authorize", f"{at}/access_token", "https://api.github.com/user"]


# --- Where signing in adds people


@pytest.fixture
def adding(client: Client, settings: Settings, db: None) -> Iterator[Provider]:
    """A provider that SIGN_IN_ADDS_PEOPLE trusts to."""
    settings.SIGN_IN_ADDS_PEOPLE = True
    with start_provider() as provider:
        server = {"server_url": provider.url}
        app = {
            "provider_id": "oidc",
            "name": "Acme",
            "client_id": CLIENT_ID,
            "secret": CLIENT_SECRET,
            "settings": server,
        }
        apps = {"APPS": [app], "OAUTH_PKCE_ENABLED": True}
        settings.SOCIALACCOUNT_PROVIDERS = {"github": {"APPS": []}, "openid_connect": apps}
        yield provider


def come_in(client: Client) -> str:
    """Out to the provider and back; the page one is on then."""
    out = client.post(ADDRESSES["Acme"]).headers["Location"]
    with requests.Session() as session:
        session.trust_env = False
        back = session.get(out, allow_redirects=False, timeout=20).headers["Location"]
    return client.get(back.removeprefix("http://testserver"), follow=True).content.decode()


def test_a_new_user_of_a_provider_signs_in_and_sees_nothing(
    client: Client, adding: Provider
) -> None:
    adding.sign_in("kim", "kim@example.com")
    come_in(client)
    person = User.objects.get()
    assert (person.username, person.email) == ("kim", "kim@example.com")
    assert not person.is_superuser
    assert not person.has_usable_password()
    assert client.get("/").context["user"] == person


def test_an_unverified_address_is_not_stored(client: Client, adding: Provider) -> None:
    """Word would go there, and whoever has it would come in as this person."""
    adding.sign_in("kim", "somebody-else@example.com", verified=False)
    come_in(client)
    assert User.objects.get().email == ""
    assert not EmailAddress.objects.exists()


@pytest.mark.parametrize("trusted", [False, True])
def test_a_provider_without_email_verified_is_trusted_only_by_a_setting(
    client: Client, adding: Provider, lead: User, settings: Settings, trusted: bool
) -> None:
    settings.SIGN_IN_ADDS_PEOPLE = False
    settings.OIDC_EMAILS_ARE_VERIFIED = trusted
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    adding.sign_in("lin-there", "lin@example.com", verified=None)
    page = come_in(client)
    assert ("sent no <code>email_verified</code>" in page) is not trusted
    assert ("OIDC_EMAILS_ARE_VERIFIED=on" in page) is not trusted
    assert (client.get("/").status_code == 200) is trusted


def test_the_setting_does_not_override_a_provider_that_says_unverified(
    client: Client, adding: Provider, lead: User, settings: Settings
) -> None:
    settings.SIGN_IN_ADDS_PEOPLE = False
    settings.OIDC_EMAILS_ARE_VERIFIED = True
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    adding.sign_in("lin-there", "lin@example.com", verified=False)
    assert "Trackside does not know you" in come_in(client)
    assert client.get("/").status_code == 302


def test_a_new_user_cannot_have_the_address_of_an_existing_one(
    client: Client, adding: Provider, lead: User
) -> None:
    User.objects.filter(pk=lead.pk).update(email="lin@example.com")
    adding.sign_in("kim", "Lin@example.com", verified=False)
    assert "Trackside does not know you" in come_in(client)
    assert list(User.objects.all()) == [lead]
    assert client.get("/").status_code == 302


def test_a_taken_username_is_not_reused(client: Client, adding: Provider, admin: User) -> None:
    adding.sign_in("ada", "another-ada@example.com")
    come_in(client)
    person = User.objects.exclude(pk=admin.pk).get()
    assert person.username != "ada"
    assert not person.is_superuser


@pytest.mark.parametrize("error", [KeyError, TypeError, AttributeError, DataError])
def test_a_bug_during_sign_in_is_logged_with_its_place_and_rolled_back(
    client: Client, adding: Provider, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    canary = "canary-of-the-answer"

    def breaks(**_: object) -> None:
        raise error(canary)

    adding.sign_in("kim", "kim@example.com")
    pre_save.connect(breaks, sender=SocialAccount)
    try:
        page = come_in(client)
    finally:
        pre_save.disconnect(breaks, sender=SocialAccount)
    assert "Signing in did not work" in page
    assert not User.objects.exists()
    record = next(each for each in caplog.records if each.levelname == "ERROR")
    line = Formatter(as_json=True).format(record)
    assert "Traceback" in line
    assert "in breaks" in line
    assert error.__name__ in line
    assert canary not in caplog.text + line


# --- Proving once more who is signed in, before a change of trust


@pytest.fixture
def sso_admin(client: Client, adding: Provider, settings: Settings) -> User:
    """An administrator without a password, who signed in at the provider just now."""
    settings.OIDC_URL = adding.url
    adding.sign_in("kim", "kim@example.com")
    come_in(client)
    User.objects.update(is_superuser=True)
    return User.objects.get()


def prove(client: Client, next_url: str) -> str:
    """Out to the provider for a proof and back; the page one is on then."""
    sent = client.post(f"/you/confirm/with/?next={next_url}").headers["Location"]
    asked = parse_qs(urlsplit(sent).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    with requests.Session() as session:
        session.trust_env = False
        back = session.get(sent, allow_redirects=False, timeout=20).headers["Location"]
    return client.get(back.removeprefix("http://testserver"), follow=True).content.decode()


def test_each_sign_in_at_a_provider_renews_what_its_users_api_tokens_need(
    client: Client, sso_admin: User
) -> None:
    long_ago = timezone.now() - timedelta(days=30)
    SocialAccount.objects.update(last_login=long_ago)
    client.post("/sign-out/")
    come_in(client)
    assert SocialAccount.objects.get(user=sso_admin).last_login > long_ago + timedelta(days=29)


NEW_PERSON = {"username": "max", "password1": PASSWORD, "password2": PASSWORD}


def test_a_sign_in_at_a_provider_is_no_proof_for_a_change_of_trust(
    client: Client, sso_admin: User
) -> None:
    for path in ("/people/new/", "/you/two-factor/totp/activate/", "/you/two-factor/webauthn/add/"):
        answer = client.get(path)
        assert answer.headers["Location"].startswith("/you/confirm/with/?next="), path
    client.post("/people/new/", NEW_PERSON)
    assert list(User.objects.all()) == [sso_admin]
    assert "Continue to Acme" in client.get("/you/confirm/with/").content.decode()


def test_a_provider_that_asked_just_now_is_a_proof_and_what_was_sent_is_done(
    client: Client, adding: Provider, sso_admin: User, lead: User
) -> None:
    path = f"/people/{lead.pk}/administrator/"
    asked = client.post(path, {"on": "yes"})
    assert asked.headers["Location"] == f"/you/confirm/with/?next={quote(path, safe='')}"
    adding.id_token = {"auth_time": int(time.time())}
    prove(client, path)
    lead.refresh_from_db()
    assert lead.is_superuser
    assert client.get("/").context["user"] == sso_admin
    assert client.post("/people/new/", NEW_PERSON).status_code == 302
    assert User.objects.filter(username="max").exists()


@pytest.mark.parametrize("hours", [None, 7, "1700000000"])
def test_a_provider_that_did_not_ask_again_is_no_proof(
    client: Client, adding: Provider, sso_admin: User, hours: object
) -> None:
    """It ignored prompt=login, and says when it asked last, or nothing, or nonsense."""
    said = int(time.time()) - hours * 3600 if isinstance(hours, int) else hours
    adding.id_token = {} if said is None else {"auth_time": said}
    page = prove(client, "/people/new/")
    assert "did not ask you to sign in again" in page
    assert client.get("/people/new/").status_code == 302


def test_another_person_at_the_provider_is_no_proof(
    client: Client, adding: Provider, sso_admin: User
) -> None:
    adding.sign_in("eve", "eve@example.com")
    adding.id_token = {"auth_time": int(time.time())}
    assert "as another person" in prove(client, "/people/new/")
    assert client.get("/").context["user"] == sso_admin
    assert client.get("/people/new/").status_code == 302
    assert User.objects.count() == 1


def test_a_token_that_another_key_signed_is_no_proof(
    client: Client, adding: Provider, sso_admin: User
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(other)) | {"kid": "one"}
    adding.id_token = {"auth_time": int(time.time())}
    adding.answers = {"/jwks": {"keys": [key]}}
    assert "Signing in did not work" in prove(client, "/people/new/")
    assert client.get("/people/new/").status_code == 302


def test_a_user_of_github_needs_a_second_factor_enrolled_soon_after_signing_in(
    client: Client, admin: User
) -> None:
    """GitHub's sign-in is OAuth, which cannot be asked who is there now."""
    admin.set_unusable_password()
    admin.save()
    SocialAccount.objects.create(user=admin, provider="github", uid="1")
    client.force_login(admin)
    for path in ("/people/new/", "/you/two-factor/totp/activate/"):
        answer = client.get(path)
        assert answer.status_code == 403
        assert "Set up an authenticator app or a passkey" in unescape(answer.content.decode())
    session = client.session
    session["account_authentication_methods"] = [{"method": "socialaccount", "at": time.time()}]
    session["account_authentication_methods_user"] = str(admin.pk)
    session.save()
    assert client.get("/you/two-factor/totp/activate/").status_code == 200
    assert client.get("/people/new/").status_code == 403
