"""Recreating Stuck runners: deleted, gone, and created again with the same settings."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, AuditEntry, Incident, Operation, Runner
from runners_app.operations.requests import confirm_again
from runners_app.operations.transitions import NotMoved
from runners_app.runners.settings import RunnerSettings
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
S = Operation.State


@pytest.fixture
def stuck(acme: Account, simulator: SimulatorHandle, work: Work) -> Runner:
    """A runner that GitHub shows as Stuck."""
    runner = Runner.objects.get(account=acme, name="linux-8core-ci")
    simulator.change_runner("organization", "acme", runner.github_id, status="Stuck")
    Runner.objects.filter(pk=runner.pk).update(status="Stuck")
    runner.refresh_from_db()
    return runner


def confirm(client: Client, runner: Runner, **changes: str) -> Operation:
    """Tick and send the form; the deletion."""
    address = f"/runners/bulk/recreate/?runner={runner.pk}"
    form = client.get(address).context["form"]
    fields = {"nonce": form["nonce"].value(), "digest": form["digest"].value(), "agreed": "on"}
    assert client.post(address, {**fields, **changes}).status_code == 302
    return Operation.objects.get(kind="delete_runner")


def work_until_done(account: Account, simulator: SimulatorHandle, work: Work) -> None:
    """Let the worker delete, GitHub finish deleting, and the worker go on."""
    work(account)
    simulator.advance(600)
    for _ in range(3):
        Operation.objects.filter(state=S.OBSERVING).update(next_step_at=timezone.now())
        work(account)


def test_a_stuck_runner_is_deleted_and_created_again_once_it_is_gone(
    as_admin: Client, acme: Account, stuck: Runner, simulator: SimulatorHandle, work: Work
) -> None:
    before = RunnerSettings.of(stuck)
    deletion = confirm(as_admin, stuck)
    creation = Operation.objects.get(after=deletion)
    assert (creation.kind, creation.state, creation.held_because) == (
        "create_runner",
        S.REQUESTED,
        "after",
    )
    assert "as soon as the runner of that name is gone" in (
        as_admin.get(f"/operations/{creation.pk}/").content.decode()
    )
    work_until_done(acme, simulator, work)
    creation.refresh_from_db()
    deletion.refresh_from_db()
    assert (deletion.state, creation.state) == (S.CONFIRMED, S.CONFIRMED)
    sent = [row["method"] for row in simulator.requests() if row["method"] in ("DELETE", "POST")]
    assert sent == ["DELETE", "POST"]
    again = Runner.objects.present().get(account=acme, name=stuck.name)
    assert again.github_id != stuck.github_id
    assert RunnerSettings.of(again) == before
    page = as_admin.get(f"/operations/batches/{deletion.batch}/").content.decode()
    assert "Recreate 1 runner" in page
    assert "2 of 2 confirmed" in page
    assert AuditEntry.objects.filter(action="runners.recreated").count() == 1


def test_nothing_is_created_if_the_deletion_is_refused(
    as_admin: Client, acme: Account, stuck: Runner, simulator: SimulatorHandle, work: Work
) -> None:
    simulator.add_fault(
        "DELETE", "/hosted-runners/", "status", status=422, body={"message": "Not now"}, times=1
    )
    deletion = confirm(as_admin, stuck)
    work_until_done(acme, simulator, work)
    creation = Operation.objects.get(after=deletion)
    assert creation.state == S.CANCELLED
    assert "was not deleted, so nothing is created" in creation.reason
    assert not simulator.requests("POST")


def test_what_waits_for_a_deletion_cannot_be_sent_before_it(
    as_admin: Client, admin: User, stuck: Runner
) -> None:
    deletion = confirm(as_admin, stuck)
    creation = Operation.objects.get(after=deletion)
    as_admin.post(f"/operations/batches/{deletion.batch}/go-on/")
    with pytest.raises(NotMoved):
        confirm_again(creation, by=admin)
    creation.refresh_from_db()
    assert creation.held_because == "after"
    as_admin.post(f"/operations/{deletion.pk}/cancel/")
    creation.refresh_from_db()
    assert creation.state == S.CANCELLED


def test_the_page_lists_what_is_given_up_and_presets_nothing(
    as_admin: Client, stuck: Runner
) -> None:
    Runner.objects.filter(pk=stuck.pk).update(
        static_ip=True, public_ips=[{"prefix": "203.0.113.8", "length": 29}]
    )
    address = f"/runners/bulk/recreate/?runner={stuck.pk}"
    page = as_admin.get(address)
    text = page.content.decode()
    assert "203.0.113.8/29" in text
    assert str(stuck.github_id) in text
    assert "checked" not in text.partition('name="agreed"')[2].partition(">")[0]
    form = page.context["form"]
    fields = {"nonce": form["nonce"].value(), "digest": form["digest"].value()}
    assert as_admin.post(address, fields).status_code == 422
    assert not Operation.objects.exists()


def test_only_stuck_runners_that_could_be_created_again_are_recreated(
    as_admin: Client, acme: Account, stuck: Runner
) -> None:
    address = f"/runners/bulk/recreate/?runner={stuck.pk}"
    Runner.objects.filter(pk=stuck.pk).update(image_id="gone", image_source="custom")
    assert "image is no longer offered" in as_admin.get(address).content.decode()
    Runner.objects.filter(pk=stuck.pk).update(status="Ready")
    assert "Only Stuck runners are recreated" in as_admin.get(address).content.decode()


def test_an_open_incident_is_told_before(as_admin: Client, stuck: Runner) -> None:
    address = f"/runners/bulk/recreate/?runner={stuck.pk}"
    assert "recover by themselves" not in as_admin.get(address).content.decode()
    caches["pages"].clear()
    now = timezone.now()
    Incident.objects.create(
        page="https://status.example.com",
        key="1",
        name="Runners are slow",
        components=["Actions"],
        started_at=now,
        seen_at=now,
    )
    assert "recover by themselves" in as_admin.get(address).content.decode()
