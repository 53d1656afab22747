"""R1 to R6: the effect of a fault on its reading and on everything else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.accounts.accounts import connect, connect_with_token
from runners_app.credentials.credentials import MOST_LIMITS_IN_A_ROW, store_app, store_installation
from runners_app.models import (
    Account,
    AuditEntry,
    CachedResponse,
    Credential,
    Operation,
    Reading,
    Runner,
)
from tests.faults.conftest import Settle, work_once
from tests.faults.verbs import CREATE, DELETE_RUNNER, UPDATE, Github, Verb
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
LIST = "^/orgs/[a-z]+/actions/hosted-runners\\?"
S = Operation.State


def reading(account: Account, resource: str = "runners") -> Reading:
    return Reading.objects.get(account=account, resource=resource)


def read_again(account: Account, *resources: str) -> None:
    Reading.objects.schedule_now(account, *resources)
    work_once(account)


def credential_of(account: Account) -> Credential:
    return Credential.objects.get(pk=account.credential_id)


def shown(client: Client, address: str = "/runners/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


class TestR1PermissionLost:
    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (
                {
                    "status": 403,
                    "headers": {
                        "X-Accepted-GitHub-Permissions": "organization_administration=read"
                    },
                },
                "Administration",
            ),
            (
                {
                    "status": 403,
                    "headers": {"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso"},
                },
                "single",
            ),
            (
                {"status": 403, "body": {"message": "Your IP address is not on the allow list."}},
                "allow list",
            ),
            ({"status": 404}, "renamed"),
        ],
    )
    def test_the_last_good_data_stay_with_the_reason_and_other_readings_go_on(
        self,
        answer: dict[str, Any],
        words: str,
        as_admin: Client,
        acme: Account,
        simulator: SimulatorHandle,
    ) -> None:
        simulator.add_fault("GET", LIST, "status", times=0, **answer)
        good = {row.resource: row.last_good_at for row in acme.readings.all()}
        read_again(acme)
        assert Runner.objects.present().filter(account=acme).count() == 12
        assert words in reading(acme).error_message
        assert words in shown(as_admin)
        assert reading(acme).last_good_at == good["runners"]
        others = acme.readings.exclude(resource="runners")
        assert not others.exclude(error="").exists()
        assert not [row for row in others if row.last_good_at == good[row.resource]]

    def test_single_sign_on_leads_to_the_page_that_authorizes_the_token(
        self, acme: Account, simulator: SimulatorHandle
    ) -> None:
        sso = {
            "X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso?authorization_request=1"
        }
        simulator.add_fault("GET", LIST, "status", status=403, headers=sso, times=0)
        read_again(acme, "runners")
        assert (
            reading(acme).error_help_url
            == "https://github.com/orgs/acme/sso?authorization_request=1"
        )

    def test_a_refused_reading_is_tried_again_for_ever_and_ever_less_often(
        self, acme: Account, simulator: SimulatorHandle
    ) -> None:
        simulator.add_fault("GET", LIST, "status", status=403, times=0)
        read_again(acme, "runners")
        assert minutes_until_due(acme) == 5
        read_again_as_it_is(acme)
        assert minutes_until_due(acme) == 15
        Reading.objects.update(error_since=timezone.now() - timedelta(hours=3))
        read_again_as_it_is(acme)
        assert minutes_until_due(acme) == 60
        simulator.clear_faults()
        read_again_as_it_is(acme)
        assert (reading(acme).error, reading(acme).failures) == ("", 0)


def read_again_as_it_is(account: Account) -> None:
    """Let the time of the next try come, without a person's refresh."""
    due = Reading.objects.filter(account=account, resource="runners")
    due.update(due_at=timezone.now())
    work_once(account)


def minutes_until_retry(account: Account) -> float:
    retry_at = credential_of(account).retry_at
    assert retry_at is not None
    return (retry_at - timezone.now()).total_seconds() / 60


def minutes_until_due(account: Account) -> int:
    due_at = reading(account).due_at
    assert due_at is not None
    return round((due_at - timezone.now()).total_seconds() / 60)


