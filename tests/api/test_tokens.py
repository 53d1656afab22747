"""API tokens: who makes them, what they open, and when they stop working."""

from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.api.tokens import Access, digest_of
from runners_app.models import (
    Account,
    ApiToken,
    AuditEntry,
    Image,
    Membership,
    Operation,
    Runner,
    RunnerGroup,
)
from runners_app.notices.facts import find_facts, seen_by
from tests.api.conftest import MakeToken

RUNNERS = "/api/v1/runners"


def with_token(text: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {text}"})


FIELDS = {"name": "CI", "scopes": ["read"], "days": "30", "addresses": ""}


def test_a_user_creates_a_token_that_is_shown_once_and_stored_as_a_digest(
    confirmed: Client, admin: User, acme: Account
) -> None:
    page = confirmed.post("/you/tokens/", FIELDS).content.decode()
    text = page.partition("<code>")[2].partition("<")[0]
    assert text.startswith("ts_")
    token = ApiToken.objects.get()
    assert (token.owner, token.digest) == (admin, digest_of(text))
    assert text not in confirmed.get("/you/tokens/").content.decode()
    assert with_token(text).get(RUNNERS).status_code == 200
    entry = AuditEntry.objects.get(action="api_token.created")
    assert text not in str(entry.details)


def test_a_session_must_confirm_the_password_before_it_creates_a_token(
    as_admin: Client, admin: User
) -> None:
    assert as_admin.post("/you/tokens/", FIELDS).headers["Location"].startswith("/you/confirm/")
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    "change", [{"scopes": []}, {"days": "0"}, {"days": "400"}, {"addresses": "300.1.1.1"}]
)
def test_a_malformed_token_is_refused(confirmed: Client, change: dict[str, object]) -> None:
    assert confirmed.post("/you/tokens/", {**FIELDS, **change}).status_code == 422
    assert not ApiToken.objects.exists()


def test_the_form_offers_only_accounts_that_the_user_may_see(
    acme: Account, globex: Account, lead: User, as_lead: Client
) -> None:
    Membership.objects.create(user=lead, account=acme)
    page = as_lead.get("/you/tokens/").content.decode()
    assert "acme" in page
    assert "globex" not in page
    as_lead.post("/you/confirm/?next=/you/", {"password": "a password for tests"})
    body = {**FIELDS, "accounts": [str(globex.pk)]}
    assert as_lead.post("/you/tokens/", body).status_code == 422


def test_a_revoked_token_is_refused(
    admin: User, lead: User, confirmed: Client, make_token: MakeToken
) -> None:
    text = make_token(lead)
    token = ApiToken.objects.get()
    assert with_token(text).get(RUNNERS).status_code == 200
    assert confirmed.post(f"/you/tokens/{token.pk}/revoke/").status_code == 404
    assert "a script" in confirmed.get("/people/tokens/").content.decode()
    confirmed.post(f"/people/tokens/{token.pk}/revoke/")
    assert with_token(text).get(RUNNERS).status_code == 401
    entry = AuditEntry.objects.get(action="api_token.revoked")
    assert (entry.actor_name, entry.details) == ("ada", {"owner": "lin"})


def _expire(owner: User) -> None:
    ApiToken.objects.update(expires_at=timezone.now())


def _disable(owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)


@pytest.mark.parametrize("end", [_expire, _disable])
def test_a_token_ends_when_it_expires_or_its_owner_is_disabled(
    lead: User, make_token: MakeToken, end: Callable[[User], None]
) -> None:
    client = with_token(make_token(lead))
    assert client.get(RUNNERS).status_code == 200
    end(lead)
    answer = client.get(RUNNERS)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Basic" in answer.headers["WWW-Authenticate"]


