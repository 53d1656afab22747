"""What the OpenID Connect provider says of a person later: their groups, and that they are gone."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard.environment import check_groups
from runners_app.api.tokens import TokenRefused, check_token, create_token
from runners_app.models import (
    Account,
    ApiToken,
    AuditEntry,
    Credential,
    Membership,
    Operation,
    ProviderAdministrator,
    Session,
)
from runners_app.operations.requests import request_operation
from runners_app.people.people import give_account
from runners_app.people.provider_logout import EVENT
from tests.people.test_providers import come_in
from tests.providers import CLIENT_ID, CLIENT_SECRET, DOWN, KEY, Provider, start_provider

LOGOUT = "/sign-in/with/oidc/oidc/logout/"


@pytest.fixture
def provider(settings: Settings, db: None) -> Iterator[Provider]:
    """A provider whose new users are added here, and at which kim is signed in."""
    settings.SIGN_IN_ADDS_PEOPLE = True
    with start_provider() as running:
        app = {
            "provider_id": "oidc",
            "name": "Acme",
            "client_id": CLIENT_ID,
            "secret": CLIENT_SECRET,
            "settings": {"server_url": running.url},
        }
        settings.SOCIALACCOUNT_PROVIDERS = {
            "github": {"APPS": []},
            "openid_connect": {"APPS": [app], "OAUTH_PKCE_ENABLED": True},
        }
        running.sign_in("kim", "kim@example.com")
        yield running


# --- Groups


@pytest.fixture
def accounts(settings: Settings, db: None) -> dict[str, Account]:
    """acme and globex, and groups that give roles in them."""
    settings.OIDC_GROUPS = {
        "platform": ["administrator"],
        "web": ["manager:organization:acme"],
        "readers": ["viewer:organization:acme", "viewer:organization:globex"],
        "elsewhere": ["manager:organization:not-connected"],
    }
    api = "https://api.github.com"
    credential = Credential.objects.create(api_url=api, kind="classic", fingerprint="one")
    return {
        slug: Account.objects.create(
            kind="organization", slug=slug, api_url=api, credential=credential
        )
        for slug in ("acme", "globex")
    }


def in_groups(provider: Provider, *groups: str) -> User:
    """Sign kim in with these groups; who that is here."""
    provider.id_token = {"groups": list(groups)}
    come_in(Client())
    return User.objects.get(username="kim")


def roles(person: User) -> dict[str, tuple[str, str]]:
    rows = person.memberships.values_list("account__slug", "role", "source")
    return {slug: (role, source) for slug, role, source in rows}


def test_groups_give_roles_that_carry_their_source_and_follow_each_sign_in(
    provider: Provider, accounts: dict[str, Account]
) -> None:
    kim = in_groups(provider, "web", "readers", "elsewhere", "unknown")
    assert roles(kim) == {"acme": ("manager", "provider"), "globex": ("viewer", "provider")}
    in_groups(provider, "readers")
    assert roles(kim) == {"acme": ("viewer", "provider"), "globex": ("viewer", "provider")}
    in_groups(provider)
    assert roles(kim) == {}
    entry = AuditEntry.objects.filter(action="membership.given").order_by("pk")[0]
    assert (entry.actor_name, entry.details["source"]) == ("Trackside", "provider")


def test_a_sign_in_touches_nothing_that_was_given_by_hand(
    provider: Provider, accounts: dict[str, Account], admin: User
) -> None:
    kim = in_groups(provider)
    give_account(kim, accounts["acme"], "viewer", by=admin)
    in_groups(provider, "web")
    assert roles(kim) == {"acme": ("viewer", "")}
    in_groups(provider)
    assert roles(kim) == {"acme": ("viewer", "")}


def test_a_role_that_was_changed_by_hand_stays_as_it_was_changed(
    provider: Provider, accounts: dict[str, Account], admin: User
) -> None:
    kim = in_groups(provider, "web")
    give_account(kim, accounts["acme"], "viewer", by=admin)
    in_groups(provider, "web")
    assert roles(kim) == {"acme": ("viewer", "")}


def test_losing_a_group_holds_operations_as_a_demotion_does(
    provider: Provider, accounts: dict[str, Account]
) -> None:
    kim = in_groups(provider, "web")
    operation = request_operation(
        accounts["acme"],
        Operation.Kind.DELETE_RUNNER,
        {"by": kim, "nonce": str(uuid4())},
        target_id=1,
        target_name="a-runner",
    )
    in_groups(provider, "readers")
    operation.refresh_from_db()
    assert operation.held_because == "actor"


def test_a_group_makes_an_administrator_and_only_that_is_unmade(
    provider: Provider, accounts: dict[str, Account], admin: User
) -> None:
    kim = in_groups(provider, "platform")
    assert kim.is_superuser
    assert not in_groups(provider).is_superuser
    assert not ProviderAdministrator.objects.exists()
    User.objects.filter(pk=kim.pk).update(is_superuser=True)  # by hand
    assert in_groups(provider).is_superuser


def test_the_last_administrator_stays_one(provider: Provider, accounts: dict[str, Account]) -> None:
    assert in_groups(provider, "platform").is_superuser
    assert in_groups(provider).is_superuser


def test_too_many_groups_for_the_token_change_nothing(
    provider: Provider, accounts: dict[str, Account]
) -> None:
    kim = in_groups(provider, "web")
    provider.id_token = {"_claim_names": {"groups": "src1"}}
    come_in(Client())
    assert roles(kim) == {"acme": ("manager", "provider")}


def test_without_the_setting_groups_mean_nothing(
    provider: Provider, accounts: dict[str, Account], settings: Settings
) -> None:
    settings.OIDC_GROUPS = {}
    assert roles(in_groups(provider, "web", "platform")) == {}
    assert not User.objects.get(username="kim").is_superuser


def test_the_page_of_a_person_says_what_the_provider_gave(
    provider: Provider, accounts: dict[str, Account], admin: User, client: Client
) -> None:
    kim = in_groups(provider, "web")
    client.force_login(admin)
    page = client.get(f"/people/{kim.pk}/").content.decode()
    assert "from the sign-in provider, which each sign-in follows" in page


@pytest.mark.parametrize("value", [[], {"web": "manager"}, {"web": ["owner:organization:acme"]}])
def test_groups_that_give_nothing_known_fail_the_start(value: object) -> None:
    with pytest.raises(ImproperlyConfigured, match="OIDC_GROUPS"):
        check_groups(value)


# --- Back-channel logout


@pytest.fixture
def kim(provider: Provider, client: Client) -> User:
    """Signed in at the provider, whose session there has the id s-1."""
    provider.id_token = {"sid": "s-1"}
    come_in(client)
    assert client.get("/").status_code == 200
    return User.objects.get(username="kim")


@pytest.fixture
def logout(provider: Provider) -> Callable[..., int]:
    """Post a logout token with some claims changed, or left out with None; the answer's status."""

    def post(key: Any = KEY, headers: dict[str, str] | None = None, **changed: object) -> int:
        claims = {
            "iss": provider.url,
            "aud": CLIENT_ID,
            "iat": int(time.time()),
            "exp": int(time.time()) + 120,
            "jti": str(uuid4()),
            "sub": str(provider.person["id"]),
            "events": {EVENT: {}},
        } | changed
        text = jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            key,
            algorithm="RS256",
            headers={"kid": "one", "typ": "logout+jwt", **(headers or {})},
        )
        answer = Client(enforce_csrf_checks=True).post(LOGOUT, {"logout_token": text})
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status_code

    return post


