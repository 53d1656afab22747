"""Accounts: what is connected, how it fares, connecting, replacing tokens, pausing and
disconnecting.
"""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from runners_app.accounts.accounts import CannotConnect, disconnect, replace_token
from runners_app.models import (
    Account,
    AuditEntry,
    Credential,
    Membership,
    Operation,
    Reading,
    Runner,
)
from runners_app.runners.requests import request_delete_runner
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]


@pytest.fixture
def as_admin(confirmed: Client) -> Client:
    return confirmed


@pytest.fixture
def as_lead(lead: User) -> Client:
    client = Client()
    client.force_login(lead)
    return client


def give(person: User, account: Account, role: str = "viewer") -> None:
    Membership.objects.create(user=person, account=account, role=role)


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.status_code
    return " ".join(answer.content.decode().split())


def connect(
    client: Client, simulator: SimulatorHandle, token: str, slug: str = "acme", **more: str
) -> Account | None:
    """Through the page, as an administrator does it."""
    fields = {
        "kind": "organization",
        "slug": slug,
        "api_url": simulator.base_url,
        "token": token,
        **more,
    }
    answer = client.post("/accounts/new/", fields)
    return Account.objects.get(slug=slug) if answer.status_code == 302 else None


# --- The list


def test_the_list_shows_only_accounts_the_user_has_access_to(
    acme: Account, globex: Account, lead: User, as_lead: Client
) -> None:
    give(lead, globex)
    page = text(as_lead, "/accounts/")
    assert "globex" in page
    assert "acme" not in page
    assert "Connect an organization" not in page


