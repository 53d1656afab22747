"""W1 to W7, P6 and P7: the effect of a fault on a write, by verb."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.credentials.credentials import keep_client, open_client
from runners_app.credentials.leases import take_lease
from runners_app.models import (
    Account,
    CachedResponse,
    Credential,
    FieldChange,
    Operation,
    Reading,
    Runner,
)
from runners_app.operations.send import Work as Held
from runners_app.readings.run import run_reading
from runners_app.runners.readings import fetch_runners
from runners_app.runners.requests import request_create, request_update
from runners_app.runners.settings import RunnerSettings
from runners_app.worker.carry_out import carry_out
from runners_app.worker.fetchers import FETCHERS
from tests.faults import shapes
from tests.faults.conftest import Settle, applied, work_once
from tests.faults.verbs import (
    CREATE,
    DELETE_IMAGE,
    DELETE_RUNNER,
    DELETES,
    UPDATE,
    VERBS,
    Github,
    Verb,
    wanted_runner,
)
from tests.processes import wait_for
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
S = Operation.State
each_verb = pytest.mark.parametrize("verb", VERBS, ids=str)


def page_of(client: Client, operation: Operation) -> str:
    return client.get(f"/operations/{operation.pk}/").content.decode()


def fault(simulator: SimulatorHandle, verb: Verb, shape: dict[str, Any], **more: Any) -> None:
    simulator.add_fault(verb.method, verb.path, **{**shape, **more})


def runner_of(operation: Operation) -> Runner:
    assert operation.target_id is not None
    return Runner.objects.get(account=operation.account, github_id=operation.target_id)


def let_lost_time_pass() -> None:
    """Make lost operations look as if GitHub had shown no effect for as long as is waited."""
    long_ago = timezone.now() - timedelta(hours=1)
    Operation.objects.filter(state=S.UNKNOWN).update(
        absent_since=long_ago, next_step_at=timezone.now()
    )


def states_of(operation: Operation) -> list[str]:
    return list(operation.events.values_list("state", flat=True))


class TestW1AppliedAndResponseLost:
    @each_verb
    @pytest.mark.parametrize("shape", shapes.APPLIED)
    def test_an_applied_write_is_found_by_reading_and_never_sent_twice(
        self,
        verb: Verb,
        shape: str,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        fault(simulator, verb, shapes.APPLIED[shape])
        operation = settle(verb.request(acme, admin))
        assert operation.state == S.CONFIRMED
        wait_for(
            lambda: bool(simulator.requests(verb.method))
        )  # a late answer is noted when it is given
        if (
            simulator.requests(verb.method)[0]["status"] != 204
        ):  # which has no body that could be cut
            assert S.UNKNOWN in states_of(operation)
        assert len(simulator.requests(verb.method)) == applied(simulator, verb.method) == 1
        assert github.has_taken_effect(operation)

    def test_the_page_says_that_the_response_was_lost_and_the_runner_exists(
        self,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        fault(simulator, CREATE, shapes.APPLIED["the connection drops"])
        page = page_of(as_admin, settle(CREATE.request(acme, admin)))
        assert "The answer was lost" in page
        assert "but the runner is there" in page
        assert "Show the runner" in page

    def test_of_two_candidates_a_person_chooses_one(
        self,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        operation = CREATE.request(acme, admin)
        for size in ("2-core", "4-core"):  # as nobody can do at GitHub, so that both may be it
            simulator.create_runner("organization", "acme", name=operation.target_name, size=size)
        Operation.objects.filter(pk=operation.pk).update(
            state=S.UNKNOWN, sends=1, ids_before=[], sent_at=timezone.now()
        )
        operation = settle(operation)
        assert operation.state == S.NEEDS_ATTENTION
        page = page_of(as_admin, operation)
        assert page.count("This is my runner") == 2
        assert "None of these" in page
        mine = Runner.objects.filter(account=acme, name=operation.target_name).order_by("pk")[1]
        as_admin.post(
            f"/operations/{operation.pk}/settle/", {"choice": "claim", "runner": str(mine.pk)}
        )
        operation.refresh_from_db()
        assert (operation.state, operation.target_id) == (S.CONFIRMED, mine.github_id)
        assert not simulator.requests("POST")

    def test_a_runner_with_the_same_name_and_another_size_is_not_adopted(
        self,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        fault(simulator, CREATE, shapes.NOT_APPLIED["the connection drops"])
        operation = CREATE.request(acme, admin)
        work_once(acme)
        simulator.create_runner("organization", "acme", name=operation.target_name, size="16-core")
        operation = settle(operation)
        assert operation.state == S.NEEDS_ATTENTION
        page = page_of(as_admin, operation)
        assert "This is my runner" in page
        as_admin.post(f"/operations/{operation.pk}/settle/", {"choice": "cancelled"})
        operation.refresh_from_db()
        assert operation.state == S.CANCELLED

    def test_a_runner_of_another_operation_is_not_adopted(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        fault(simulator, CREATE, shapes.NOT_APPLIED["the connection drops"], times=2)
        wanted = wanted_runner(acme, "asked-twice")
        lost, made = (
            request_create(acme, wanted, by=admin, nonce=str(uuid4())),
            request_create(acme, wanted, by=admin, nonce=str(uuid4())),
        )
        assert settle(lost).state == S.NEEDS_ATTENTION  # sent twice, both lost
        assert settle(made).state == S.CONFIRMED
        assert applied(simulator, "POST") == 1

    def test_history_attributes_a_change_whose_response_was_lost(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        fault(simulator, UPDATE, shapes.APPLIED["the connection drops"])
        operation = settle(UPDATE.request(acme, admin))
        assert FieldChange.objects.get(field="maximum_runners").operation == operation

    def test_a_create_refused_on_its_second_try_is_looked_for_again(
        self,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
        settings: Settings,
    ) -> None:
        """GitHub's list lags for longer than a lost create is looked for."""
        settings.LOST_CREATE_SECONDS = 600
        fault(simulator, CREATE, shapes.APPLIED["the connection drops"])
        simulator.add_fault("GET", "hosted-runners\\?", "lag", seconds=600, times=0)
        operation = CREATE.request(acme, admin)
        work_once(acme)
        let_lost_time_pass()
        work_once(acme)
        operation.refresh_from_db()
        assert (operation.state, operation.sends) == (S.UNKNOWN, 2)
        simulator.clear_faults()
        operation = settle(operation)
        assert operation.state == S.CONFIRMED
        assert applied(simulator, "POST") == 1
        assert github.has_taken_effect(operation)


