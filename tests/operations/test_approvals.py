"""Four eyes: what one manager asked for is sent only after another approved it."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import (
    Account,
    Approval,
    AuditEntry,
    Credential,
    Event,
    Membership,
    Operation,
    Runner,
)
from runners_app.notices.facts import find_facts, seen_by
from runners_app.operations.approvals import (
    CannotDecide,
    approve,
    decline,
    digest_of,
    set_four_eyes,
    waiting_operations_of,
)
from runners_app.operations.holds import hold
from runners_app.people.people import give_account, set_active
from runners_app.runners.bulk import Item, request_deletes, request_recreates, request_updates
from runners_app.runners.requests import request_delete_runner
from runners_app.runners.settings import RunnerSettings
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
S = Operation.State


@pytest.fixture
def lin(lead: User, acme: Account) -> User:
    Membership.objects.create(user=lead, account=acme, role="manager")
    return lead


@pytest.fixture
def kim(acme: Account) -> User:
    person = User.objects.create_user("kim", password="a password for tests")
    Membership.objects.create(user=person, account=acme, role="manager")
    return person


@pytest.fixture
def eyes(acme: Account, lin: User, kim: User) -> Account:
    """acme, in which deletions and batches of more than two operations need an approval."""
    set_four_eyes(acme, 2, by=lin)
    acme.refresh_from_db()
    return acme


def ready(account: Account, count: int) -> list[Runner]:
    rows = Runner.objects.present().filter(account=account, status="Ready").order_by("pk")
    found = list(rows[:count])
    assert len(found) == count
    return found


def delete_one(account: Account, by: User) -> Operation:
    return request_delete_runner(ready(account, 1)[0], by=by, nonce=str(uuid4()))


def edit(runners: Iterable[Runner], by: User, first: int | None = None) -> UUID:
    batch = uuid4()
    items = []
    for runner in runners:
        base = RunnerSettings.of(runner)
        wanted = RunnerSettings.from_stored({**base.stored(), "maximum_runners": 7})
        items.append(Item(runner, base, wanted))
    request_updates(items, by=by, batch=batch, first=first)
    return batch


def approval_of(operation: Operation) -> Approval:
    operation.refresh_from_db()
    assert operation.approval is not None
    return operation.approval


def approve_as_shown(approval: Approval, by: User) -> int:
    return approve(approval, by=by, digest=digest_of(waiting_operations_of(approval)))


def writes(simulator: SimulatorHandle) -> list[str]:
    return [line["method"] for line in simulator.requests() if line["method"] != "GET"]


def test_a_deletion_is_sent_only_after_another_manager_approved_it(
    eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    operation = delete_one(eyes, lin)
    work(eyes)
    assert writes(simulator) == []
    assert operation.waits_for_approval
    assert approve_as_shown(approval_of(operation), kim) == 1
    work(eyes)
    assert writes(simulator) == ["DELETE"]
    entry = AuditEntry.objects.get(action="approval.given")
    assert (entry.actor_name, entry.details["asked_by"]) == ("kim", "lin")
    assert len(str(entry.details["digest"])) == 64


def test_nobody_approves_what_they_asked_for_not_even_an_administrator(
    eyes: Account, lin: User, admin: User, simulator: SimulatorHandle, work: Work
) -> None:
    for person in (lin, admin):
        operation = delete_one(eyes, person)
        with pytest.raises(CannotDecide, match="another manager must approve"):
            approve_as_shown(approval_of(operation), person)
    work(eyes)
    assert writes(simulator) == []


def test_a_viewer_or_a_stranger_approves_nothing(eyes: Account, lin: User, kim: User) -> None:
    operation = delete_one(eyes, lin)
    stranger = User.objects.create_user("stranger")
    Membership.objects.filter(user=kim).update(role="viewer")
    for person in (kim, stranger):
        with pytest.raises(CannotDecide, match="Only managers"):
            approve_as_shown(approval_of(operation), person)


def test_edits_and_small_batches_need_no_approval_and_larger_batches_do(
    eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    small = edit(ready(eyes, 2), lin)
    large = edit(ready(eyes, 5)[2:], lin)
    work(eyes)
    assert writes(simulator) == ["PATCH"] * 2
    assert not Operation.objects.filter(batch=small).exclude(approval=None).exists()
    approval = Approval.objects.get(batch=large)
    assert approve_as_shown(approval, kim) == 3
    work(eyes)
    assert writes(simulator) == ["PATCH"] * 5


def test_an_account_without_four_eyes_needs_no_approval(
    acme: Account, lin: User, simulator: SimulatorHandle, work: Work
) -> None:
    delete_one(acme, lin)
    edit(ready(acme, 4)[1:], lin)
    work(acme)
    assert sorted(writes(simulator)) == ["DELETE", "PATCH", "PATCH", "PATCH"]
    assert not Approval.objects.exists()


def test_an_approval_is_of_the_operations_that_were_shown(
    eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    batch = edit(ready(eyes, 3), lin)
    approval = Approval.objects.get(batch=batch)
    shown = digest_of(waiting_operations_of(approval))
    first = Operation.objects.filter(batch=batch)[0]
    Operation.objects.filter(pk=first.pk).update(wanted={**first.wanted, "maximum_runners": 900})
    with pytest.raises(CannotDecide, match="changed since you opened it"):
        approve(approval, by=kim, digest=shown)
    work(eyes)
    assert writes(simulator) == []


def test_the_first_of_a_batch_are_sent_after_the_approval_and_the_rest_when_it_goes_on(
    client: Client, eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    batch = edit(ready(eyes, 4), lin, first=1)
    client.force_login(lin)
    client.post(f"/operations/batches/{batch}/go-on/")
    work(eyes)
    assert writes(simulator) == []
    assert approve_as_shown(Approval.objects.get(batch=batch), kim) == 1
    work(eyes)
    assert writes(simulator) == ["PATCH"]
    client.force_login(kim)
    client.post(f"/operations/batches/{batch}/go-on/")
    work(eyes)
    assert writes(simulator) == ["PATCH"] * 4, "who approved may continue, as lin still answers"


def test_recreating_creates_only_what_was_approved_and_deleted(
    eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    batch = uuid4()
    request_recreates(ready(eyes, 1), by=lin, batch=batch)
    approval = Approval.objects.get(batch=batch)
    assert approval.operations.count() == 2
    decline(approval, by=kim, reason="It is in use.")
    work(eyes)
    assert writes(simulator) == []
    assert set(approval.operations.values_list("state", flat=True)) == {S.CANCELLED}


def test_declining_cancels_with_the_reason_and_is_audited(
    eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    operation = delete_one(eyes, lin)
    with pytest.raises(CannotDecide, match="Say why"):
        decline(approval_of(operation), by=kim, reason=" ")
    assert decline(approval_of(operation), by=kim, reason="Payments still use it.") == 1
    work(eyes)
    operation.refresh_from_db()
    assert (operation.state, operation.reason) == (S.CANCELLED, "Declined: Payments still use it.")
    assert writes(simulator) == []
    entry = AuditEntry.objects.get(action="approval.declined")
    assert entry.details["reason"] == "Payments still use it."
    with pytest.raises(CannotDecide, match="kim declined it already"):
        approve_as_shown(approval_of(operation), kim)


@pytest.mark.parametrize("loss", ["disabled", "viewer", "in the database"])
def test_an_approver_who_lost_the_right_before_the_send_approved_nothing(
    loss: str,
    eyes: Account,
    lin: User,
    kim: User,
    admin: User,
    simulator: SimulatorHandle,
    work: Work,
) -> None:
    operation = delete_one(eyes, lin)
    before = approval_of(operation)
    approve_as_shown(before, kim)
    if loss == "disabled":
        set_active(kim, False, by=admin)
    elif loss == "viewer":
        give_account(kim, eyes, "viewer", by=admin)
    else:
        Membership.objects.filter(user=kim).delete()
    work(eyes)
    assert writes(simulator) == []
    again = approval_of(operation)
    assert operation.waits_for_approval
    assert (again.state, again.asked_by) == ("waiting", lin)
    assert "kim, who approved it, may no longer do this" in operation.reason
    assert AuditEntry.objects.filter(action="approval.asked").exists()
    approve_as_shown(again, admin)
    work(eyes)
    assert writes(simulator) == ["DELETE"]


def test_a_requester_who_lost_the_right_is_not_replaced_by_the_approver_alone(
    eyes: Account, lin: User, kim: User, admin: User, simulator: SimulatorHandle, work: Work
) -> None:
    operation = delete_one(eyes, lin)
    approve_as_shown(approval_of(operation), kim)
    set_active(lin, False, by=admin)
    client = Client()
    client.force_login(kim)
    client.post(f"/operations/{operation.pk}/agree/")
    work(eyes)
    assert writes(simulator) == []
    again = approval_of(operation)
    assert (again.state, again.asked_by) == ("waiting", kim)
    approve_as_shown(again, admin)
    work(eyes)
    assert writes(simulator) == ["DELETE"]


def test_the_time_to_be_sent_begins_with_the_approval(
    eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    operation = delete_one(eyes, lin)
    long_ago = timezone.now() - timedelta(hours=3)
    Operation.objects.update(requested_at=long_ago, confirmed_at=long_ago)
    Credential.objects.update(progress_at=None)
    work(eyes)
    approve_as_shown(approval_of(operation), kim)
    operation.refresh_from_db()
    assert timezone.now() - operation.confirmed_at < timedelta(minutes=1)
    work(eyes)
    assert writes(simulator) == ["DELETE"]


def test_what_became_stale_after_the_approval_needs_another(
    eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    batch = edit(ready(eyes, 3), lin)
    approve_as_shown(Approval.objects.get(batch=batch), kim)
    hold(Operation.objects.filter(batch=batch), Operation.HeldBecause.STALE, "Too old.")
    client = Client()
    client.force_login(lin)
    client.post(f"/operations/batches/{batch}/go-on/")
    work(eyes)
    assert writes(simulator) == []
    again = Approval.objects.get(batch=batch, state="waiting")
    assert approve_as_shown(again, kim) == 3
    work(eyes)
    assert writes(simulator) == ["PATCH"] * 3


def test_a_retry_needs_an_approval_of_its_own(
    eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    batch = uuid4()
    request_deletes(ready(eyes, 2), by=lin, batch=batch)
    simulator.add_fault("DELETE", "hosted-runners", "status", status=422, times=2)
    approve_as_shown(Approval.objects.get(batch=batch), kim)
    work(eyes)
    assert set(Operation.objects.values_list("state", flat=True)) == {S.REJECTED}
    sent = len(writes(simulator))
    client = Client()
    client.force_login(lin)
    client.post(f"/operations/batches/{batch}/retry/")
    work(eyes)
    assert len(writes(simulator)) == sent
    again = Approval.objects.get(state="waiting")
    assert again.batch != batch
    assert approve_as_shown(again, kim) == 2


def test_an_undo_of_a_large_batch_needs_an_approval_of_its_own(
    eyes: Account, lin: User, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    batch = edit(ready(eyes, 3), lin)
    approve_as_shown(Approval.objects.get(batch=batch), kim)
    work(eyes)
    client = Client()
    client.force_login(lin)
    page = f"/operations/batches/{batch}/undo/"
    fields = client.get(page).context["form"]
    answer = client.post(
        page, {"nonce": fields["nonce"].value(), "digest": fields["digest"].value()}
    )
    assert answer.status_code == 302
    assert Approval.objects.get(state="waiting").operations.count() == 3


def test_a_proposal_of_a_viewer_is_sent_on_the_authority_of_the_manager_who_approved_it(
    acme: Account, kim: User, simulator: SimulatorHandle, work: Work
) -> None:
    viewer = User.objects.create_user("viola")
    Membership.objects.create(user=viewer, account=acme, role="viewer")
    runner = ready(acme, 1)[0]
    operation = request_delete_runner(runner, by=viewer, nonce=str(uuid4()), proposal=True)
    work(acme)
    assert writes(simulator) == []
    assert approval_of(operation).kind == "proposal"
    approve_as_shown(approval_of(operation), kim)
    work(acme)
    assert writes(simulator) == ["DELETE"]
    operation.refresh_from_db()
    assert operation.confirmed_by == kim


# --- The setting


def test_four_eyes_cannot_be_switched_on_where_only_one_manages(acme: Account, admin: User) -> None:
    with pytest.raises(CannotDecide, match="only one manager"):
        set_four_eyes(acme, 5, by=admin)
    acme.refresh_from_db()
    assert acme.approval_above is None


@pytest.mark.parametrize("above", ["", "50"])
def test_switching_it_off_or_letting_more_through_takes_a_second_person(
    above: str, eyes: Account, admin: User, kim: User
) -> None:
    page = f"/accounts/{eyes.pk}/four-eyes/"
    first, second = Client(), Client()
    first.force_login(admin)
    second.force_login(kim)
    for client in (first, second):
        client.post("/you/confirm/", {"password": "a password for tests"})
    told = first.post(page, {"on": "yes" if above else "no", "above": above}, follow=True)
    assert "another manager must approve" in told.content.decode()
    change = Approval.objects.get(kind="setting")
    first.post(page, {"choice": "approve", "change": change.pk})
    eyes.refresh_from_db()
    assert eyes.approval_above == 2
    second.post(page, {"choice": "approve", "change": change.pk})
    eyes.refresh_from_db()
    assert eyes.approval_above == (int(above) if above else None)
    entry = AuditEntry.objects.filter(action="account.four_eyes").order_by("pk").last()
    assert entry is not None
    assert (entry.actor_name, entry.details["asked_by"]) == ("kim", "ada")


def test_a_manager_who_is_no_administrator_does_not_ask_to_switch_it_off(
    eyes: Account, kim: User
) -> None:
    client = Client()
    client.force_login(kim)
    client.post("/you/confirm/", {"password": "a password for tests"})
    assert client.post(f"/accounts/{eyes.pk}/four-eyes/", {"on": "no"}).status_code == 403
    assert not Approval.objects.exists()


# --- Pages, notices, API


def test_the_page_shows_the_change_and_takes_the_decision(
    client: Client, eyes: Account, lin: User, kim: User
) -> None:
    batch = edit(ready(eyes, 3), lin)
    page = f"/operations/approvals/{Approval.objects.get(batch=batch).pk}/"
    client.force_login(lin)
    assert "You asked for this" in client.get(page).content.decode()
    assert page in client.get("/operations/").content.decode()
    assert page in client.get(f"/operations/batches/{batch}/").content.decode()
    client.force_login(kim)
    shown = client.get(page)
    assert "Maximum runners" in shown.content.decode()
    told = client.post(page, {"choice": "decline", "digest": shown.context["digest"]})
    assert told.status_code == 422
    assert "Say why" in told.content.decode()
    told = client.post(page, {"choice": "approve", "digest": "of something else"})
    assert "changed since you opened it" in told.content.decode()
    told = client.post(page, {"choice": "approve", "digest": shown.context["digest"]}, follow=True)
    assert "Approved by kim" in told.content.decode()


def test_a_notice_tells_those_who_see_the_operation_until_it_is_decided(
    eyes: Account, lin: User, kim: User
) -> None:
    operation = delete_one(eyes, lin)
    (fact,) = [each for each in find_facts(timezone.now()) if each.kind == "approval_waits"]
    assert fact.path == f"/operations/approvals/{approval_of(operation).pk}/"
    assert seen_by(kim, [fact]) == {fact.key}
    assert seen_by(User.objects.create_user("stranger"), [fact]) == set()
    assert "approval_waits" in Event.Kind.values
    approve_as_shown(approval_of(operation), kim)
    assert not [each for each in find_facts(timezone.now()) if each.kind == "approval_waits"]
