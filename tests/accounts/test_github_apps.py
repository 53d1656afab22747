"""GitHub Apps: stored with a key, installations listed by a worker, ticked ones connected."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from runners_app.accounts.github_apps import list_installations
from runners_app.models import Account, App, AuditEntry, Credential, Reading, Runner
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]


@pytest.fixture
def as_admin(confirmed: Client) -> Client:
    return confirmed


def give_app(client: Client, simulator: SimulatorHandle, issuer: str = "app_id") -> App:
    told = simulator.app()
    fields = {
        "issuer": str(told[issuer]),
        "private_key": told["pem"],
        "api_url": simulator.base_url,
    }
    answer = client.post("/accounts/apps/new/", fields)
    assert answer.status_code == 302, answer.content.decode()
    return App.objects.get()


@pytest.mark.parametrize("issuer", ["app_id", "client_id"])
def test_the_installations_are_listed_by_a_worker_and_connected_when_ticked(
    as_admin: Client, simulator: SimulatorHandle, work: Work, issuer: str
) -> None:
    simulator.clear_requests()
    app = give_app(as_admin, simulator, issuer)
    page = as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    assert "Asking GitHub" in page
    assert simulator.requests() == [], "a web request called GitHub"
    list_installations(app.pk)
    app.refresh_from_db()
    page = as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    assert "acme" in page
    assert "globex" in page
    acme = next(one for one in app.installations if one["account"] == "acme")
    assert (
        as_admin.post(
            f"/accounts/apps/{app.pk}/", {"installation": [acme["id"], "4711", "x", "1" * 5000]}
        ).status_code
        == 302
    )
    account = Account.objects.get()
    assert account.slug == "acme"
    work(account)
    assert Runner.objects.filter(account=account).count() == 12
    assert "Connected" in as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    assert AuditEntry.objects.filter(action="app.stored", actor_name="ada").exists()


def test_the_private_key_is_sealed_and_never_shown(
    as_admin: Client, simulator: SimulatorHandle
) -> None:
    app = give_app(as_admin, simulator)
    line = simulator.app()["pem"].splitlines()[3]
    assert line not in app.sealed_key
    wrong = {
        "issuer": "no id",
        "private_key": simulator.app()["pem"],
        "api_url": simulator.base_url,
    }
    answer = as_admin.post("/accounts/apps/new/", wrong)
    assert answer.status_code == 422
    assert line not in answer.content.decode()
    assert "Paste the key again" in answer.content.decode()
    for path in ("/accounts/apps/new/", f"/accounts/apps/{app.pk}/"):
        assert line not in as_admin.get(path).content.decode()
    assert line not in str(list(AuditEntry.objects.values()))


def test_an_invalid_key_shows_an_error_at_the_field(
    as_admin: Client, simulator: SimulatorHandle
) -> None:
    fields = {"issuer": "1", "private_key": "-----BEGIN nothing", "api_url": simulator.base_url}
    answer = as_admin.post("/accounts/apps/new/", fields)
    assert answer.status_code == 422
    assert "not an unencrypted RSA private key" in answer.content.decode()
    assert not App.objects.exists()


def test_an_app_id_that_does_not_match_the_key_is_reported_on_the_page(
    as_admin: Client, simulator: SimulatorHandle
) -> None:
    fields = {
        "issuer": "99999",
        "private_key": simulator.app()["pem"],
        "api_url": simulator.base_url,
    }
    as_admin.post("/accounts/apps/new/", fields)
    app = App.objects.get()
    list_installations(app.pk)
    page = as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    assert "The App could not be used" in page
    assert "401" in page


def test_a_poll_shows_when_no_worker_has_asked_github(
    as_admin: Client, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = give_app(as_admin, simulator)
    version = as_admin.get(f"/accounts/apps/{app.pk}/").context["version"]
    address, poll = f"/accounts/apps/{app.pk}/?version={version}", {"HX-Request": "true"}
    assert as_admin.get(address, headers=poll).status_code == 204
    late = timezone.now() + timedelta(seconds=61)
    monkeypatch.setattr("django.utils.timezone.now", lambda: late)
    answer = as_admin.get(address, headers=poll)
    assert answer.status_code == 200
    assert "No answer yet" in answer.content.decode()


def test_ticking_nothing_connects_nothing(as_admin: Client, simulator: SimulatorHandle) -> None:
    app = give_app(as_admin, simulator)
    list_installations(app.pk)
    assert as_admin.post(f"/accounts/apps/{app.pk}/", {}).status_code == 302
    assert not Account.objects.exists()
    assert not Credential.objects.exists()


def test_an_address_that_is_not_allowed_stores_nothing(
    as_admin: Client, simulator: SimulatorHandle
) -> None:
    fields = {
        "issuer": "1",
        "private_key": simulator.app()["pem"],
        "api_url": "https://elsewhere.example",
    }
    answer = as_admin.post("/accounts/apps/new/", fields)
    assert answer.status_code == 422
    assert "not among the addresses" in answer.content.decode()
    assert not App.objects.exists()


def test_no_checkbox_is_shown_when_all_organizations_are_connected(
    as_admin: Client, simulator: SimulatorHandle
) -> None:
    app = give_app(as_admin, simulator)
    list_installations(app.pk)
    app.refresh_from_db()
    assert (
        "Connect ticked organizations" in as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    )
    as_admin.post(
        f"/accounts/apps/{app.pk}/", {"installation": [one["id"] for one in app.installations]}
    )
    page = as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    assert "Connected" in page
    assert "Connect ticked organizations" not in page


def test_a_reinstalled_app_replaces_its_earlier_installation(
    as_admin: Client, simulator: SimulatorHandle, work: Work
) -> None:
    app = give_app(as_admin, simulator)
    list_installations(app.pk)
    app.refresh_from_db()
    before = next(one["id"] for one in app.installations if one["account"] == "acme")
    as_admin.post(f"/accounts/apps/{app.pk}/", {"installation": [before]})
    account = Account.objects.get()
    work(account)
    anew = simulator.install_again(before)
    Credential.objects.update(sealed_installation_token="")
    Reading.objects.schedule_now(account)
    work(account)
    page = as_admin.get(f"/accounts/{account.pk}/").content.decode()
    assert "GitHub no longer has this installation of the App" in page
    assert f'href="/accounts/apps/{app.pk}/">Open the App<' in page
    as_admin.post(f"/accounts/apps/{app.pk}/refresh/")
    list_installations(app.pk)
    assert "earlier installation" in as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    as_admin.post(f"/accounts/apps/{app.pk}/", {"installation": [anew]})
    account.refresh_from_db()
    work(account)
    assert Credential.objects.get().installation_id == anew
    assert list(account.readings.exclude(error="").values_list("error", "error_message")) == []
    assert Runner.objects.present().filter(account=account).count() == 12


@pytest.mark.django_db(transaction=True)
def test_only_one_worker_asks_and_a_later_request_gets_a_newer_answer(
    as_admin: Client, simulator: SimulatorHandle
) -> None:
    app = give_app(as_admin, simulator)
    simulator.clear_requests()
    simulator.add_fault("GET", "/app/installations", "delay", seconds=1.5)
    with ThreadPoolExecutor(1) as other:
        slow = other.submit(_list_and_hang_up, app.pk)
        time.sleep(0.7)
        list_installations(app.pk)
        as_admin.post(f"/accounts/apps/{app.pk}/refresh/")
        list_installations(app.pk)
        assert not App.objects.unanswered(timezone.now()).exists(), "nobody else is woken"
        slow.result()
    assert len(simulator.requests("GET", "/app")) == 1
    app.refresh_from_db()
    assert app.is_asking, "what was asked for meanwhile is still owed"
    assert App.objects.unanswered(timezone.now()).exists()
    list_installations(app.pk)
    app.refresh_from_db()
    assert not app.is_asking
    assert len(simulator.requests("GET", "/app")) == 2


def _list_and_hang_up(app_id: int) -> None:
    list_installations(app_id)
    connection.close()


def test_the_claim_of_a_dead_worker_expires(as_admin: Client, simulator: SimulatorHandle) -> None:
    app = give_app(as_admin, simulator)
    App.objects.update(asking_until=timezone.now() + timedelta(seconds=20))
    list_installations(app.pk)
    app.refresh_from_db()
    assert app.is_asking
    App.objects.update(asking_until=timezone.now())
    list_installations(app.pk)
    app.refresh_from_db()
    assert not app.is_asking
    assert app.asking_until is None