def test_a_token_ends_a_week_after_its_owners_provider_last_vouched_for_them(
    lead: User, make_token: MakeToken
) -> None:
    client = with_token(make_token(lead))
    SocialAccount.objects.create(user=lead, provider="oidc", uid="1")
    identity = SocialAccount.objects.filter(user=lead)
    identity.update(last_login=timezone.now() - timedelta(days=8))
    assert client.get(RUNNERS).status_code == 200, "they have a password here"
    lead.set_unusable_password()
    lead.save()
    refused = client.get(RUNNERS)
    assert refused.status_code == 401
    assert "has not done so for 7 days" in refused.json()["detail"]
    identity.update(last_login=timezone.now() - timedelta(days=6))
    assert client.get(RUNNERS).status_code == 200


def test_a_demoted_owners_token_loses_the_right_to_write_at_once(
    acme: Account, lead: User, make_token: MakeToken
) -> None:
    membership = Membership.objects.create(user=lead, account=acme, role="manager")
    client = with_token(make_token(lead))
    runner = Runner.objects.filter(status="Ready").earliest("pk")
    address = f"{RUNNERS}/{runner.pk}?dry_run=1"
    assert client.delete(address).status_code == 200
    Membership.objects.filter(pk=membership.pk).update(role="viewer")
    assert client.delete(address).status_code == 403
    Membership.objects.all().delete()
    assert client.delete(address).status_code == 404


def test_a_token_is_limited_to_its_scopes(
    acme: Account, admin: User, make_token: MakeToken
) -> None:
    runner = Runner.objects.earliest("pk")
    reader = with_token(make_token(admin, "read"))
    writer = with_token(make_token(admin, "write"))
    exporter = with_token(make_token(admin, "export"))
    assert reader.get(RUNNERS).status_code == 200
    assert writer.get(RUNNERS).status_code == exporter.get(RUNNERS).status_code == 403
    address = f"{RUNNERS}/{runner.pk}?dry_run=1"
    assert writer.delete(address).status_code == 200
    assert reader.delete(address).status_code == exporter.delete(address).status_code == 403
    assert exporter.get("/runners/export.csv").status_code == 200
    assert reader.get("/runners/export.csv").status_code == 403


def test_a_token_is_limited_to_its_accounts(
    acme: Account, globex: Account, admin: User, make_token: MakeToken
) -> None:
    client = with_token(make_token(admin, access=[Access(acme)]))
    rows = client.get(RUNNERS, {"limit": 100}).json()["rows"]
    assert {row["account"] for row in rows} == {"organization:acme"}
    assert len(rows) == 12
    other = Runner.objects.filter(account=globex).earliest("pk")
    assert client.get(f"{RUNNERS}/{other.pk}").status_code == 404
    assert client.delete(f"{RUNNERS}/{other.pk}").status_code == 404
    assert client.get(f"/api/v1/accounts/{globex.pk}").status_code == 404
    assert "globex" not in client.get("/api/v1/images").content.decode()
    assert client.get("/api/v1/audit").status_code == 403
    assert client.get("/audit/export.csv").status_code == 403
    assert "globex" not in b"".join(client.get("/runners/export.csv")).decode()


@pytest.mark.parametrize("role", ["administrator", "viewer", "limited"])
def test_a_token_is_limited_to_its_groups(
    acme: Account, admin: User, lead: User, make_token: MakeToken, role: str
) -> None:
    mine, others = RunnerGroup.objects.filter(account=acme).order_by("pk")[:2]
    Runner.objects.update(group_id=others.github_id)
    runner = Runner.objects.earliest("pk")
    Runner.objects.filter(pk=runner.pk).update(group_id=mine.github_id)
    owner = admin
    if role != "administrator":
        owner = lead
        membership = Membership.objects.create(user=lead, account=acme, limited=role == "limited")
        membership.groups.add(mine)
    client = with_token(make_token(owner, access=[Access(acme, [mine])]))
    assert [row["pk"] for row in client.get(RUNNERS).json()["rows"]] == [runner.pk]
    assert [row["pk"] for row in client.get("/api/v1/groups").json()["rows"]] == [mine.pk]
    assert client.delete(f"{RUNNERS}/{runner.pk}").status_code == 403
    shown = {(row["source"], row["id"]) for row in client.get("/api/v1/images").json()["rows"]}
    runner.refresh_from_db()
    assert shown == {(runner.image_source, runner.image_id)}
    assert Image.objects.filter(account=acme).count() > 1