class TestR2Unauthorized:
    def test_a_refused_token_is_not_used_again(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle
    ) -> None:
        simulator.change_token(simulator.account("acme").token, revoked=True)
        simulator.clear_requests()
        for _ in range(3):
            read_again(acme)
        assert [request["status"] for request in simulator.requests()] == [401]
        assert credential_of(acme).quarantined_at
        assert "401" in shown(as_admin, f"/accounts/{acme.pk}/")
        assert Runner.objects.present().filter(account=acme).count() == 12

    def test_a_refused_token_is_tried_again_and_recovers_by_itself(
        self, acme: Account, simulator: SimulatorHandle
    ) -> None:
        token = simulator.account("acme").token
        simulator.change_token(token, revoked=True)
        read_again(acme, "runners")
        simulator.clear_requests()
        assert 14 <= minutes_until_retry(acme) <= 15
        for _ in range(3):  # only one request each time, and only when it is time
            Credential.objects.update(retry_at=timezone.now())
            work_once(acme)
            work_once(acme)
        assert [request["status"] for request in simulator.requests()] == [401] * 3

        simulator.change_token(token, revoked=False)
        Credential.objects.update(retry_at=timezone.now())
        work_once(acme)
        work_once(acme)
        assert credential_of(acme).quarantined_at is None
        assert reading(acme).error == ""

    def test_after_two_hours_a_refused_token_waits_for_a_person(
        self, acme: Account, simulator: SimulatorHandle
    ) -> None:
        simulator.change_token(simulator.account("acme").token, revoked=True)
        read_again(acme, "runners")
        now = timezone.now()
        Credential.objects.update(retry_at=now, quarantined_at=now - timedelta(hours=2))
        work_once(acme)
        assert credential_of(acme).retry_at is None

    def test_other_credentials_go_on(
        self, acme: Account, globex: Account, simulator: SimulatorHandle
    ) -> None:
        simulator.change_token(simulator.account("acme").token, revoked=True)
        read_again(acme)
        read_again(globex)
        assert not reading(globex).error

    def test_an_installation_token_is_renewed_once(
        self, db: None, simulator: SimulatorHandle
    ) -> None:
        account = connect_installation(simulator)
        work_once(account)
        minted = mints(simulator)
        simulator.add_fault("GET", LIST, "status", status=401)
        read_again(account, "runners")
        assert mints(simulator) == minted + 1
        assert not reading(account).error
        assert credential_of(account).quarantined_at is None
        assert credential_of(account).refusals_in_a_row == 0

    def test_an_installation_is_disabled_when_its_new_token_is_refused_too(
        self, db: None, simulator: SimulatorHandle
    ) -> None:
        account = connect_installation(simulator)
        work_once(account)
        minted = mints(simulator)
        simulator.add_fault("GET", "^/orgs", "status", status=401, times=0)
        for _ in range(3):
            read_again(account)
        assert mints(simulator) == minted + 1
        assert credential_of(account).quarantined_at
        assert sum(request["status"] == 401 for request in simulator.requests()) == 2

    def test_a_write_refused_with_401_goes_out_with_the_new_token(
        self, db: None, admin: User, simulator: SimulatorHandle, settle: Settle
    ) -> None:
        account = connect_installation(simulator)
        work_once(account)
        simulator.add_fault("PATCH", "hosted-runners", "status", status=401)
        operation = settle(UPDATE.request(account, admin))
        assert operation.state == S.CONFIRMED
        assert sum(request["applied"] for request in simulator.requests("PATCH")) == 1

    def test_all_installations_are_disabled_only_when_the_apps_key_is_refused(
        self, db: None, simulator: SimulatorHandle
    ) -> None:
        accounts = [connect_installation(simulator, slug) for slug in ("acme", "globex")]
        simulator.add_fault("POST", "access_tokens", "status", status=401, times=0)
        work_once(accounts[0])
        assert all(credential_of(account).quarantined_at for account in accounts)
        assert len(simulator.requests("POST")) == 1
        assert AuditEntry.objects.filter(action="credential.quarantined").count() == 2


def connect_installation(simulator: SimulatorHandle, slug: str = "acme") -> Account:
    known = simulator.app()
    app = store_app(simulator.base_url, str(known["app_id"]), known["pem"])
    installed = next(
        each for each in known["installations"] if each["account"].endswith(f"/{slug}")
    )
    credential = store_installation(app, installed["id"], slug)
    return connect(slug, kind="organization", credential=credential, by=None)


def mints(simulator: SimulatorHandle) -> int:
    return sum("access_tokens" in request["path"] for request in simulator.requests("POST"))


NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class TestR3Limits:
    """With a controlled clock: no request before the given time, and none delayed beyond it."""

    def limited(self, acme: Account, simulator: SimulatorHandle, **answer: Any) -> datetime:
        simulator.add_fault("GET", LIST, "status", **answer)
        read_again(acme, "runners")
        until = credential_of(acme).paused_until
        assert until is not None
        return until

    @pytest.mark.parametrize("in_a_row", [0, 1, 5])
    @pytest.mark.parametrize("status", [403, 429])
    def test_retry_after_is_obeyed_to_the_second(
        self, status: int, in_a_row: int, acme: Account, simulator: SimulatorHandle
    ) -> None:
        Credential.objects.update(limits_in_a_row=in_a_row)
        with time_machine.travel(NOON, tick=False):
            until = self.limited(acme, simulator, status=status, headers={"Retry-After": "90"})
            assert until == NOON + timedelta(seconds=90)
        simulator.clear_requests()
        with time_machine.travel(until - timedelta(seconds=1), tick=False):
            work_once(acme)
            assert not simulator.requests()
        with time_machine.travel(until, tick=False):
            work_once(acme)
            assert simulator.requests()

    @pytest.mark.parametrize("status", [403, 429])
    def test_the_reset_of_the_hourly_limit_is_obeyed_by_githubs_clock(
        self, status: int, acme: Account, simulator: SimulatorHandle
    ) -> None:
        reset = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=37)
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(reset.timestamp()))}
        until = self.limited(acme, simulator, status=status, headers=headers)
        assert abs(until - reset) <= timedelta(seconds=2)
        assert f"until {until:%H:%M:%S} UTC" in reading(acme).error_message

    def test_a_limit_without_a_time_doubles_the_wait_and_then_disables_the_token(
        self, as_admin: Client, acme: Account, simulator: SimulatorHandle
    ) -> None:
        body = {"message": "You have exceeded a secondary rate limit."}
        simulator.add_fault("GET", LIST, "status", status=403, body=body, times=0)
        now, waits = NOON, []
        for _ in range(MOST_LIMITS_IN_A_ROW):
            with time_machine.travel(now, tick=False):
                read_again(acme, "runners")
                until = credential_of(acme).paused_until
                assert until is not None
                waits.append((until - now).total_seconds() / 60)
                now = until
        assert waits == [1, 2, 4, 8, 16, 32]
        with time_machine.travel(now, tick=False):
            read_again(acme, "runners")
        assert credential_of(acme).quarantined_at
        assert "can get the token banned" in shown(as_admin, f"/accounts/{acme.pk}/")

    def test_a_successful_response_resets_the_count(
        self, acme: Account, simulator: SimulatorHandle
    ) -> None:
        Credential.objects.update(limits_in_a_row=4)
        read_again(acme, "runners")
        assert credential_of(acme).limits_in_a_row == 0

    def test_other_credentials_go_on(
        self, acme: Account, globex: Account, simulator: SimulatorHandle
    ) -> None:
        self.limited(acme, simulator, status=429, headers={"Retry-After": "3600"})
        read_again(globex)
        assert not reading(globex).error
        assert credential_of(globex).paused_until is None

    @pytest.mark.parametrize("verb", [CREATE, UPDATE, DELETE_RUNNER], ids=str)
    def test_a_limited_write_is_sent_at_the_given_time_and_counts_once(
        self,
        verb: Verb,
        acme: Account,
        admin: User,
        simulator: SimulatorHandle,
        github: Github,
        settle: Settle,
    ) -> None:
        simulator.add_fault(
            verb.method, verb.path, "status", status=429, headers={"Retry-After": "1"}
        )
        operation = settle(verb.request(acme, admin))
        assert (operation.state, operation.sends) == (S.CONFIRMED, 1)
        assert sum(request["applied"] for request in simulator.requests(verb.method)) == 1
        assert github.has_taken_effect(operation)

    def test_writes_of_one_credential_are_a_second_apart_across_accounts(
        self, db: None, admin: User, simulator: SimulatorHandle, settings: Settings, settle: Settle
    ) -> None:
        settings.WRITE_SPACING_SECONDS = 1.0
        account = connect_with_two_accounts(simulator)
        asked = [UPDATE.request(each, admin) for each in account for _ in range(2)]
        for operation in asked:
            settle(operation)
        writes = sorted(simulator.requests("PATCH"), key=lambda request: float(request["began"]))
        assert len(writes) == 4
        for one, following in pairwise(writes):
            assert following["began"] - (one["began"] + one["seconds"]) > 0.99  # both are rounded


def connect_with_two_accounts(simulator: SimulatorHandle) -> list[Account]:
    """acme and globex with one token."""
    token = simulator.account("acme").token
    simulator.change_token(token, accounts=["organization/acme", "organization/globex"])
    first = connect_known(simulator, "acme", token)
    second = connect_known(simulator, "globex", token)
    assert first.credential_id == second.credential_id
    work_once(first)
    return [first, second]


def connect_known(simulator: SimulatorHandle, slug: str, token: str) -> Account:
    return connect_with_token(
        slug, kind="organization", api_url=simulator.base_url, token=token, by=None
    )