def test_a_logout_of_one_session_ends_that_one_alone(
    provider: Provider, client: Client, kim: User, logout: Callable[..., int]
) -> None:
    other = Client()
    provider.id_token = {"sid": "s-2"}
    come_in(other)
    assert logout(sid="s-1") == 200
    assert client.get("/").status_code == 302
    assert other.get("/").status_code == 200
    entry = AuditEntry.objects.get(action="sessions.ended")
    assert entry.details == {"sessions": 1, "by": "the provider", "everything": False}


def test_a_logout_of_a_user_ends_all_sessions_and_their_api_tokens(
    client: Client, kim: User, logout: Callable[..., int], provider: Provider
) -> None:
    other = Client()
    come_in(other)
    _, text = create_token(kim, name="ci", scopes=["read"], by=kim)
    check_token(text, "127.0.0.1", timezone.now())
    assert logout() == 200
    assert (client.get("/").status_code, other.get("/").status_code) == (302, 302)
    assert not Session.objects.filter(user=kim).exists()
    with pytest.raises(TokenRefused, match="signs in at a provider"):
        check_token(text, "127.0.0.1", timezone.now())
    come_in(client)
    check_token(text, "127.0.0.1", timezone.now())


def test_a_session_of_another_user_is_not_ended(
    provider: Provider, client: Client, kim: User, logout: Callable[..., int]
) -> None:
    provider.sign_in("eve", "eve@example.com")
    assert logout(sid="s-1") == 200
    assert logout(sub="nobody", sid="s-1") == 200
    assert logout(sub="nobody") == 200
    assert client.get("/").status_code == 200