def test_the_list_shows_the_state_of_each_account(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    Account.objects.filter(pk=acme.pk).update(observe_only=True)
    Account.objects.filter(pk=globex.pk).update(paused=True)
    page = text(as_admin, "/accounts/")
    for words in (
        "acme",
        "globex",
        "Observe only",
        "Paused",
        "Classic personal access token",
        "of 5,000",
        "just now",
    ):
        assert words in page
    assert "/accounts/new/" in page


def test_a_rate_budget_shows_when_it_resets_until_then(as_admin: Client, acme: Account) -> None:
    for ahead in (timedelta(minutes=30), timedelta(minutes=-1)):
        Credential.objects.update(rate_reset_at=timezone.now() + ahead)
        for path in ("/accounts/", f"/accounts/{acme.pk}/"):
            assert ("resets" in text(as_admin, path)) == (ahead > timedelta(0)), path


def test_an_empty_list_tells_each_role_what_to_do(as_admin: Client, as_lead: Client) -> None:
    assert "Connect an organization or enterprise" in text(as_admin, "/accounts/")
    assert "Ask an administrator" in text(as_lead, "/accounts/")


@pytest.mark.usefixtures("acme", "globex", "umbrella")
def test_the_list_costs_eleven_queries_however_many_accounts(
    as_admin: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(11):
        as_admin.get("/accounts/")


# --- Connecting


def test_connecting_leads_to_a_page_that_follows_the_first_sync(
    as_admin: Client, simulator: SimulatorHandle, work: Work, admin: User
) -> None:
    token = simulator.account("acme").token
    account = connect(as_admin, simulator, token)
    assert account is not None
    page = text(as_admin, f"/accounts/{account.pk}/")
    assert "Being read for the first time" in page
    assert "0 of 13 parts" in page
    assert "Waiting its turn" in page
    work(account)
    page = text(as_admin, f"/accounts/{account.pk}/")
    assert "Being read for the first time" not in page
    assert "12 runners" in page
    entry = AuditEntry.objects.get(action="account.connected")
    assert (entry.actor_name, entry.account_name) == ("ada", "acme")


def test_a_pasted_address_is_accepted_as_the_name(
    as_admin: Client, simulator: SimulatorHandle
) -> None:
    token = simulator.account("acme").token
    as_admin.post(
        "/accounts/new/",
        {
            "kind": "organization",
            "slug": "https://github.com/acme",
            "api_url": simulator.base_url,
            "token": token,
        },
    )
    assert Account.objects.get().slug == "acme"


def test_a_wrong_token_disables_the_credential_and_says_what_to_do(
    as_admin: Client, simulator: SimulatorHandle, work: Work
) -> None:
    account = connect(as_admin, simulator, "ghp_" + "0" * 36)
    assert account is not None
    work(account)
    page = text(as_admin, f"/accounts/{account.pk}/")
    assert "The token has been disabled" in page
    assert "GitHub answered 401 (“Bad credentials”): the token is wrong, expired or revoked" in page
    assert f"/accounts/{account.pk}/token/" in page


def test_a_token_without_the_scope_is_told_which_one_it_needs(
    as_admin: Client, simulator: SimulatorHandle, work: Work
) -> None:
    account = connect(as_admin, simulator, simulator.token("read-only"))
    assert account is not None
    work(account)
    page = text(as_admin, f"/accounts/{account.pk}/")
    assert (
        "The token has the scope read:org, and this needs admin:org or manage_runners:org" in page
    )


def test_a_token_without_single_sign_on_links_to_where_it_is_authorised(
    as_admin: Client, simulator: SimulatorHandle, work: Work
) -> None:
    account = connect(as_admin, simulator, simulator.token("sso-missing"))
    assert account is not None
    work(account)
    page = text(as_admin, f"/accounts/{account.pk}/")
    assert "not authorised for this organization&#x27;s single sign-on" in page
    assert "https://github.com/orgs/acme/sso?authorization_request=" in page


def test_a_missing_fine_grained_permission_is_named_as_on_githubs_page(
    as_admin: Client, simulator: SimulatorHandle, work: Work
) -> None:
    account = connect(
        as_admin, simulator, simulator.token("fine-grained-without-self-hosted-runners")
    )
    assert account is not None
    work(account)
    page = text(as_admin, f"/accounts/{account.pk}/")
    assert "The token lacks the permission “Self-hosted runners” (read)" in page
    assert "12 runners" in page


def test_a_nonexistent_organization_is_reported_as_such(
    as_admin: Client, simulator: SimulatorHandle, work: Work
) -> None:
    account = connect(as_admin, simulator, simulator.token("many-organizations"), slug="nowhere")
    assert account is not None
    work(account)
    assert "there is no organization nowhere, it was renamed" in text(
        as_admin, f"/accounts/{account.pk}/"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"api_url": "https://elsewhere.example"}, "is not among the addresses Trackside may call"),
        ({"api_url": "not an address"}, "must look like https://api.github.com"),
        ({"slug": "no such name!"}, "is not the name of an organization or enterprise"),
        ({"token": "ghs_" + "0" * 36}, "This is an installation token"),
        ({"token": "a b"}, "does not look like a token"),
        ({"kind": "enterprise", "token": "github_pat_" + "0" * 40}, "only classic tokens"),
        ({"kind": "planet"}, "Select a valid choice"),
    ],
)
def test_invalid_connections_show_an_error_at_the_field(
    as_admin: Client, simulator: SimulatorHandle, fields: dict[str, str], words: str
) -> None:
    secret = "ghp_" + "s3cr3t" * 6
    entered = {
        "kind": "organization",
        "slug": "acme",
        "api_url": simulator.base_url,
        "token": secret,
        **fields,
    }
    answer = as_admin.post("/accounts/new/", entered)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert secret not in answer.content.decode()
    assert not Account.objects.exists()


def test_an_account_is_connected_once(
    as_admin: Client, acme: Account, simulator: SimulatorHandle
) -> None:
    assert (
        connect(
            as_admin, simulator, simulator.account("acme").token, slug="ACME", kind="organization"
        )
        is None
    )
    assert Account.objects.count() == 1


