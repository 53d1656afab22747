"""Changes to runner groups as operations: proven outcomes, two steps as one, nothing half done."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from runners_app.activity.resubmit import resubmit
from runners_app.credentials.credentials import open_client
from runners_app.credentials.leases import take_lease
from runners_app.groups import requests as groups
from runners_app.groups.settings import GroupSettings
from runners_app.groups.steps import update as group_update
from runners_app.models import (
    Account,
    Credential,
    FieldChange,
    Operation,
    Repository,
    RunnerGroup,
    SelfHostedRunner,
)
from runners_app.operations.send import Work as WorkerHolds
from runners_app.worker.fetchers import FETCHERS
from tests.groups.test_readings import at_github, give_access, group_of, names_with_access
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
S = Operation.State


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.LOST_ANSWER_SPACING_SECONDS = 0
    settings.LOST_CREATE_SECONDS = 0
    settings.ABSENCE_PROOF_SECONDS = 0
    settings.RETRY_SECONDS = 0
    settings.OBSERVE_INTERVAL_SECONDS = 0


def until_settled(operation: Operation, work: Work, account: Account) -> Operation:
    """Let workers go on, as the sweep would."""
    for _ in range(8):
        work(account)
        operation.refresh_from_db()
        if not operation.is_moving:
            break
        Operation.objects.filter(pk=operation.pk).update(
            next_step_at=timezone.now() - timedelta(seconds=1)
        )
    return operation


def private_repositories(account: Account) -> list[Repository]:
    return list(Repository.objects.present().filter(account=account, private=True).order_by("name"))


def lines_of(*rows: Repository) -> dict[str, str]:
    return {str(row.github_id): row.name for row in rows}


def refusal_of(operation: Operation) -> str:
    assert operation.refusal
    return str(operation.refusal["message"])


def ask_update(group: RunnerGroup, by: User, **wishes: Any) -> Operation:
    base = GroupSettings.of(group)
    lists = {name: wishes.pop(name) for name in ("add", "remove") if name in wishes}
    return groups.request_update_group(
        group, replace(base, **wishes), base=base, by=by, nonce=str(uuid4()), **lists
    )


def new_settings(**wishes: Any) -> GroupSettings:
    values = {"allows_public_repositories": False, "restricted_to_workflows": False}
    return GroupSettings.from_stored({"name": "deployments", "visibility": "all"} | values | wishes)


def ask_create(
    account: Account, by: User, add: dict[str, str] | None = None, **wishes: Any
) -> Operation:
    return groups.request_create_group(
        account, new_settings(**wishes), add=add or {}, by=by, nonce=str(uuid4())
    )


# Creating


def test_a_group_is_created_with_its_repositories(acme: Account, admin: User, work: Work) -> None:
    first, second = private_repositories(acme)[:2]
    operation = ask_create(acme, admin, visibility="selected", add=lines_of(first, second))
    assert until_settled(operation, work, acme).state == S.CONFIRMED
    group = group_of(acme, "deployments")
    assert group.github_id == operation.target_id
    assert names_with_access(group) == {first.name, second.name}


def test_a_group_whose_create_answer_was_lost_is_found_and_not_created_twice(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    simulator.add_fault("POST", "/runner-groups", "drop_after_apply")
    operation = until_settled(ask_create(acme, admin), work, acme)
    assert (operation.state, operation.target_id) == (
        S.CONFIRMED,
        group_of(acme, "deployments").github_id,
    )
    assert len(simulator.requests("POST", "/orgs/acme/actions/runner-groups")) == 1


def test_an_unreadable_list_has_the_same_name_before_and_after_the_create(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    simulator.add_fault("GET", r"/orgs/acme/actions/runner-groups\?", "status", status=500)
    simulator.add_fault("GET", r"/orgs/acme/actions/runner-groups\?", "status", status=500, skip=1)
    simulator.add_fault("POST", "/runner-groups", "drop_after_apply")
    operation = until_settled(ask_create(acme, admin), work, acme)
    assert operation.state == S.CONFIRMED
    told = " ".join(operation.events.values_list("note", flat=True))
    assert "Not sent yet: the list of runner groups could not be read first." in told
    assert "The answer was lost, and the list of runner groups could not be read." in told


def test_a_create_that_was_not_applied_is_sent_once_more(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    simulator.add_fault("POST", "/runner-groups", "drop_before_apply")
    operation = until_settled(ask_create(acme, admin), work, acme)
    assert operation.state == S.CONFIRMED
    assert len(simulator.requests("POST", "/orgs/acme/actions/runner-groups")) == 2


@pytest.mark.parametrize("name", ["gpu-research", "enterprise-shared"])
def test_a_taken_name_is_refused_in_githubs_words_at_the_field(
    acme: Account, admin: User, work: Work, name: str
) -> None:
    operation = until_settled(ask_create(acme, admin, name=name), work, acme)
    assert operation.state == S.REJECTED
    assert operation.refusal
    assert [(error["field"], error["code"]) for error in operation.refusal["errors"]] == [
        ("name", "already_exists")
    ]


def test_a_plan_without_groups_says_so(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    simulator.add_fault(
        "POST",
        "/runner-groups",
        "status",
        status=403,
        body={"message": "Runner groups are not available on your plan."},
    )
    operation = until_settled(ask_create(acme, admin), work, acme)
    assert operation.state == S.REJECTED
    assert "not available on your plan" in refusal_of(operation)


# Changing


def test_settings_are_sent_with_all_flags_and_nothing_else(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "production-deploys")
    operation = until_settled(ask_update(group, admin, allows_public_repositories=True), work, acme)
    assert operation.state == S.CONFIRMED
    (sent,) = simulator.requests("PATCH")
    assert sent["body"] == {
        "name": group.name,
        "visibility": "selected",
        "allows_public_repositories": True,
        "restricted_to_workflows": True,
        "selected_workflows": sorted(group.selected_workflows),
    }
    assert group_of(acme, "production-deploys").allows_public_repositories
    change = FieldChange.objects.get(
        item="group", item_pk=group.pk, field="allows_public_repositories"
    )
    assert change.operation == operation


def test_one_repository_is_added_and_one_removed_without_touching_the_others(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "gpu-research")
    before = names_with_access(group)
    new, theirs = [row for row in private_repositories(acme) if row.name not in before][:2]
    old = Repository.objects.get(account=acme, name=sorted(before)[0])
    kept = Repository.objects.filter(account=acme, name__in=before)
    give_access(simulator, group, *kept, theirs)  # somebody else, meanwhile
    simulator.clear_requests()
    operation = until_settled(
        ask_update(group, admin, add=lines_of(new), remove=lines_of(old)), work, acme
    )
    assert operation.state == S.CONFIRMED
    assert names_with_access(group) == (before - {old.name}) | {new.name, theirs.name}
    assert not simulator.requests("PATCH")
    changes = FieldChange.objects.filter(item="group", item_pk=group.pk, operation=operation)
    assert {change.field for change in changes} >= {"repositories_added", "repositories_removed"}


def test_a_single_repository_is_sent_without_the_whole_list(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "gpu-research")
    new = next(
        row for row in private_repositories(acme) if row.name not in names_with_access(group)
    )
    simulator.clear_requests()
    assert (
        until_settled(ask_update(group, admin, add=lines_of(new)), work, acme).state == S.CONFIRMED
    )
    (sent,) = simulator.requests("PUT")
    assert (
        sent["path"]
        == f"/orgs/acme/actions/runner-groups/{group.github_id}/repositories/{new.github_id}"
    )
    assert (
        until_settled(ask_update(group, admin, remove=lines_of(new)), work, acme).state
        == S.CONFIRMED
    )
    (sent,) = simulator.requests("DELETE")
    assert sent["path"].endswith(f"/repositories/{new.github_id}")


def test_an_organization_is_removed_from_an_enterprises_group(
    umbrella: Account, admin: User, work: Work
) -> None:
    group = group_of(umbrella, "enterprise-security")
    line = group.access.get()
    operation = ask_update(group, admin, remove={str(line.github_id): line.name})
    assert until_settled(operation, work, umbrella).state == S.CONFIRMED
    assert names_with_access(group) == set()


def test_settings_and_repositories_are_one_operation_of_two_steps(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group, (first, second) = group_of(acme, "sandbox"), private_repositories(acme)[:2]
    simulator.clear_requests()
    operation = ask_update(group, admin, visibility="selected", add=lines_of(first, second))
    assert until_settled(operation, work, acme).state == S.CONFIRMED
    writes = [entry["method"] for entry in simulator.requests() if entry["method"] != "GET"]
    assert writes == ["PATCH", "PUT"]
    assert names_with_access(group) == {first.name, second.name}
    assert operation.steps == [{"do": "settings", "done": True}, {"do": "access", "done": True}]


class WorkerKilled(BaseException):
    """Stands for a process that is gone between two statements."""


@pytest.mark.parametrize("dies_before", ["GET", "PUT"])
def test_an_operation_is_finished_after_a_worker_dies_between_its_steps(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle, dies_before: str
) -> None:
    group, (first, second) = group_of(acme, "sandbox"), private_repositories(acme)[:2]
    operation = ask_update(group, admin, visibility="selected", add=lines_of(first, second))
    simulator.clear_requests()
    with pytest.raises(WorkerKilled):
        group_update.start(operation, _worker_that_dies(acme, dies_before))
    operation.refresh_from_db()
    assert operation.steps == [{"do": "settings", "done": True}, {"do": "access", "done": False}]
    assert not operation.is_cancellable
    Credential.objects.update(
        lease_expires_at=timezone.now()
    )  # the dead worker's lease has run out
    assert until_settled(operation, work, acme).state == S.CONFIRMED
    assert [entry["method"] for entry in simulator.requests() if entry["method"] != "GET"] == [
        "PATCH",
        "PUT",
    ]
    assert names_with_access(group) == {first.name, second.name}


def _worker_that_dies(account: Account, before: str) -> WorkerHolds:
    """After its PATCH, before the first request of this method."""
    lease = take_lease(account.credential_id, "a worker that dies")
    assert lease is not None
    client, seen = open_client(account.credential, lease), set[str]()

    def before_request(method: str) -> None:
        if "PATCH" in seen and method == before:
            raise WorkerKilled
        seen.add(method)

    client.before_request = before_request
    return WorkerHolds(lease, client, FETCHERS)


@pytest.mark.parametrize("cut", ["drop_after_apply", "drop_before_apply"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_lost_answer_of_either_step_is_probed_and_the_rest_follows(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle, method: str, cut: str
) -> None:
    group, (first, second) = group_of(acme, "sandbox"), private_repositories(acme)[:2]
    simulator.clear_requests()
    simulator.add_fault(method, "/runner-groups/", cut)
    operation = ask_update(group, admin, visibility="selected", add=lines_of(first, second))
    assert until_settled(operation, work, acme).state == S.CONFIRMED
    assert names_with_access(group) == {first.name, second.name}
    applied = [
        entry["method"]
        for entry in simulator.requests()
        if entry["method"] != "GET" and entry["applied"]
    ]
    assert applied == ["PATCH", "PUT"]


def refuse_the_list(simulator: SimulatorHandle) -> None:
    body = {"message": "Validation Failed", "errors": ["A public repository may not be added."]}
    simulator.add_fault("PUT", "/repositories", "status", status=422, body=body, times=0)


def test_a_refused_second_step_takes_the_first_one_back(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    refuse_the_list(simulator)
    group = group_of(acme, "sandbox")
    public = Repository.objects.present().filter(account=acme, private=False).order_by("name")[0]
    operation = until_settled(
        ask_update(group, admin, visibility="selected", add=lines_of(public)), work, acme
    )
    assert operation.state == S.REJECTED
    assert "public" in refusal_of(operation)
    assert "nothing changed" in operation.reason
    now = group_of(acme, "sandbox")
    assert (now.visibility, names_with_access(now)) == ("private", set())


def test_a_first_step_whose_answer_was_lost_is_taken_back_too(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    refuse_the_list(simulator)
    group = group_of(acme, "sandbox")
    public = Repository.objects.present().filter(account=acme, private=False).order_by("name")[0]
    simulator.add_fault("PATCH", "/runner-groups/", "drop_after_apply")
    operation = ask_update(group, admin, visibility="selected", add=lines_of(public))
    assert until_settled(operation, work, acme).state == S.REJECTED
    assert group_of(acme, "sandbox").visibility == "private"


def test_taking_back_survives_a_lost_answer(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    refuse_the_list(simulator)
    group = group_of(acme, "sandbox")
    public = Repository.objects.present().filter(account=acme, private=False).order_by("name")[0]
    simulator.add_fault("PATCH", "/runner-groups/", "drop_after_apply", skip=1)
    operation = ask_update(group, admin, visibility="selected", add=lines_of(public))
    assert until_settled(operation, work, acme).state == S.REJECTED
    assert group_of(acme, "sandbox").visibility == "private"


def test_a_step_that_cannot_be_taken_back_needs_attention_and_says_what_is_half_done(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    refuse_the_list(simulator)
    group = group_of(acme, "sandbox")
    public = Repository.objects.present().filter(account=acme, private=False).order_by("name")[0]
    simulator.add_fault(
        "PATCH", "/runner-groups/", "status", status=422, body={"message": "No."}, skip=1, times=5
    )
    operation = until_settled(
        ask_update(group, admin, visibility="selected", add=lines_of(public)), work, acme
    )
    assert operation.state == S.NEEDS_ATTENTION
    assert "GitHub took the settings" in operation.reason


def test_public_repositories_leave_the_list_before_the_group_excludes_them(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "sandbox")
    public = Repository.objects.present().filter(account=acme, private=False).order_by("name")[0]
    opened = ask_update(
        group, admin, visibility="selected", allows_public_repositories=True, add=lines_of(public)
    )
    assert until_settled(opened, work, acme).state == S.CONFIRMED
    group = group_of(acme, "sandbox")
    closed = ask_update(group, admin, allows_public_repositories=False, remove=lines_of(public))
    assert until_settled(closed, work, acme).state == S.CONFIRMED
    assert [each["do"] for each in closed.steps] == ["access", "settings"]


def test_a_repository_deleted_before_sending_is_refused_and_nothing_is_half_done(
    acme: Account, admin: User, work: Work
) -> None:
    group = group_of(acme, "sandbox")
    operation = ask_update(
        group, admin, visibility="selected", add={"1": "gone-one", "2": "gone-two"}
    )
    assert until_settled(operation, work, acme).state == S.REJECTED
    assert group_of(acme, "sandbox").visibility == "private"


def test_an_access_list_for_a_group_open_to_all_is_refused(
    acme: Account, admin: User, work: Work
) -> None:
    repository = private_repositories(acme)[0]
    operation = until_settled(
        ask_update(group_of(acme, "sandbox"), admin, add=lines_of(repository)), work, acme
    )
    assert operation.state == S.REJECTED
    assert "selected" in refusal_of(operation)


def test_a_conflicting_change_is_shown_and_not_overwritten(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "gpu-research")
    operation = ask_update(group, admin, name="gpu")
    path = f"/orgs/acme/actions/runner-groups/{group.github_id}"
    at_github(simulator, "PATCH", path, {"name": "graphics"})
    assert until_settled(operation, work, acme).state == S.CANCELLED
    assert operation.conflict == {"name": ["graphics", "gpu-research", "gpu"]}
    assert group_of(acme, "graphics").pk == group.pk


def test_an_inherited_group_is_changed_by_its_enterprise_only(
    acme: Account, admin: User, work: Work
) -> None:
    operation = until_settled(
        ask_update(group_of(acme, "enterprise-shared"), admin, name="mine"), work, acme
    )
    assert operation.state == S.REJECTED
    assert "enterprise" in refusal_of(operation)


def test_an_organization_says_itself_which_repositories_may_use_an_inherited_group(
    acme: Account, admin: User, work: Work
) -> None:
    group, repository = group_of(acme, "enterprise-security"), private_repositories(acme)[0]
    assert (
        until_settled(ask_update(group, admin, add=lines_of(repository)), work, acme).state
        == S.CONFIRMED
    )
    assert names_with_access(group) == {repository.name}


def test_a_rate_limit_between_the_steps_is_waited_for(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group, (first, second) = group_of(acme, "sandbox"), private_repositories(acme)[:2]
    simulator.add_fault(
        "PUT", "/repositories", "status", status=429, headers={"Retry-After": "600"}
    )
    operation = ask_update(group, admin, visibility="selected", add=lines_of(first, second))
    work(acme)
    operation.refresh_from_db()
    assert (operation.state, operation.begun, operation.is_cancellable) == (S.SENT, True, False)
    acme.credential.refresh_from_db()
    acme.credential.paused_until = None
    acme.credential.save()
    Operation.objects.filter(pk=operation.pk).update(
        confirmed_at=timezone.now() - timedelta(hours=1)
    )
    assert until_settled(operation, work, acme).state == S.CONFIRMED
    assert names_with_access(group) == {first.name, second.name}


# Deleting


def test_an_empty_group_is_deleted_once_the_list_agrees(
    acme: Account, admin: User, work: Work
) -> None:
    made = until_settled(ask_create(acme, admin), work, acme)
    group = group_of(acme, "deployments")
    assert group.github_id == made.target_id
    operation = groups.request_delete_group(group, by=admin, nonce=str(uuid4()))
    assert until_settled(operation, work, acme).state == S.CONFIRMED
    group.refresh_from_db()
    assert group.gone_at is not None


@pytest.mark.parametrize(
    ("name", "words"), [("Default", "default"), ("gpu-research", "runners in it")]
)
def test_a_group_that_cannot_be_deleted_is_refused_in_githubs_words(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle, name: str, words: str
) -> None:
    group = group_of(acme, name)
    simulator.create_runner("organization", "acme", name="inside", runner_group_id=group.github_id)
    operation = groups.request_delete_group(group, by=admin, nonce=str(uuid4()))
    assert until_settled(operation, work, acme).state == S.REJECTED
    assert words in refusal_of(operation)


def test_a_group_renamed_after_its_deletion_was_requested_is_not_deleted(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "sandbox")
    operation = groups.request_delete_group(group, by=admin, nonce=str(uuid4()))
    at_github(
        simulator, "PATCH", f"/orgs/acme/actions/runner-groups/{group.github_id}", {"name": "kept"}
    )
    assert until_settled(operation, work, acme).state == S.CANCELLED
    assert group_of(acme, "kept").pk == group.pk


# Self-hosted runners


def machine(account: Account, name: str) -> SelfHostedRunner:
    return SelfHostedRunner.objects.present().get(account=account, name=name)


def test_a_self_hosted_runner_moves_and_comes_back_to_the_default_group(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    target, default = group_of(acme, "sandbox").github_id, group_of(acme, "Default").github_id
    away = groups.request_move_self_hosted(
        machine(acme, "onprem-rack-02"), target, by=admin, nonce=str(uuid4())
    )
    assert until_settled(away, work, acme).state == S.CONFIRMED
    assert machine(acme, "onprem-rack-02").group_id == target
    back = groups.request_move_self_hosted(
        machine(acme, "onprem-rack-02"), default, by=admin, nonce=str(uuid4())
    )
    assert until_settled(back, work, acme).state == S.CONFIRMED
    assert machine(acme, "onprem-rack-02").group_id == default
    assert [entry["method"] for entry in simulator.requests() if entry["method"] != "GET"] == [
        "PUT",
        "DELETE",
    ]


@pytest.mark.parametrize("cut", ["drop_after_apply", "drop_before_apply"])
def test_a_move_whose_answer_was_lost_is_confirmed(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle, cut: str
) -> None:
    target = group_of(acme, "sandbox").github_id
    simulator.add_fault("PUT", "/runners/", cut)
    operation = groups.request_move_self_hosted(
        machine(acme, "onprem-rack-02"), target, by=admin, nonce=str(uuid4())
    )
    assert until_settled(operation, work, acme).state == S.CONFIRMED
    assert machine(acme, "onprem-rack-02").group_id == target


def test_a_self_hosted_runner_is_deleted_unless_it_is_busy(
    acme: Account, admin: User, work: Work
) -> None:
    gone = groups.request_delete_self_hosted(
        machine(acme, "onprem-rack-02"), by=admin, nonce=str(uuid4())
    )
    busy = groups.request_delete_self_hosted(
        machine(acme, "onprem-rack-01"), by=admin, nonce=str(uuid4())
    )
    assert until_settled(gone, work, acme).state == S.CONFIRMED
    assert until_settled(busy, work, acme).state == S.REJECTED
    assert "running a job" in refusal_of(busy)


def test_a_rejected_change_can_be_resubmitted_from_the_current_settings(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "sandbox")
    simulator.add_fault(
        "PATCH", "/runner-groups/", "status", status=422, body={"message": "Not now."}
    )
    refused = until_settled(ask_update(group, admin, name="playground"), work, acme)
    again = resubmit(refused, by=admin, nonce=str(uuid4()))
    assert until_settled(again, work, acme).state == S.CONFIRMED
    assert (again.again_from, group_of(acme, "playground").pk) == (refused, group.pk)


def test_a_list_that_changed_during_reading_is_read_again_before_it_is_sent(
    acme: Account, admin: User, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "production-deploys")
    before = names_with_access(group)
    others = [row for row in private_repositories(acme) if row.name not in before][:2]
    known = [{"id": row.github_id, "name": row.name, "private": True} for row in group.access.all()]
    short = {"total_count": len(known), "repositories": known[:-1]}
    operation = ask_update(group, admin, add=lines_of(*others))
    simulator.add_fault(
        "GET", f"/runner-groups/{group.github_id}/repositories", "status", status=200, body=short
    )
    assert until_settled(operation, work, acme).state == S.CONFIRMED
    assert names_with_access(group) == before | {row.name for row in others}
    assert not simulator.faults()
