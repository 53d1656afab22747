"""One hook of a GitHub App tells of the jobs of all its organizations."""

import time
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from runners_app.accounts.github_apps import add_app, connect_installations, list_installations
from runners_app.jobs.ingest import normalise_waiting
from runners_app.models import Account, App, Delivery, Hook, Job, Reading
from runners_app.worker.work import work_credential
from tests.simulator_handle import SimulatorHandle

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(simulator: SimulatorHandle, admin: User) -> App:
    """The simulated App, connected in acme."""
    known = simulator.app()
    app = add_app(simulator.base_url, str(known["app_id"]), known["pem"], by=admin)
    list_installations(app.pk)
    app.refresh_from_db()
    one = next(one["id"] for one in app.installations if one["account"] == "acme")
    connect_installations(app, {one}, by=admin)
    return app


def read(account: Account, *resources: str) -> None:
    Reading.objects.schedule_now(account, *resources)
    work_credential(account.credential_id, holder="a worker in a test")


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_the_apps_hook_could_not_deliver_is_read_from_its_log(
    app: App, as_admin: Client, simulator: SimulatorHandle, settings: Settings
) -> None:
    settings.PUBLIC_URL, settings.LOST_DELIVERY_SECONDS = "http://127.0.0.1:1", 0
    assert "Receive job events" in as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    as_admin.post(f"/accounts/apps/{app.pk}/job-events/")
    list_installations(app.pk)
    list_installations(app.pk)
    hook = Hook.objects.get(app=app)
    assert hook.error == ""
    changes = simulator.requests("PATCH", "/app/hook/config")
    assert [change["status"] for change in changes] == [200]

    account = Account.objects.get()
    read(account, "runners", "groups", "repositories")
    seconds = {"run_seconds": [1, 1], "start_seconds": [0, 1]}
    simulator.control("POST", "jobs", {"runs": 6, **seconds})
    rows = [
        row
        for row in simulator.control("GET", "jobs")["jobs"]
        if row["copy_of"] is None and row["repository"].startswith("acme/")
    ]
    assert rows
    time.sleep(max(0.0, max(row["completed_on"] for row in rows) - time.time()) + 1)

    def all_arrived() -> bool:
        read(account, "job_deliveries")
        normalise_waiting()
        done = Job.objects.filter(phase=5, account=account)
        return set(done.values_list("github_id", flat=True)) == {row["id"] for row in rows}

    eventually(all_arrived)
    assert not Delivery.objects.filter(hook=hook, live=True).exists()
    assert "A job arrived" in as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()


def test_an_address_github_refuses_is_told(
    app: App, as_admin: Client, simulator: SimulatorHandle, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://trackside.example"
    simulator.add_fault(
        "PATCH", "/app/hook/config", "status", status=422, body={"message": "url is not reachable"}
    )
    as_admin.post(f"/accounts/apps/{app.pk}/job-events/")
    list_installations(app.pk)
    page = as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    assert "GitHub refused the address" in page
    assert "url is not reachable" in page
    list_installations(app.pk)


def test_without_an_address_the_page_says_which_setting_gives_one(
    app: App, as_admin: Client, simulator: SimulatorHandle
) -> None:
    as_admin.post(f"/accounts/apps/{app.pk}/job-events/")
    list_installations(app.pk)
    assert simulator.requests("PATCH", "/app/hook/config") == []
    assert (
        "Set HOOKS_URL or PUBLIC_URL" in as_admin.get(f"/accounts/apps/{app.pk}/").content.decode()
    )