def test_help_about_tokens_follows_kind_and_address(as_admin: Client) -> None:
    organization = text(as_admin, "/accounts/new/?slug=acme")
    assert "https://github.com/settings/tokens/new?scopes=admin%3Aorg" in organization
    assert (
        "https://github.com/settings/personal-access-tokens/new?name=Trackside+acme&amp;target_name=acme"
        in organization
    )
    enterprise = text(
        as_admin, "/accounts/new/?kind=enterprise&api_url=https://api.umbrella.ghe.com"
    )
    assert (
        "https://umbrella.ghe.com/settings/tokens/new?scopes=manage_runners%3Aenterprise"
        in enterprise
    )
    assert "github.com/settings" in text(
        as_admin, "/accounts/new/?api_url=https://elsewhere.example"
    )


# --- One account


def test_an_account_shows_readings_credential_and_runs(as_admin: Client, acme: Account) -> None:
    page = text(as_admin, f"/accounts/{acme.pk}/")
    for words in (
        "Runners",
        "Static IPs",
        "Runner groups",
        "Good",
        "admin:org",
        "Permissions of the token",
        "12 added",
    ):
        assert words in page


def test_a_team_lead_sees_the_account_without_buttons(
    acme: Account, lead: User, as_lead: Client
) -> None:
    give(lead, acme, "manager")
    page = text(as_lead, f"/accounts/{acme.pk}/")
    assert "Permissions of the token" in page
    assert "Check now" in page
    for word in ("Replace token", "Disconnect", "Pause", "Observe only"):
        assert word not in page


def test_a_user_without_access_gets_404_for_an_account(acme: Account, as_lead: Client) -> None:
    for path in ("", "token/", "disconnect/"):
        assert as_lead.get(f"/accounts/{acme.pk}/{path}").status_code == 404
    for path in ("refresh/", "token/", "observe/", "pause/", "disconnect/"):
        assert as_lead.post(f"/accounts/{acme.pk}/{path}").status_code == 404


def test_a_manager_may_not_change_the_connection(
    acme: Account, lead: User, as_lead: Client
) -> None:
    give(lead, acme, "manager")
    assert as_lead.get("/accounts/new/").status_code == 403
    assert as_lead.post("/accounts/remove-demo/").status_code == 403
    for path in ("token/", "observe/", "pause/", "disconnect/"):
        answer = as_lead.post(f"/accounts/{acme.pk}/{path}")
        assert answer.status_code == 403
        assert "Only administrators may do this." in answer.content.decode()


def test_get_changes_nothing(as_admin: Client, acme: Account) -> None:
    for path in ("refresh/", "observe/", "pause/"):
        assert as_admin.get(f"/accounts/{acme.pk}/{path}").status_code == 405
    assert as_admin.get("/accounts/remove-demo/").status_code == 405
    assert as_admin.post("/accounts/").status_code == 405


def test_a_poll_answers_204_until_something_changes(
    as_admin: Client, acme: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)  # each minute is a change, too
    answer = as_admin.get(f"/accounts/{acme.pk}/")
    version = answer.context["version"]
    htmx = {"HX-Request": "true"}
    assert (
        as_admin.get(f"/accounts/{acme.pk}/", {"version": version}, headers=htmx).status_code == 204
    )
    Reading.objects.filter(resource="runners").update(
        error="unreachable", error_message="GitHub could not be reached."
    )
    changed = as_admin.get(f"/accounts/{acme.pk}/", {"version": version}, headers=htmx)
    assert changed.status_code == 200
    assert "GitHub could not be reached." in changed.content.decode()
    assert "<html" not in changed.content.decode()