class TestW2NotAppliedAndResponseLost:
    @each_verb
    @pytest.mark.parametrize("shape", shapes.NOT_APPLIED)
    def test_a_lost_write_is_sent_again_after_two_reads(
        self,
        verb: Verb,
        shape: str,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        fault(simulator, verb, shapes.NOT_APPLIED[shape])
        operation = settle(verb.request(acme, admin))
        assert (operation.state, operation.sends) == (S.CONFIRMED, 2)
        assert len(simulator.requests(verb.method)) == 2
        assert applied(simulator, verb.method) == 1
        assert github.has_taken_effect(operation)

    @each_verb
    def test_a_write_lost_twice_is_left_to_a_person(
        self,
        verb: Verb,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        fault(simulator, verb, shapes.NOT_APPLIED["the connection drops"], times=0)
        operation = settle(verb.request(acme, admin))
        assert (operation.state, operation.sends) == (S.NEEDS_ATTENTION, 2)
        assert len(simulator.requests(verb.method)) == 2
        assert "Needs your decision" in page_of(as_admin, operation)

    def test_the_two_complete_lists_are_as_far_apart_as_the_setting_says(
        self,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
        settings: Settings,
    ) -> None:
        settings.LOST_CREATE_SECONDS = 0.6
        fault(simulator, CREATE, shapes.NOT_APPLIED["the connection drops"])
        operation = settle(CREATE.request(acme, admin))
        lost, resent = (
            operation.events.get(state=S.UNKNOWN, note__contains="answer was lost"),
            operation.sent_at,
        )
        assert resent is not None
        assert (resent - lost.at).total_seconds() >= 0.6

    @each_verb
    def test_a_lost_write_that_has_become_too_old_waits_for_a_person(
        self,
        verb: Verb,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
        settings: Settings,
    ) -> None:
        settings.LOST_CREATE_SECONDS = settings.ABSENCE_PROOF_SECONDS = 600
        fault(simulator, verb, shapes.NOT_APPLIED["the connection drops"])
        operation = verb.request(acme, admin)
        work_once(acme)
        Operation.objects.update(confirmed_at=timezone.now() - timedelta(minutes=16))
        let_lost_time_pass()
        operation = settle(operation)
        assert operation.state == S.NEEDS_ATTENTION
        assert applied(simulator, verb.method) == 0


class TestW3TheNameIsTaken:
    @pytest.mark.parametrize("status", [409, 422])
    def test_the_refusal_is_shown_at_the_field_and_the_other_runner_is_not_adopted(
        self,
        status: int,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        operation = CREATE.request(acme, admin)
        simulator.create_runner("organization", "acme", name=operation.target_name)
        if status == 409:
            body = {"message": "Already exists - a runner of this name"}
            simulator.add_fault("POST", "hosted-runners$", "status", status=409, body=body)
        operation = settle(operation)
        assert (operation.state, operation.target_id) == (S.REJECTED, None)
        page = page_of(as_admin, operation)
        assert "A runner with this name already exists" in page
        assert "This operation did not create it" in page
        assert operation.refusal
        assert operation.refusal["request_id"] in page
        form = as_admin.get(f"/runners/new/?again={operation.pk}").context["form"]
        assert form.errors["name" if status == 422 else "__all__"]
        assert form["name"].value() == operation.target_name


class TestW4ChangedOnGitHub:
    def test_the_conflict_is_shown_in_three_columns_and_nothing_is_sent(
        self,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        operation = UPDATE.request(acme, admin)
        simulator.change_runner(
            "organization", "acme", operation.target_id or 0, maximum_runners=77
        )
        operation = settle(operation)
        before, mine = operation.base["maximum_runners"], operation.wanted["maximum_runners"]
        assert operation.state == S.CANCELLED
        assert operation.conflict == {"maximum_runners": [77, before, mine]}
        page = page_of(as_admin, operation)
        for words in ("On GitHub now", "Before", "Yours", ">77<", f">{mine}<"):
            assert words in page
        assert not simulator.requests("PATCH")

    def test_a_field_changed_on_github_is_kept(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        operation = UPDATE.request(acme, admin)
        simulator.change_runner(
            "organization", "acme", operation.target_id or 0, name="renamed-there"
        )
        assert settle(operation).state == S.CONFIRMED
        assert simulator.requests("PATCH")[0]["body"] == {
            "maximum_runners": operation.wanted["maximum_runners"]
        }
        assert runner_of(operation).name == "renamed-there"

    def test_a_version_is_not_sent_after_the_image_has_changed(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        """Id, source and version belong together: a version alone would restore the old image."""
        runner = Runner.objects.get(account=acme, name="golden-linux-16core")
        base = RunnerSettings.of(runner)
        wanted = replace(base, image_version=None)
        operation = request_update(runner, wanted, base=base, by=admin, nonce=str(uuid4()))
        other = {
            "image_details": {
                "id": "2306",
                "size_gb": 86,
                "display_name": "Ubuntu",
                "source": "github",
            }
        }
        simulator.change_runner("organization", "acme", runner.github_id, **other)
        operation = settle(operation)
        assert operation.state == S.CANCELLED
        assert "image_id" in (operation.conflict or {})
        assert not simulator.requests("PATCH")

    def test_following_the_latest_version_is_a_change_that_is_sent(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        runner = Runner.objects.get(account=acme, name="golden-linux-16core")
        base = RunnerSettings.of(runner)
        wanted = replace(base, image_version=None)
        operation = request_update(runner, wanted, base=base, by=admin, nonce=str(uuid4()))
        assert base.image_version is not None
        assert settle(operation).state == S.CONFIRMED
        assert applied(simulator, "PATCH") == 1

    def test_a_limited_update_is_compared_again_before_it_is_sent(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        fault(simulator, UPDATE, shapes.LIMITED["a secondary limit with retry-after"])
        operation = UPDATE.request(acme, admin)
        work_once(acme)
        simulator.change_runner(
            "organization", "acme", operation.target_id or 0, maximum_runners=77
        )
        operation = settle(operation)
        assert operation.state == S.NEEDS_ATTENTION
        assert (operation.conflict or {})["maximum_runners"][0] == 77
        assert applied(simulator, "PATCH") == 0

    def test_a_renamed_runner_is_not_deleted_under_its_old_name(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        operation = DELETE_RUNNER.request(acme, admin)
        simulator.change_runner(
            "organization", "acme", operation.target_id or 0, name="needed-after-all"
        )
        assert settle(operation).state == S.CANCELLED
        assert not simulator.requests("DELETE")


class TestW5TwoPeopleSaveTheSameForm:
    def test_the_second_sees_what_the_first_changed(
        self,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        first = UPDATE.request(acme, admin)
        runner = runner_of(first)
        base = RunnerSettings.from_stored(first.base)
        wanted = replace(base, maximum_runners=500)
        second = request_update(runner, wanted, base=base, by=admin, nonce=str(uuid4()))
        assert settle(first).state == S.CONFIRMED
        second = settle(second)
        assert second.state == S.CANCELLED
        assert (second.conflict or {})["maximum_runners"][0] == first.wanted["maximum_runners"]
        assert applied(simulator, "PATCH") == 1
        assert "changed at GitHub since the form was opened" in page_of(as_admin, second)

    def test_different_fields_are_both_saved(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        first = UPDATE.request(acme, admin)
        runner = runner_of(first)
        base = RunnerSettings.from_stored(first.base)
        wanted = replace(base, name="another-name")
        second = request_update(runner, wanted, base=base, by=admin, nonce=str(uuid4()))
        assert {settle(first).state, settle(second).state} == {S.CONFIRMED}
        assert applied(simulator, "PATCH") == 2


class TestW6Deletes:
    @pytest.mark.parametrize("verb", DELETES, ids=str)
    def test_deleting_what_is_gone_is_confirmed_by_404_and_the_complete_list(
        self,
        verb: Verb,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        operation = verb.request(acme, admin)
        twin = Operation.objects.get(pk=operation.pk)
        assert settle(operation).state == S.CONFIRMED
        twin.pk, twin.nonce = None, str(uuid4())
        twin.save()
        assert settle(twin).state == S.CONFIRMED
        assert applied(simulator, "DELETE") == 1

    def test_a_deletion_is_observed_while_github_shows_deleting(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        operation = settle(DELETE_RUNNER.request(acme, admin))
        assert states_of(operation)[-3:] == [S.OBSERVING, S.OBSERVING, S.CONFIRMED]
        assert operation.events.filter(state=S.OBSERVING, note__contains="Deleting").exists()
        assert runner_of(operation).gone_at is not None

    def test_a_deletion_stuck_beyond_the_limit_needs_attention(
        self,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
        settings: Settings,
    ) -> None:
        settings.OBSERVE_LIMIT_SECONDS = 0.3
        operation = DELETE_RUNNER.request(acme, admin)
        simulator.set_speed(0)
        simulator.change_runner("organization", "acme", operation.target_id or 0, status="Stuck")
        replaced = {"status": "Stuck"}
        simulator.add_fault("GET", "hosted-runners/[0-9]+$", "replace", body=replaced, times=0)
        operation = settle(operation)
        assert operation.state == S.NEEDS_ATTENTION
        assert "Stuck" in operation.reason

    def test_a_404_alone_does_not_prove_a_deletion(
        self,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
        settings: Settings,
    ) -> None:
        """A credential that has lost its permission gets 404 everywhere."""
        settings.OBSERVE_LIMIT_SECONDS = 0.3
        operation = DELETE_RUNNER.request(acme, admin)
        simulator.add_fault(None, "hosted-runners", "status", status=404, times=0)
        operation = settle(operation)
        assert operation.state == S.NEEDS_ATTENTION
        assert "can no longer see it" in operation.reason

    def test_the_refusal_of_an_image_in_use_is_quoted(
        self,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        operation = DELETE_IMAGE.request(acme, admin)
        words = "The image is used by linux-8core-ci."
        simulator.add_fault(
            "DELETE", "images/custom", "status", status=409, body={"message": words}
        )
        assert settle(operation).state == S.REJECTED
        assert words in page_of(as_admin, operation)


class TestW7RefusedByItsRules:
    @pytest.mark.parametrize(
        ("field", "value", "form_field"),
        [
            ("name", "no spaces allowed", "name"),
            ("size", "huge-core", "size"),
            ("runner_group_id", 4711, "group"),
            ("image_id", "999999", "image"),
        ],
    )
    def test_the_refusal_is_shown_at_the_field_and_nothing_is_changed(
        self,
        field: str,
        value: object,
        form_field: str,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        changes: dict[str, Any] = {field: value}
        wanted = replace(wanted_runner(acme, "refused"), **changes)
        operation = settle(request_create(acme, wanted, by=admin, nonce=str(uuid4())))
        assert operation.state == S.REJECTED
        assert applied(simulator, "POST") == 0
        form = as_admin.get(f"/runners/new/?again={operation.pk}").context["form"]
        assert form.errors[form_field]

    def test_the_static_ip_limit_is_explained(
        self,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        simulator.change_account("organization", "acme", static_ip_maximum=0)
        wanted = replace(wanted_runner(acme, "refused"), enable_static_ip=True)
        operation = settle(request_create(acme, wanted, by=admin, nonce=str(uuid4())))
        assert operation.state == S.REJECTED
        assert "Static IP limit reached" in page_of(as_admin, operation)


class TestP6SlowListsDoNotUndoWrites:
    def test_a_runner_changed_while_its_list_is_read_stays_changed(
        self, acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
    ) -> None:
        CachedResponse.objects.all().delete()
        operation = UPDATE.request(acme, admin)
        lease = take_lease(acme.credential_id, "a worker in a test")
        assert lease is not None
        client = open_client(acme.credential, lease)
        reading = Reading.objects.select_related("account").get(account=acme, resource="runners")
        result = run_reading(
            reading,
            client,
            lease,
            fetch_runners,
            lambda: carry_out(operation, Held(lease, client, FETCHERS)),
        )
        keep_client(acme.credential, client)
        lease.release()
        assert result.failure is None
        assert operation.state == S.CONFIRMED
        shown = runner_of(operation)
        assert shown.maximum_runners == operation.wanted["maximum_runners"]


class TestP7OldOperationsAreNotSentUnasked:
    @each_verb
    def test_an_operation_unsent_for_too_long_waits_for_confirmation(
        self,
        verb: Verb,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        operation = verb.request(acme, admin)
        Operation.objects.update(confirmed_at=timezone.now() - timedelta(minutes=16))
        operation = settle(operation)
        assert operation.state == S.REQUESTED
        assert not simulator.requests(verb.method)
        assert "Not sent in time" in page_of(as_admin, operation)
        as_admin.post(f"/operations/{operation.pk}/agree/")
        assert settle(operation).state == S.CONFIRMED
        assert applied(simulator, verb.method) == 1

    @each_verb
    def test_an_operation_limited_for_too_long_waits_and_can_be_cancelled(
        self,
        verb: Verb,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        fault(simulator, verb, shapes.LIMITED["a 403 with retry-after"])
        operation = verb.request(acme, admin)
        work_once(acme)
        long_ago = timezone.now() - timedelta(minutes=16)
        Operation.objects.update(confirmed_at=long_ago)
        operation.refresh_from_db()
        assert not operation.waits_for_person, "GitHub gave a time, which does not count"
        Credential.objects.update(progress_at=long_ago)
        operation = settle(operation)
        assert operation.waits_for_person
        assert "Not sent in time" in page_of(as_admin, operation)
        as_admin.post(f"/operations/{operation.pk}/cancel/")
        operation.refresh_from_db()
        assert operation.state == S.CANCELLED
        assert applied(simulator, verb.method) == 0

    def test_an_operation_waits_while_the_token_is_disabled_and_says_why(
        self,
        as_admin: Client,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        token = simulator.account("acme").token
        simulator.change_token(token, revoked=True)
        operation = UPDATE.request(acme, admin)
        Reading.objects.schedule_now(acme)
        work_once(acme)
        work_once(acme)
        page = page_of(as_admin, operation)
        assert "The token of acme is disabled" in page
        operation.refresh_from_db()
        assert operation.state == S.REQUESTED
        assert len({request["status"] for request in simulator.requests()} & {401}) == 1
        assert sum(request["status"] == 401 for request in simulator.requests()) == 1