WRONG: dict[str, dict[str, object]] = {
    "issuer": {"iss": "https://elsewhere.example"},
    "audience": {"aud": "another client"},
    "no audience": {"aud": None},
    "too old": {"iat": int(time.time()) - 3600},
    "from the future": {"iat": int(time.time()) + 3600},
    "no time": {"iat": None},
    "expired": {"exp": int(time.time()) - 3600},
    "no id": {"jti": None},
    "of a sign-in": {"nonce": "n"},
    "no event": {"events": None},
    "another event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "an event that is no object": {"events": {EVENT: True}},
    "nobody": {"sub": None},
    "a user that is no text": {"sub": 7},
    "another key": {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
    "an unknown key": {"headers": {"kid": "two"}},
    "an access token": {"headers": {"typ": "at+jwt"}},
    "a type that is no text": {"headers": {"typ": 7}},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_token_that_is_not_a_logout_ends_nothing(
    wrong: str, client: Client, kim: User, logout: Callable[..., int]
) -> None:
    assert logout(**WRONG[wrong]) == 400
    assert client.get("/").status_code == 200


def test_a_token_is_used_once(client: Client, kim: User, logout: Callable[..., int]) -> None:
    assert logout(jti="once") == 200
    come_in(client)
    assert logout(jti="once") == 400
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "x" * 20_000])
def test_what_is_no_token_is_refused_without_asking_the_provider(
    text: str, client: Client, kim: User, provider: Provider
) -> None:
    provider.asked = []
    assert Client().post(LOGOUT, {"logout_token": text}).status_code == 400
    unsigned = jwt.encode({"sub": "1"}, "", algorithm="none")
    shared = jwt.encode({"sub": "1"}, CLIENT_SECRET * 2, algorithm="HS256", headers={"kid": "one"})
    for made_up in (unsigned, shared):
        assert Client().post(LOGOUT, {"logout_token": made_up}).status_code == 400
    assert provider.asked == []


def test_a_provider_that_cannot_be_reached_is_told_to_try_again(
    client: Client, kim: User, provider: Provider, logout: Callable[..., int]
) -> None:
    provider.answers = {"/jwks": DOWN}
    assert logout() == 503
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/jwks", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("answer", [{}, [], {"keys": 7}, {"keys": [7]}])
def test_a_provider_that_cannot_be_understood_is_told_to_try_again(
    path: str, answer: object, kim: User, provider: Provider, logout: Callable[..., int]
) -> None:
    provider.answers = {path: answer}
    assert logout() == 503
    provider.answers = {}
    assert logout() == 200


def test_made_up_keys_do_not_make_trackside_ask_the_provider_each_time(
    kim: User, provider: Provider, logout: Callable[..., int]
) -> None:
    assert logout(headers={"kid": "made-up"}) == 400
    provider.asked = []
    for number in range(5):
        assert logout(headers={"kid": f"made-up-{number}"}) == 400
    assert len(provider.asked) == 0


def test_a_session_id_of_the_provider_is_stored_as_a_hash(kim: User) -> None:
    (row,) = Session.objects.filter(user=kim)
    assert len(row.provider_sid) == 64
    assert SocialAccount.objects.filter(user=kim).exists()
    assert not ApiToken.objects.exists()
    assert not Membership.objects.exists()