def test_a_poll_shows_when_no_worker_is_running(
    as_admin: Client, acme: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago, moment = timezone.now() - timedelta(hours=3), timezone.now()
    Reading.objects.update(error="", last_good_at=long_ago, due_at=moment)
    page = as_admin.get(f"/accounts/{acme.pk}/")
    assert 'data-poll-seconds="1"' in page.content.decode()
    assert "Out of date" not in page.content.decode()
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment + timedelta(hours=2))
    address = f"/accounts/{acme.pk}/?version={page.context['version']}"
    answer = as_admin.get(address, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "Out of date" in answer.content.decode()
    assert 'data-poll-seconds="5"' in answer.content.decode(), "nothing comes within a second"


# --- What one can do


def test_every_user_who_sees_an_account_can_refresh_it(
    acme: Account, lead: User, as_lead: Client
) -> None:
    give(lead, acme)
    Reading.objects.update(due_at=None, failures=3)
    answer = as_lead.post(
        f"/accounts/{acme.pk}/refresh/", headers={"Referer": "http://testserver/runners/7/"}
    )
    assert answer.headers["Location"] == "http://testserver/runners/7/"
    assert not Reading.objects.filter(due_at=None).exists()
    away = as_lead.post(
        f"/accounts/{acme.pk}/refresh/", headers={"Referer": "https://elsewhere.example/"}
    )
    assert away.headers["Location"] == f"/accounts/{acme.pk}/"


def test_only_an_administrator_can_retry_a_disabled_token(
    acme: Account, admin: User, lead: User, as_admin: Client, as_lead: Client
) -> None:
    give(lead, acme)
    Credential.objects.update(quarantined_at=timezone.now(), quarantine_reason="refused")
    as_lead.post(f"/accounts/{acme.pk}/refresh/")
    assert Credential.objects.get().quarantined_at is not None
    as_admin.post(f"/accounts/{acme.pk}/refresh/")
    assert Credential.objects.get().quarantined_at is None


def test_a_replaced_token_is_used_from_then_on(
    as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    simulator.change_token(simulator.account("acme").token, revoked=True)
    as_admin.post(f"/accounts/{acme.pk}/refresh/")
    work(acme)
    assert "The token has been disabled" in text(as_admin, f"/accounts/{acme.pk}/")
    answer = as_admin.post(
        f"/accounts/{acme.pk}/token/", {"token": simulator.token("fine-grained")}
    )
    assert answer.status_code == 302
    acme = Account.objects.get(pk=acme.pk)
    work(acme)
    page = text(as_admin, f"/accounts/{acme.pk}/")
    assert "The token has been disabled" not in page
    assert "Fine-grained personal access token" in page
    assert AuditEntry.objects.filter(action="account.token_replaced", actor_name="ada").exists()


def test_a_text_that_is_not_a_token_replaces_nothing(as_admin: Client, acme: Account) -> None:
    answer = as_admin.post(f"/accounts/{acme.pk}/token/", {"token": "ghr_" + "1" * 36})
    assert answer.status_code == 422
    assert "This is a refresh token" in answer.content.decode()
    assert "1" * 36 not in answer.content.decode()


def test_observe_only_and_pause_are_switched_and_audited(as_admin: Client, acme: Account) -> None:
    for path, field in (("observe", "observe_only"), ("pause", "paused")):
        as_admin.post(f"/accounts/{acme.pk}/{path}/", {"on": "yes"})
        assert getattr(Account.objects.get(), field) is True
        as_admin.post(f"/accounts/{acme.pk}/{path}/", {"on": "no"})
        assert getattr(Account.objects.get(), field) is False
        assert (
            AuditEntry.objects.filter(action=f"account.{field}", account_name="acme").count() == 2
        )


def test_a_paused_account_is_not_refreshed(as_admin: Client, acme: Account) -> None:
    Account.objects.update(paused=True)
    due = list(Reading.objects.values_list("due_at", flat=True))
    answer = as_admin.post(f"/accounts/{acme.pk}/refresh/", follow=True)
    assert "is paused: nothing is read" in answer.content.decode()
    assert list(Reading.objects.values_list("due_at", flat=True)) == due


def test_disconnecting_asks_for_the_name_and_deletes_nothing_at_github(
    as_admin: Client, acme: Account, simulator: SimulatorHandle
) -> None:
    simulator.clear_requests()
    assert "Nothing is deleted at GitHub" in text(as_admin, f"/accounts/{acme.pk}/disconnect/")
    refused = as_admin.post(f"/accounts/{acme.pk}/disconnect/", {"typed": "globex"})
    assert refused.status_code == 422
    assert "This is not acme. Nothing was disconnected." in refused.content.decode()
    assert as_admin.post(f"/accounts/{acme.pk}/disconnect/", {"typed": "acme"}).status_code == 302
    assert not Account.objects.exists()
    assert not Credential.objects.exists()
    assert AuditEntry.objects.filter(action="account.disconnected", account_name="acme").exists()
    assert not simulator.requests("DELETE")


def test_disconnecting_is_refused_while_a_write_is_in_flight(
    as_admin: Client, acme: Account, admin: User
) -> None:
    operation = request_delete_runner(
        Runner.objects.filter(account=acme).earliest("pk"), by=admin, nonce="one"
    )
    Operation.objects.filter(pk=operation.pk).update(state=Operation.State.SENT)
    answer = as_admin.post(f"/accounts/{acme.pk}/disconnect/", {"typed": "acme"})
    assert answer.status_code == 422
    assert "is on its way to GitHub" in answer.content.decode()
    assert Account.objects.exists()


def test_one_click_removes_the_demo_and_nothing_else(
    as_admin: Client, acme: Account, globex: Account, umbrella: Account
) -> None:
    Account.objects.exclude(pk=acme.pk).update(demo=True)
    assert "Remove the demo" in text(as_admin, "/accounts/")
    as_admin.post("/accounts/remove-demo/")
    assert list(Account.objects.all()) == [acme]
    assert "Remove the demo" not in text(as_admin, "/accounts/")


def test_no_page_and_no_audit_entry_contains_a_token(
    as_admin: Client, simulator: SimulatorHandle, work: Work
) -> None:
    token = simulator.account("acme").token
    account = connect(as_admin, simulator, token)
    assert account is not None
    work(account)
    as_admin.post(f"/accounts/{account.pk}/token/", {"token": token})
    for path in (
        "/",
        "/accounts/",
        f"/accounts/{account.pk}/",
        f"/accounts/{account.pk}/token/",
        "/accounts/new/",
    ):
        assert token not in text(as_admin, path)
    written = json.dumps(list(AuditEntry.objects.values()), default=str)
    assert token not in written


def test_retrying_a_token_for_one_account_retries_it_for_all_it_serves(
    as_admin: Client, acme: Account, globex: Account, simulator: SimulatorHandle, work: Work
) -> None:
    Account.objects.filter(pk=globex.pk).update(credential=acme.credential_id)
    simulator.change_token(
        simulator.account("acme").token, accounts=["organization/acme", "organization/globex"]
    )
    simulator.add_fault("GET", "/orgs/globex/actions/hosted-runners[?]", "status", status=401)
    Reading.objects.schedule_now(globex, "runners")
    work(acme)
    assert globex.readings.get(resource="runners").error == "credential"
    as_admin.post(f"/accounts/{acme.pk}/refresh/")
    work(acme)
    assert not globex.readings.exclude(error="").exists()


@pytest.mark.parametrize(
    "token", ["github_pat_" + "a b" * 20, "github_pat_\u200b" + "a" * 40, "github_pat_x"]
)
def test_a_token_with_characters_invalid_in_a_header_is_refused(
    as_admin: Client, acme: Account, token: str
) -> None:
    answer = as_admin.post(f"/accounts/{acme.pk}/token/", {"token": token})
    assert answer.status_code == 422
    assert "does not look like a token" in answer.content.decode()


@pytest.mark.parametrize("late", ["replace", "disconnect"])
def test_the_second_of_two_concurrent_credential_changes_is_refused(
    acme: Account, admin: User, simulator: SimulatorHandle, late: str
) -> None:
    seen_before = Account.objects.get(pk=acme.pk)
    replace_token(acme, simulator.token("fine-grained"), by=admin)
    with pytest.raises(CannotConnect, match="has just been changed"):
        if late == "replace":
            replace_token(seen_before, simulator.account("acme").token, by=admin)
        else:
            disconnect(seen_before, by=admin)
    assert Account.objects.get(pk=acme.pk).credential.kind == Credential.Kind.FINE_GRAINED
    assert Credential.objects.count() == 1