def test_a_token_without_any_account_left_shows_nothing(
    acme: Account, admin: User, make_token: MakeToken
) -> None:
    client = with_token(make_token(admin, access=[]))
    assert client.get(RUNNERS).json()["rows"] == []


def test_a_token_works_only_from_its_address_ranges(
    admin: User, make_token: MakeToken, settings: Settings
) -> None:
    settings.PROXY_COUNT = 1
    text = make_token(admin, addresses=["192.0.2.0/24", "2001:db8::/32"])
    client = with_token(text)
    for address, status in (("192.0.2.7", 200), ("2001:db8::1", 200), ("198.51.100.1", 401)):
        answer = client.get(RUNNERS, headers={"X-Forwarded-For": address})
        assert answer.status_code == status
    token = ApiToken.objects.get()
    assert (token.last_used_from, token.last_used_at is not None) == ("192.0.2.7", True)


def test_a_token_is_throttled(admin: User, make_token: MakeToken, settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    client = with_token(make_token(admin))
    answers = [client.get("/api/v1/token") for _ in range(5)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"] == "60"
    assert with_token(make_token(admin)).get("/api/v1/token").status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer ts_wrong", "Bearer x", "Basic !", "Basic eDp5"])
def test_an_unknown_token_is_refused(db: None, header: str) -> None:
    client = Client(headers={"Authorization": header} if header else {})
    assert client.get(RUNNERS).status_code == 401


def test_a_token_opens_no_page_and_leaves_no_session(
    acme: Account, admin: User, make_token: MakeToken
) -> None:
    client = with_token(make_token(admin))
    assert client.get("/runners/").status_code == 302
    assert client.post(f"/accounts/{acme.pk}/pause/").status_code == 302
    assert client.get("/static-ips/ranges.txt").status_code == 200
    assert not client.cookies
    assert not Operation.objects.exists()


def test_a_feed_takes_a_token_as_basic_password(
    acme: Account, admin: User, make_token: MakeToken
) -> None:
    value = b64encode(f"firewall:{make_token(admin, 'export')}".encode()).decode()
    client = Client(headers={"Authorization": f"Basic {value}"})
    answer = client.get("/static-ips/ranges.txt")
    assert answer.status_code == 200
    assert answer.content
    assert AuditEntry.objects.get(action="list.exported").actor_name == "ada"


def test_an_expiring_token_is_announced_to_its_owner(
    admin: User, lead: User, make_token: MakeToken
) -> None:
    make_token(lead, days=6)
    facts = find_facts(timezone.now())
    assert [fact.title for fact in facts] == ["The API token a script of lin expires within 7 days"]
    assert seen_by(lead, facts) == {facts[0].key}
    assert seen_by(admin, facts) == set()
    ApiToken.objects.update(revoked_at=timezone.now())
    assert find_facts(timezone.now()) == []
    ApiToken.objects.update(revoked_at=None, expires_at=timezone.now() + timedelta(days=80))
    assert find_facts(timezone.now()) == []


def test_the_command_prints_a_token_alone(acme: Account, admin: User) -> None:
    out = StringIO()
    call_command("create_api_token", "ada", "--name", "CI", "--scope", "read,export", stdout=out)
    text = out.getvalue().strip()
    assert out.getvalue() == f"{text}\n"
    assert ApiToken.objects.get().scopes == ["export", "read"]
    assert with_token(text).get(RUNNERS).status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("nobody", "--scope", "read"),
        ("ada", "--scope", "root"),
        ("ada", "--scope", "read", "--account", "globex"),
        ("ada", "--scope", "read", "--days", "1000"),
        ("ada", "--scope", "read", "--address", "x"),
    ],
)
def test_the_command_refuses_what_cannot_be(admin: User, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("create_api_token", *arguments, "--name", "CI")
    assert not ApiToken.objects.exists()


def test_a_token_in_the_log_is_redacted(admin: User, make_token: MakeToken) -> None:
    from runners_app.security.redaction import redact

    text = make_token(admin)
    assert text not in redact(f"GET /x Authorization: Bearer {text}")
