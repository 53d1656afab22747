"""Operation pages: the request, its state, and what a person can do about it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, Credential, Membership, Operation, Runner
from runners_app.operations.requests import cancel
from runners_app.runners.requests import request_delete_runner, request_update
from runners_app.runners.settings import RunnerSettings
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
S = Operation.State


def ready_runner(account: Account) -> Runner:
    ready = (
        Runner.objects.present()
        .filter(account=account, status="Ready", static_ip=False)
        .exclude(image_id="")
    )
    return ready.order_by("pk")[0]


def request_change(runner: Runner, by: User, **changes: Any) -> Operation:
    base = RunnerSettings.of(runner)
    return request_update(runner, replace(base, **changes), base=base, by=by, nonce=str(uuid4()))


def page_of(client: Client, operation: Operation) -> str:
    return client.get(f"/operations/{operation.pk}/").content.decode()


def test_the_page_shows_who_requested_what_and_the_request_id_of_githubs_answer(
    as_admin: Client, admin: User, acme: Account, work: Work
) -> None:
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    work(acme)
    page = page_of(as_admin, operation)
    last = operation.events.last()
    assert last is not None
    assert last.request_id
    for text in ("ada", "Maximum runners", "42", "Confirmed", last.request_id):
        assert text in page


def test_a_polling_page_is_reloaded_for_each_new_line_of_the_timeline(
    as_admin: Client, admin: User, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    version = as_admin.get(f"/operations/{operation.pk}/").context["version"]
    poll = f"/operations/{operation.pk}/?version={version}"
    assert as_admin.get(poll, headers={"HX-Request": "true"}).status_code == 204
    simulator.add_fault("GET", "hosted-runners/[0-9]+$", "status", status=502)
    work(acme)
    answer = as_admin.get(poll, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "could not be read first" in answer.content.decode()


def test_an_operation_that_was_not_sent_can_be_cancelled_once(
    as_admin: Client, admin: User, acme: Account
) -> None:
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    as_admin.post(f"/operations/{operation.pk}/cancel/")
    operation.refresh_from_db()
    assert operation.state == S.CANCELLED
    answer = as_admin.post(f"/operations/{operation.pk}/cancel/", follow=True)
    assert "could not be cancelled" in answer.content.decode()


def test_after_five_seconds_the_page_says_what_the_operation_waits_for(
    as_admin: Client, admin: User, acme: Account
) -> None:
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    assert "within a second or two" in page_of(as_admin, operation)

    now = timezone.now()
    rows = Operation.objects.filter(pk=operation.pk)
    rows.update(confirmed_at=now - timedelta(seconds=6))
    page = page_of(as_admin, operation)
    assert "for a worker. Check that a worker is running." in page
    assert "within a second or two" not in page

    Credential.objects.update(lease_expires_at=now + timedelta(seconds=30))
    assert "answer to another request of its token" in page_of(as_admin, operation)
    earlier = request_change(ready_runner(acme), admin, maximum_runners=43)
    earlier.confirmed_at = now - timedelta(seconds=6)
    earlier.save()
    assert "for 1 earlier write with the same token" in page_of(as_admin, earlier)
    rows.update(state=S.SENT, sent_at=now - timedelta(seconds=6))
    assert "answer. If none comes, Trackside finds out" in page_of(as_admin, operation)


def test_an_operation_that_ended_unsent_does_not_say_not_yet(
    as_admin: Client, admin: User, acme: Account
) -> None:
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    cancel(operation, by=admin)
    page = page_of(as_admin, operation)
    assert "never" in page.partition("<dt>Sent</dt>")[2].partition("</dd>")[0]
    assert "not yet" not in page


def test_an_operation_that_met_a_rate_limit_can_be_cancelled(
    as_admin: Client, admin: User, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    simulator.add_fault(
        "PATCH", "hosted-runners", "status", status=429, headers={"Retry-After": "600"}
    )
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    work(acme)
    page = page_of(as_admin, operation)
    assert "GitHub has not accepted it yet" in page
    assert "The token is used again at" in page
    as_admin.post(f"/operations/{operation.pk}/cancel/")
    operation.refresh_from_db()
    assert operation.state == S.CANCELLED
    assert not any(request["applied"] for request in simulator.requests("PATCH"))


def test_a_deletion_that_github_refused_can_be_sent_again_unchanged(
    as_admin: Client, admin: User, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    simulator.add_fault(
        "DELETE", "hosted-runners", "status", status=409, body={"message": "It is busy."}
    )
    runner = ready_runner(acme)
    operation = request_delete_runner(runner, by=admin, nonce=str(uuid4()))
    work(acme)
    answer = as_admin.get(f"/operations/{operation.pk}/")
    assert "It is busy" in answer.content.decode()
    nonce = answer.context["nonce"]
    for _ in range(2):  # a double click
        as_admin.post(f"/operations/{operation.pk}/again/", {"nonce": nonce})
    again = Operation.objects.get(again_from=operation)
    work(acme)
    again.refresh_from_db()
    assert again.state == S.OBSERVING
    assert "Sent again as" in page_of(as_admin, operation)


def test_a_create_is_never_sent_again_without_the_form(
    as_admin: Client, admin: User, acme: Account
) -> None:
    operation = Operation.objects.create(
        account=acme,
        kind="create_runner",
        target="runner",
        target_name="x",
        wanted={"name": "x"},
        state=S.REJECTED,
        actor=admin,
        actor_name="ada",
        requested_at=timezone.now(),
        confirmed_at=timezone.now(),
    )
    answer = as_admin.post(
        f"/operations/{operation.pk}/again/", {"nonce": str(uuid4())}, follow=True
    )
    assert "No operation was created" in answer.content.decode()
    assert Operation.objects.count() == 1


def test_editing_a_cancelled_change_again_keeps_later_changes_of_other_people(
    as_admin: Client, admin: User, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    runner = ready_runner(acme)
    operation = request_change(runner, admin, maximum_runners=42)
    cancel(operation, by=admin)
    Runner.objects.filter(pk=runner.pk).update(image_gen=not runner.image_gen)
    form = as_admin.get(f"/runners/{runner.pk}/edit/?again={operation.pk}").context["form"]
    assert form["maximum_runners"].value() == 42
    assert form["image_gen"].value() is not runner.image_gen


def test_a_viewer_sees_no_buttons_and_may_not_post_to_them(
    client: Client, lead: User, admin: User, acme: Account
) -> None:
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    assert "Cancel operation" not in page_of(client, operation)
    for verb in ("cancel", "agree", "again", "settle"):
        assert client.post(f"/operations/{operation.pk}/{verb}/").status_code == 403
    operation.refresh_from_db()
    assert operation.state == S.REQUESTED


def test_nothing_is_sent_for_an_account_set_to_observe_only_and_what_waits_can_be_cancelled(
    as_admin: Client, admin: User, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    Account.objects.filter(pk=acme.pk).update(observe_only=True)
    work(acme)
    assert "only, so nothing is sent" in page_of(as_admin, operation)
    assert not simulator.requests("PATCH")
    as_admin.post(f"/operations/{operation.pk}/cancel/")
    operation.refresh_from_db()
    assert operation.state == S.CANCELLED


def test_the_list_has_filters_and_marks_operations_that_wait_for_a_person(
    as_admin: Client, admin: User, acme: Account
) -> None:
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    version = as_admin.get("/operations/").context["version"]
    Operation.objects.filter(pk=operation.pk).update(
        confirmed_at=timezone.now() - timedelta(minutes=16)
    )
    answer = as_admin.get(f"/operations/?version={version}", headers={"HX-Request": "true"})
    assert "waits for a person" in answer.content.decode()
    assert not as_admin.get("/operations/?state=confirmed").context["page"].rows
    assert as_admin.get("/operations/?kind=update_runner&state=requested").context["page"].rows == [
        operation
    ]


def test_a_form_submitted_with_other_values_after_going_back_is_another_operation(
    as_admin: Client, admin: User, acme: Account
) -> None:
    runner, nonce = ready_runner(acme), str(uuid4())
    base = RunnerSettings.of(runner)
    for maximum in (41, 41, 42, 42):
        request_update(
            runner, replace(base, maximum_runners=maximum), base=base, by=admin, nonce=nonce
        )
    maximums = Operation.objects.order_by("pk").values_list("wanted__maximum_runners", flat=True)
    assert list(maximums) == [41, 42]


def test_send_mine_anyway_changes_only_the_fields_in_conflict(
    as_admin: Client, admin: User, acme: Account, work: Work
) -> None:
    runner = ready_runner(acme)
    form = as_admin.get(f"/runners/{runner.pk}/edit/").context["form"]
    fields = {field.html_name: field.value() for field in form}
    mine = {name: str(value) for name, value in fields.items() if value not in (None, False, "")}
    Runner.objects.filter(pk=runner.pk).update(maximum_runners=33, image_gen=not runner.image_gen)
    answer = as_admin.post(f"/runners/{runner.pk}/edit/", {**mine, "maximum_runners": "44"})
    assert answer.status_code == 409
    hidden = answer.context["form"]
    anyway = {
        field.html_name: str(field.value() if field.value() is not None else "") for field in hidden
    }
    as_admin.post(f"/runners/{runner.pk}/edit/", anyway)
    assert Operation.objects.get().changed_fields == {"maximum_runners": 44}


def test_an_outdated_page_cannot_cancel_an_operation_that_may_have_been_applied(
    as_admin: Client, admin: User, acme: Account
) -> None:
    operation = request_change(ready_runner(acme), admin, maximum_runners=42)
    Operation.objects.filter(pk=operation.pk).update(state=S.NEEDS_ATTENTION)
    answer = as_admin.post(f"/operations/{operation.pk}/cancel/", follow=True)
    assert "could not be cancelled" in answer.content.decode()
    operation.refresh_from_db()
    assert operation.state == S.NEEDS_ATTENTION


@pytest.mark.parametrize("state", [S.REQUESTED, S.SENT, S.OBSERVING])
@pytest.mark.parametrize("choice", ["confirmed", "cancelled", "claim"])
def test_only_operations_that_need_attention_can_be_resolved(
    as_admin: Client, admin: User, acme: Account, state: str, choice: str
) -> None:
    runner = ready_runner(acme)
    operation = request_change(runner, admin, maximum_runners=42)
    Operation.objects.filter(pk=operation.pk).update(state=state, candidates=[runner.github_id])
    as_admin.post(f"/operations/{operation.pk}/settle/", {"choice": choice, "runner": runner.pk})
    operation.refresh_from_db()
    assert operation.state == state
