"""Every change of trust asks once more who is there: a session may be stolen.

Each address that takes a POST is in one of two lists, so that a new one must be judged.
"""

import re
import time
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from runners_app.models import Account, Credential
from tests.people.test_who_may import ADDRESSES, LINES

# People, roles, second factors, sign-in providers, sessions, channels, observe only, tokens, Apps.
CHANGES_TRUST = """
account-disconnect account-four-eyes account-new account-observe account-token app app-new channel
channel-delete
channel-new mfa_activate_totp mfa_add_webauthn mfa_deactivate_totp mfa_download_recovery_codes
mfa_edit_webauthn mfa_generate_recovery_codes mfa_remove_webauthn mfa_view_recovery_codes
person-active person-administrator person-email person-give person-groups person-new
person-password person-second-factor person-take session-end sessions-end token-revoke
your-token-revoke your-tokens
"""
# What providers of sign-in are switched off for here; tests/people/test_providers.py has them on.
OF_PROVIDERS = "github_login openid_connect_login socialaccount_connections"
# Pages that show something without a proof, and change it with one.
SHOW_FREELY = {"app", "your-tokens"}
# Sign-in itself, and the proof; a new password of one's own needs the old one, setup its code.
PROVES_ITSELF = """
account_change_password account_login account_logout account_reauthenticate confirm-provider
mfa_authenticate mfa_login_webauthn mfa_reauthenticate mfa_reauthenticate_webauthn setup sign-in
sign-out
"""
CHANGES_NO_TRUST = """
account-pause account-refresh app-hook app-refresh approval batch-go-on batch-retry batch-stop
batch-undo channel-test demo-remove group-access group-annotate group-delete group-edit group-new
group-self-hosted groups-explain-ask groups-refresh image-delete image-version-delete
images-refresh job-events notices-snooze operation-again operation-agree operation-cancel
operation-settle operation-undo pool-slo preferences runner-annotate runner-delete runner-edit
runner-new runners-annotate runners-delete runners-edit runners-new runners-recreate runners-refresh
runners-view self-hosted-delete static-ips-refresh your-notices your-notices-test
"""
PASSWORD = "a password for tests"


def test_every_form_either_changes_trust_or_is_listed_as_one_that_does_not() -> None:
    forms = {line.name for line in LINES if line.method == "POST"}
    trust = set(CHANGES_TRUST.split())
    others = {*PROVES_ITSELF.split(), *CHANGES_NO_TRUST.split()}
    assert trust & others == set()
    assert forms - trust - others == set(), "forms of which nobody said whether they change trust"


def _decorated(patterns: list[URLPattern | URLResolver]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found |= _decorated(pattern.url_patterns)
        elif getattr(pattern.callback, "changes_trust", False):
            found.add(str(pattern.name))
    return found


def test_the_decorator_is_on_exactly_the_listed_addresses() -> None:
    listed = {*CHANGES_TRUST.split(), *OF_PROVIDERS.split()}
    assert _decorated(get_resolver().url_patterns) == listed


@pytest.fixture
def account(db: None) -> Account:
    api = "https://api.github.com"
    credential = Credential.objects.create(api_url=api, kind="classic", fingerprint="one")
    return Account.objects.create(
        kind="organization", slug="acme", api_url=api, credential=credential
    )


def ways_in(account: Account) -> list[tuple[str, str, str]]:
    """Name, method and path of every request that changes trust, or shows the form for it."""
    ways = []
    for line in LINES:
        if line.name not in CHANGES_TRUST.split():
            continue
        if line.name in SHOW_FREELY and line.method == "GET":
            continue
        path = re.sub("<int:(pk|account_id)>", str(account.pk), ADDRESSES[line.name])
        ways.append((line.name, line.method, path.replace("<str:key>", "a-session")))
    return ways


def test_a_change_of_trust_asks_who_is_there(account: Account, admin: User) -> None:
    wrong = []
    for name, method, path in ways_in(account):
        client = Client()
        client.force_login(admin)
        answer = client.generic(method, path)
        asked = f"/you/confirm/?next={quote(path, safe='')}"
        if (answer.status_code, answer.headers.get("Location")) != (302, asked):
            wrong.append(f"{method} {path} ({name}): {answer.status_code}")
    assert wrong == []


def test_with_a_proof_the_page_answers_for_itself(account: Account, admin: User) -> None:
    client = Client()
    client.force_login(admin)
    client.post("/you/confirm/?next=/you/", {"password": PASSWORD})
    for _, method, path in ways_in(account):
        if "GET" in method or "revoke" in path:
            assert "/you/confirm/" not in client.generic(method, path).headers.get("Location", "")


def test_a_sign_in_with_the_password_is_a_proof_for_five_minutes(
    client: Client, admin: User, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert client.get(f"/accounts/{account.pk}/token/").status_code == 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 5 * 60 + 1)
    asked = client.get(f"/accounts/{account.pk}/token/")
    assert asked.headers["Location"].startswith("/you/confirm/")


def test_what_was_sent_waits_during_the_proof_but_no_secret_does(
    client: Client, admin: User
) -> None:
    client.force_login(admin)
    token = "ghp_" + "s" * 36
    asked = client.post("/accounts/new/", {"kind": "organization", "slug": "acme", "token": token})
    assert asked.headers["Location"] == "/you/confirm/?next=%2Faccounts%2Fnew%2F"
    assert token not in str(dict(client.session.items()))
    page = client.post("/you/confirm/?next=/accounts/new/", {"password": PASSWORD})
    assert page.status_code == 422
    assert 'value="acme"' in page.content.decode()
    assert "please enter them again" in page.content.decode()