class TestR4InconsistentLists:
    @pytest.fixture
    def large(self, simulator: SimulatorHandle) -> None:
        simulator.reset(runners=230)

    @pytest.mark.parametrize(
        ("action", "fields"),
        [
            ("status", {"status": 502}),
            ("truncate", {}),
            ("replace", {"body": {"total_count": 231}}),
        ],
    )
    def test_an_inconsistent_list_is_not_published_and_read_again(
        self, action: str, fields: dict[str, Any], simulator: SimulatorHandle, large: None, db: None
    ) -> None:
        account = connect_known(simulator, "acme", simulator.account("acme").token)
        simulator.add_fault("GET", "page=2", action, **fields)
        work_once(account)
        assert not Runner.objects.exists()
        assert reading(account).error
        assert reading(account).due_at is not None
        read_again(account, "runners")
        assert Runner.objects.present().count() == 230

    def test_a_runner_that_moves_between_pages_is_not_lost(
        self, simulator: SimulatorHandle, large: None, db: None
    ) -> None:
        account = connect_known(simulator, "acme", simulator.account("acme").token)
        work_once(account)
        first = Runner.objects.order_by("github_id")[0]
        body = {
            "runners": [{"id": first.github_id}]
        }  # the whole second page says it is the first runner
        simulator.add_fault("GET", "page=2", "replace", body=body)
        read_again(account, "runners")
        assert reading(account).error == "incomplete"
        assert Runner.objects.present().count() == 230
        read_again(account, "runners")
        assert not reading(account).error


class TestR5UnusableResponses:
    @pytest.mark.parametrize(
        ("action", "fields"),
        [
            ("garbage", {"status": 200}),
            ("garbage", {"status": 502}),
            ("truncate", {}),
            ("garbage", {"bytes": 100_000_000}),
            ("trickle", {"seconds": 0.2}),
            ("replace", {"body": {"runners": None}}),
            ("replace", {"body": {"runners": [{"id": None}]}}),
        ],
    )
    def test_an_unusable_response_affects_only_its_reading_and_pages_open(
        self,
        action: str,
        fields: dict[str, Any],
        as_admin: Client,
        acme: Account,
        simulator: SimulatorHandle,
    ) -> None:
        Reading.objects.schedule_now(acme, "runners")
        simulator.set_speed(0)
        work_once(acme)
        CachedResponse.objects.all().delete()  # so that the answer has a body at all
        simulator.add_fault("GET", LIST, action, **fields)
        read_again(acme)
        assert reading(acme).error in ("unusable", "foreign", "unreachable", "incomplete")
        assert not acme.readings.exclude(resource="runners").exclude(error="").exists()
        assert Runner.objects.present().filter(account=acme).count() == 12
        assert "linux-8core-ci" in shown(as_admin)

    @pytest.mark.parametrize(
        "odd",
        [
            {"status": "Hibernating"},
            {"status": None, "platform": None, "image_details": None, "machine_size_details": None},
            {"name": "läufer-😀-" + "n" * 190},
            {"name": "nul\0nul"},
            {"runner_group_id": 2**53 + 1},
            {"maximum_runners": 10**30, "last_active_on": "yesterday", "public_ips": "none"},
        ],
        ids=["unknown status", "nulls", "unicode", "unstorable", "large id", "wrong types"],
    )
    def test_unexpected_values_are_shown_and_break_no_page(
        self,
        odd: dict[str, Any],
        as_admin: Client,
        acme: Account,
        simulator: SimulatorHandle,
    ) -> None:
        runner = Runner.objects.filter(account=acme, name="linux-8core-ci").get()
        simulator.change_runner("organization", "acme", runner.github_id, **odd)
        read_again(acme, "runners")
        assert not reading(acme).error
        for address in (
            "/runners/",
            f"/runners/{runner.pk}/",
            f"/runners/{runner.pk}/edit/",
            "/",
            "/static-ips/",
        ):
            shown(as_admin, address)
        runner.refresh_from_db()
        if odd.get("status"):
            assert "Hibernating" in shown(as_admin)


class TestR6Redirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_to_another_host_is_not_followed(
        self, status: int, acme: Account, globex: Account, simulator: SimulatorHandle
    ) -> None:
        elsewhere = simulator.base_url.replace("127.0.0.1", "localhost") + "/caught"
        simulator.add_fault("GET", LIST, "redirect", location=elsewhere, status=status)
        simulator.clear_requests()
        read_again(acme, "runners")
        assert reading(acme).error == "unusable"
        assert "localhost" in reading(acme).error_message
        assert not [request for request in simulator.requests() if "caught" in request["path"]]
        assert Runner.objects.present().filter(account=acme).count() == 12
