"""A2, A3, H1, P7 and S11: lost writes are proven, and nothing old or foreign is overwritten."""

import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.models import Account, Credential, Instance, Operation, Reading, Runner
from runners_app.operations.restored import hold_restored, read_mark, write_mark
from runners_app.runners.requests import request_create
from runners_app.tasks import wake_due_credentials
from tests.faults import shapes
from tests.faults.conftest import Settle, applied, work_once
from tests.faults.verbs import CREATE, DELETE_RUNNER, UPDATE, Github, Verb, wanted_runner
from tests.simulator_handle import SimulatorHandle

S = Operation.State
LIST = r"/actions/hosted-runners\?"


def lose(simulator: SimulatorHandle, verb: Verb, *, is_applied: bool) -> None:
    """Lose the answer to the next write of this kind."""
    kinds = shapes.APPLIED if is_applied else shapes.NOT_APPLIED
    simulator.add_fault(verb.method, verb.path, **kinds["the connection drops"])


class TestA2LostCreates:
    @pytest.mark.parametrize(
        "distortion",
        [
            {"action": "lag", "seconds": 60},
            {"action": "status", "status": 404},
            {"action": "stale_304"},
        ],
        ids=lambda distortion: distortion["action"],
    )
    def test_a_lost_create_is_found_once_github_shows_it(
        self,
        distortion: dict[str, Any],
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
        settings: Settings,
    ) -> None:
        settings.LOST_CREATE_SECONDS = 20
        operation = CREATE.request(acme, admin)
        lose(simulator, CREATE, is_applied=True)
        simulator.add_fault("GET", LIST, **distortion, skip=1, times=0, lasts=3)
        operation = settle(operation)
        assert operation.state == S.CONFIRMED
        assert applied(simulator, "POST") == len(simulator.requests("POST")) == 1
        assert github.has_taken_effect(operation)

    def test_a_created_runner_that_was_renamed_at_once_is_found_by_its_values(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        operation = CREATE.request(acme, admin)
        lose(simulator, CREATE, is_applied=True)
        simulator.add_fault("GET", LIST, "status", status=502, skip=1)
        work_once(acme)
        (made,) = (row for row in github.runners() if row["name"] == operation.target_name)
        simulator.change_runner(
            "organization", "acme", int(str(made["id"])), name="renamed-within-seconds"
        )
        operation = settle(operation)
        assert (operation.state, operation.target_id) == (S.CONFIRMED, made["id"])
        assert len(simulator.requests("POST")) == 1

    def test_two_lost_creates_of_one_kind_are_not_taken_for_each_other(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        lost, made = (
            request_create(acme, wanted_runner(acme, name), by=admin, nonce=str(uuid4()))
            for name in ("the-lost-one", "the-made-one")
        )
        lose(simulator, CREATE, is_applied=False)
        simulator.add_fault("POST", CREATE.path, **shapes.APPLIED["the connection drops"])
        assert settle(made).state == settle(lost).state == S.CONFIRMED
        names = [row["name"] for row in github.runners()]
        assert names.count("the-lost-one") == names.count("the-made-one") == 1
        assert applied(simulator, "POST") == 2

    def test_the_page_says_until_when_a_lost_create_is_looked_for(
        self,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settings: Settings,
    ) -> None:
        settings.LOST_CREATE_SECONDS = 180
        operation = CREATE.request(acme, admin)
        lose(simulator, CREATE, is_applied=False)
        for _ in range(3):
            work_once(acme)
            time.sleep(0.2)
        operation.refresh_from_db()
        assert operation.state == S.UNKNOWN
        assert "Trackside checks until" in operation.reason

    def test_lost_creates_of_one_account_share_a_list(
        self,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
        settings: Settings,
    ) -> None:
        settings.LOST_ANSWER_SPACING_SECONDS = 15
        operations = [CREATE.request(acme, admin) for _ in range(4)]
        now = timezone.now()
        Operation.objects.update(
            state=S.UNKNOWN, sends=1, ids_before=[], sent_at=now, unknown_since=now
        )
        Reading.objects.update(due_at=None)
        simulator.clear_requests()
        work_once(acme)
        lists = [row for row in simulator.requests("GET") if row["path"].endswith("hosted-runners")]
        assert len(lists) == 1
        assert len(operations) == 4

    def test_a_later_reading_resolves_a_create_that_needed_attention(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        operation = CREATE.request(acme, admin)
        lose(simulator, CREATE, is_applied=True)
        simulator.add_fault("GET", LIST, "status", status=502, skip=1, times=0)
        work_once(acme)
        Operation.objects.update(unknown_since=timezone.now() - timedelta(minutes=16))
        operation = settle(operation)
        assert operation.state == S.NEEDS_ATTENTION
        assert "unknown for 15 minutes" in operation.reason
        simulator.clear_faults()
        Reading.objects.schedule_now(acme, Reading.Resource.RUNNERS)
        work_once(acme)
        operation.refresh_from_db()
        assert operation.state == S.CONFIRMED
        assert len(simulator.requests("POST")) == 1


class TestA3LostUpdatesAndDeletes:
    def test_an_update_read_stale_does_not_overwrite_what_was_set_since(
        self,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
        settings: Settings,
    ) -> None:
        settings.ABSENCE_PROOF_SECONDS = 3
        operation = UPDATE.request(acme, admin)
        lose(simulator, UPDATE, is_applied=False)
        stale = {"maximum_runners": operation.base["maximum_runners"]}
        path = f"/hosted-runners/{operation.target_id}$"
        simulator.add_fault("GET", path, "replace", body=stale, times=0, lasts=1.5)
        work_once(acme)
        simulator.change_runner(
            "organization", "acme", operation.target_id or 0, maximum_runners=555
        )
        operation = settle(operation)
        assert operation.state == S.NEEDS_ATTENTION
        assert operation.conflict is not None
        assert operation.conflict["maximum_runners"][0] == 555
        assert len(simulator.requests("PATCH")) == 1

    def test_a_renamed_runner_is_not_deleted_by_a_second_request(
        self,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
        settings: Settings,
    ) -> None:
        settings.ABSENCE_PROOF_SECONDS = 60
        operation = DELETE_RUNNER.request(acme, admin)
        lose(simulator, DELETE_RUNNER, is_applied=False)
        work_once(acme)
        simulator.change_runner("organization", "acme", operation.target_id or 0, name="another")
        operation = settle(operation)
        assert operation.state == S.NEEDS_ATTENTION
        assert "renamed" in operation.reason
        assert applied(simulator, "DELETE") == 0


class TestP7StaleOperations:
    def test_progress_of_the_credential_keeps_a_waiting_operation_fresh(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        operation = UPDATE.request(acme, admin)
        Operation.objects.update(confirmed_at=timezone.now() - timedelta(minutes=16))
        Credential.objects.update(progress_at=timezone.now() - timedelta(minutes=1))
        assert settle(operation).state == S.CONFIRMED

    def test_later_progress_does_not_send_what_was_stale(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        stale = UPDATE.request(acme, admin)
        Operation.objects.update(confirmed_at=timezone.now() - timedelta(minutes=16))
        wake_due_credentials()
        fresh = UPDATE.request(acme, admin)
        assert settle(fresh).state == S.CONFIRMED
        work_once(acme)
        stale.refresh_from_db()
        assert (stale.state, stale.held_because) == (S.REQUESTED, "stale")


class TestS11RestoredDatabase:
    def test_nothing_is_sent_from_a_database_older_than_the_mark(
        self,
        client: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        requested = [CREATE.request(acme, admin) for _ in range(50)]
        write_mark(1)  # it was sent after the backup
        work_once(acme)
        wake_due_credentials()
        work_once(acme)
        assert not simulator.requests("POST")
        held = Operation.objects.filter(held_because=Operation.HeldBecause.RESTORED)
        assert held.count() == 50
        assert Operation.objects.needing_attention().count() == 50

        client.force_login(admin)
        page = client.get(f"/operations/{requested[0].pk}/").content.decode()
        assert "restored from a backup" in page
        client.post(f"/operations/{requested[0].pk}/agree/")
        assert settle(requested[0]).state == S.CONFIRMED
        assert applied(simulator, "POST") == 1

    def test_a_missing_mark_holds_nothing_and_is_written_again(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        assert read_mark() is None
        assert settle(UPDATE.request(acme, admin)).state == S.CONFIRMED
        assert read_mark() == Instance.objects.get().sends == 1

    def test_the_command_of_the_restore_holds_what_is_unsent(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github
    ) -> None:
        operation = CREATE.request(acme, admin)
        assert hold_restored() == 1
        work_once(acme)
        operation.refresh_from_db()
        assert operation.held_because == Operation.HeldBecause.RESTORED
        assert not simulator.requests("POST")
        assert Runner.objects.filter(name=operation.target_name).count() == 0
