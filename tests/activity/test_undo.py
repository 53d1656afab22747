"""Undoing confirmed edits: single ones, batches, groups with their lists, and an undo itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.groups.requests import request_update_group
from runners_app.groups.settings import GroupSettings
from runners_app.models import Account, GroupAccess, Operation, Repository, Runner, RunnerGroup
from runners_app.runners import bulk
from runners_app.runners.requests import request_update
from runners_app.runners.settings import RunnerSettings
from tests.groups.test_readings import group_of, names_with_access
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]


def change(runner: Runner, by: User, **changes: Any) -> Operation:
    base = RunnerSettings.of(runner)
    return request_update(runner, replace(base, **changes), base=base, by=by, nonce=str(uuid4()))


def undo(client: Client, address: str) -> Any:
    """Open the preview and confirm it; the response to the form."""
    form = client.get(address).context["form"]
    return client.post(address, {"nonce": form["nonce"].value(), "digest": form["digest"].value()})


@pytest.fixture
def edited(acme: Account, admin: User, work: Work) -> tuple[Runner, Operation]:
    """A runner whose maximum was changed to 42 and its size left, with the confirmed operation."""
    runner = Runner.objects.get(account=acme, name="linux-8core-ci")
    operation = change(runner, admin, maximum_runners=42)
    work(acme)
    runner.refresh_from_db()
    operation.refresh_from_db()
    assert runner.maximum_runners == 42
    return runner, operation


def test_an_edit_is_undone_and_the_undo_undone(
    as_admin: Client, acme: Account, edited: tuple[Runner, Operation], work: Work
) -> None:
    runner, operation = edited
    before = operation.base["maximum_runners"]
    page = as_admin.get(f"/operations/{operation.pk}/").content.decode()
    assert f"/operations/{operation.pk}/undo/" in page
    assert undo(as_admin, f"/operations/{operation.pk}/undo/").status_code == 302
    work(acme)
    runner.refresh_from_db()
    assert runner.maximum_runners == before

    first = Operation.objects.get(undoes=operation)
    there = as_admin.get(f"/operations/{operation.pk}/").content.decode()
    back = as_admin.get(f"/operations/{first.pk}/").content.decode()
    assert f'<dt>Undone by</dt><dd><a href="/operations/{first.pk}/"' in there
    assert f'<dt>Undoes</dt><dd><a href="/operations/{operation.pk}/"' in back
    assert f"/operations/{operation.pk}/undo/" not in there
    listed = as_admin.get("/operations/").content.decode()
    assert f"undoes {operation.pk}" in listed
    assert f"undone by {first.pk}" in listed

    undo(as_admin, f"/operations/{first.pk}/undo/")
    work(acme)
    runner.refresh_from_db()
    assert runner.maximum_runners == 42


def test_a_field_that_moved_on_stays_and_is_shown(
    as_admin: Client, admin: User, acme: Account, work: Work
) -> None:
    runner = Runner.objects.get(account=acme, name="linux-8core-ci")
    before = RunnerSettings.of(runner)
    operation = change(runner, admin, maximum_runners=42, name="renamed")
    work(acme)
    runner.refresh_from_db()
    change(runner, admin, maximum_runners=43)
    work(acme)
    preview = as_admin.get(f"/operations/{operation.pk}/undo/")
    ((_, conflict),) = preview.context["conflicts"]
    assert conflict == {"maximum_runners": [43, 42, before.maximum_runners]}
    assert "changed again since, so these stay" in preview.content.decode()
    undo(as_admin, f"/operations/{operation.pk}/undo/")
    work(acme)
    runner.refresh_from_db()
    assert (runner.name, runner.maximum_runners) == (before.name, 43)


def test_a_preview_that_no_longer_holds_is_shown_again(
    as_admin: Client, edited: tuple[Runner, Operation]
) -> None:
    runner, operation = edited
    address = f"/operations/{operation.pk}/undo/"
    form = as_admin.get(address).context["form"]
    Runner.objects.filter(pk=runner.pk).update(maximum_runners=7)
    answer = as_admin.post(
        address, {"nonce": form["nonce"].value(), "digest": form["digest"].value()}
    )
    assert "No operation was created." in answer.content.decode()
    assert "All its values were changed again since." in answer.content.decode()
    assert Operation.objects.count() == 1


def test_only_confirmed_edits_can_be_undone_and_deletions_say_so(
    as_admin: Client, admin: User, acme: Account, work: Work
) -> None:
    runners = Runner.objects.filter(account=acme, status="Ready").order_by("pk")
    waiting = change(runners[0], admin, maximum_runners=42)
    page = as_admin.get(f"/operations/{waiting.pk}/undo/").content.decode()
    assert "Only confirmed edits can be undone." in page
    Operation.objects.filter(pk=waiting.pk).update(
        kind="delete_runner", state=Operation.State.CONFIRMED
    )
    assert as_admin.get(f"/operations/{waiting.pk}/undo/").status_code == 404
    page = as_admin.get(f"/operations/{waiting.pk}/").content.decode()
    assert "A deletion cannot be undone." in page
    for address in (f"/runners/{runners[0].pk}/delete/", f"/groups/{own_group(acme).pk}/delete/"):
        assert "cannot be undone" in as_admin.get(address).content.decode()


def own_group(account: Account) -> RunnerGroup:
    return group_of(account, "sandbox")


def test_switching_static_ips_on_again_warns_of_new_addresses(
    as_admin: Client, admin: User, acme: Account, work: Work
) -> None:
    runner = next(
        row for row in Runner.objects.filter(account=acme, static_ip=True) if row.public_ips
    )
    operation = change(runner, admin, enable_static_ip=False)
    work(acme)
    page = as_admin.get(f"/operations/{operation.pk}/undo/").content.decode()
    assert "Static IPs will be other ones" in page


def test_the_confirmed_edits_of_a_batch_are_undone_as_a_batch(
    as_admin: Client, admin: User, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    runners = list(Runner.objects.filter(account=acme, status="Ready").order_by("pk")[:3])
    account = Account.objects.visible_to(admin).get()
    for runner in runners:
        runner.account = account
    before = {runner.pk: runner.maximum_runners for runner in runners}
    simulator.add_fault(
        "PATCH", "/hosted-runners/", "status", status=422, body={"message": "Not now"}, times=1
    )
    plan = bulk.make_plan(runners, bulk.DesiredChange(maximum_runners=77))
    batch = uuid4()
    bulk.request_updates(plan.items, by=admin, batch=batch)
    work(acme)
    assert Operation.objects.filter(batch=batch, state="confirmed").count() == 2
    assert "Undo 2 edits" in as_admin.get(f"/operations/batches/{batch}/").content.decode()
    answer = undo(as_admin, f"/operations/batches/{batch}/undo/")
    work(acme)
    assert {row.pk: row.maximum_runners for row in Runner.objects.filter(pk__in=before)} == before
    page = as_admin.get(answer["Location"]).content.decode()
    assert "2 of 2 confirmed" in page
    assert f"/operations/batches/{batch}/" in page
    first = as_admin.get(f"/operations/batches/{batch}/").content.decode()
    assert answer["Location"] in first
    assert "Undo 2 edits" not in first


def test_the_undo_of_a_group_restores_the_list_that_was_replaced(
    as_admin: Client, admin: User, acme: Account, work: Work
) -> None:
    group = group_of(acme, "gpu-research")
    before = names_with_access(group)
    private = Repository.objects.present().filter(account=acme, private=True)
    new = private.exclude(name__in=before).order_by("name")[0]
    gone = GroupAccess.objects.filter(group=group).order_by("name")[0]
    settings = GroupSettings.of(group)
    operation = request_update_group(
        group,
        settings,
        base=settings,
        add={str(new.github_id): new.name},
        remove={str(gone.github_id): gone.name},
        by=admin,
        nonce=str(uuid4()),
    )
    work(acme)
    assert names_with_access(group) == before - {gone.name} | {new.name}
    preview = as_admin.get(f"/operations/{operation.pk}/undo/").content.decode()
    assert "Added to the access list" in preview
    undo(as_admin, f"/operations/{operation.pk}/undo/")
    work(acme)
    assert names_with_access(group) == before


def test_the_undo_of_opening_a_group_to_all_brings_its_list_back(
    as_admin: Client, admin: User, acme: Account, work: Work
) -> None:
    group = group_of(acme, "gpu-research")
    before = names_with_access(group)
    assert before
    settings = GroupSettings.of(group)
    operation = request_update_group(
        group,
        replace(settings, visibility="all"),
        base=settings,
        by=admin,
        nonce=str(uuid4()),
    )
    work(acme)
    group.refresh_from_db()
    assert group.visibility == "all"
    GroupAccess.objects.filter(group=group).delete()
    undo(as_admin, f"/operations/{operation.pk}/undo/")
    work(acme)
    group.refresh_from_db()
    assert group.visibility == "selected"
    assert names_with_access(group) == before


def test_a_viewer_may_not_undo(
    client: Client, lead: User, edited: tuple[Runner, Operation], acme: Account
) -> None:
    client.force_login(lead)
    address = f"/operations/{edited[1].pk}/undo/"
    assert client.get(address).status_code == 404
    acme.memberships.create(user=lead)
    assert client.get(address).status_code == 403
    assert client.post(address).status_code == 403
