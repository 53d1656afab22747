"""Nothing is sent for a person who lost the right to it, as GitHub's ledger shows."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.groups.requests import request_update_group
from runners_app.groups.settings import GroupSettings
from runners_app.models import Account, AuditEntry, Membership, Operation, Runner, RunnerGroup
from runners_app.people.people import give_account, set_active, set_administrator, take_account
from runners_app.runners.requests import request_delete_runner
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
Loss = Callable[[User, Account, User], object]
S = Operation.State
LOSSES: dict[str, Loss] = {
    "disabled": lambda person, account, by: set_active(person, False, by=by),
    "viewer": lambda person, account, by: give_account(person, account, "viewer", by=by),
    "taken": lambda person, account, by: take_account(person, account, by=by),
    "deleted": lambda person, account, by: person.delete(),
    "in the database": lambda person, account, by: Membership.objects.all().delete(),
}


@pytest.fixture
def manager(lead: User, acme: Account) -> User:
    Membership.objects.create(user=lead, account=acme, role="manager")
    return lead


def request_deletions(account: Account, by: User, count: int = 3) -> list[Operation]:
    runners = Runner.objects.present().filter(account=account, status="Ready").order_by("pk")
    return [request_delete_runner(row, by=by, nonce=str(uuid4())) for row in runners[:count]]


def writes(simulator: SimulatorHandle) -> list[str]:
    return [line["method"] for line in simulator.requests() if line["method"] != "GET"]


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_is_sent_after_the_right_was_lost(
    loss: str, acme: Account, manager: User, admin: User, simulator: SimulatorHandle, work: Work
) -> None:
    operations = request_deletions(acme, manager)
    LOSSES[loss](manager, acme, admin)
    work(acme)
    assert writes(simulator) == []
    for operation in operations:
        operation.refresh_from_db()
        assert (operation.state, operation.held_because) == (S.REQUESTED, "actor")
        assert operation.sent_at is None
        assert "may no longer do this" in operation.reason


def test_a_demoted_administrator_keeps_what_they_manage_as_a_member(
    acme: Account, globex: Account, admin: User, simulator: SimulatorHandle, work: Work
) -> None:
    other = User.objects.create_superuser("kim")
    Membership.objects.create(user=other, account=globex, role="manager")
    (lost,), (kept,) = request_deletions(acme, other, 1), request_deletions(globex, other, 1)
    assert set_administrator(other, False, by=admin) == 1
    work(acme)
    work(globex)
    assert [line["path"].split("/")[-4] for line in simulator.requests("DELETE")] == ["globex"]
    lost.refresh_from_db()
    kept.refresh_from_db()
    assert lost.held_because == "actor"
    assert kept.sent_at is not None


def test_the_page_says_how_many_operations_wait_and_how_many_were_held(
    client: Client, acme: Account, manager: User, admin: User
) -> None:
    client.force_login(admin)
    client.post("/you/confirm/", {"password": "a password for tests"})
    request_deletions(acme, manager)
    page = f"/people/{manager.pk}/"
    assert "3 operations of this person not sent yet" in client.get(page).content.decode()
    told = client.post(f"{page}active/", {"on": "no"}, follow=True).content.decode()
    assert "3 operations are held, which lin requested" in told
    assert "of this person not sent yet" not in told
    entry = AuditEntry.objects.get(action="person.disabled")
    assert entry.details == {"operations_held": 3}


def test_a_manager_confirms_a_held_operation_and_answers_for_it(
    client: Client,
    acme: Account,
    manager: User,
    admin: User,
    simulator: SimulatorHandle,
    work: Work,
) -> None:
    (operation,) = request_deletions(acme, manager, 1)
    set_active(manager, False, by=admin)
    client.force_login(admin)
    client.post(f"/operations/{operation.pk}/agree/")
    operation.refresh_from_db()
    assert (operation.held_because, operation.confirmed_by) == ("", admin)
    work(acme)
    assert writes(simulator) == ["DELETE"]


def test_between_two_steps_the_second_is_not_sent_and_a_person_decides(
    acme: Account, manager: User, simulator: SimulatorHandle, work: Work
) -> None:
    group = RunnerGroup.objects.present().filter(
        account=acme, inherited=False, default=False, visibility="selected"
    )[0]
    base = GroupSettings.of(group)
    lines = {str(key): name for key, name in group.access.values_list("github_id", "name")[:1]}
    wanted = GroupSettings.from_stored({**base.stored(), "name": f"{base.name}-renamed"})
    operation = request_update_group(
        group, wanted, base=base, remove=lines, by=manager, nonce=str(uuid4())
    )
    simulator.add_fault("DELETE", "repositories/[0-9]+$", "status", status=429, times=1)
    work(acme)
    operation.refresh_from_db()
    assert operation.begun
    sent = len(writes(simulator))
    Membership.objects.all().delete()
    acme.credential.refresh_from_db()
    type(acme.credential).objects.update(paused_until=None)
    Operation.objects.update(next_step_at=operation.requested_at)
    work(acme)
    operation.refresh_from_db()
    assert len(writes(simulator)) == sent
    assert operation.state == S.NEEDS_ATTENTION
    assert "The first step was applied" in operation.reason
    assert AuditEntry.objects.filter(action="operation.held").exists()
