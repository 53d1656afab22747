"""One set of rules for what needs a person: the overview, the notices and the metrics agree."""

from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from runners_app.models import Account, Credential, Limits, Operation, Reading, Runner, RunnerGroup
from runners_app.notices.facts import find_facts

NOW = datetime.fromisoformat("2026-11-02T10:00:00+00:00")
SECOND = timedelta(seconds=1)


@pytest.fixture
def calm(acme: Account) -> Account:
    """The organization acme with nothing that needs a person at NOW."""
    Runner.objects.update(status="Ready", last_active_on=NOW, image_id="", status_since=NOW)
    RunnerGroup.objects.update(allows_public_repositories=False)
    Reading.objects.update(due_at=NOW, last_good_at=NOW)
    Limits.objects.update(maximum=50, used=3)
    return acme


def _token_expires(limit: timedelta) -> None:
    Credential.objects.update(token_expires_at=NOW + timedelta(days=14) - limit)


def _runner_provisions(limit: timedelta) -> None:
    runner = Runner.objects.earliest("pk")
    Runner.objects.filter(pk=runner.pk).update(
        status="Provisioning", status_since=NOW - timedelta(minutes=30) - limit
    )


def _reading_is_overdue(limit: timedelta) -> None:
    since = NOW - timedelta(hours=1) - limit
    Reading.objects.filter(resource="runners").update(due_at=since, last_good_at=since)


def _operation_is_stale(limit: timedelta) -> None:
    Operation.objects.create(
        account=Account.objects.get(),
        kind="create_runner",
        target="runner",
        target_name="new-one",
        requested_at=NOW,
        confirmed_at=NOW - timedelta(minutes=15) - limit,
    )


def _static_ips_are_used(limit: timedelta) -> None:
    Limits.objects.update(used=39 if limit < timedelta(0) else 40)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (_token_expires, "The token of acme expires in"),
        (_runner_provisions, "has been Provisioning for 30 minutes or more"),
        (_reading_is_overdue, "acme is out of date"),
        (_operation_is_stale, "operation was not sent in time"),
        (_static_ips_are_used, "40 of 50 static IPs are used"),
    ],
)
@pytest.mark.parametrize("beyond", [-SECOND, timedelta(0), SECOND])
def test_the_overview_and_the_notices_agree_at_the_limit(
    calm: Account,
    as_admin: Client,
    cause: Callable[[timedelta], None],
    words: str,
    beyond: timedelta,
) -> None:
    cause(beyond)
    with time_machine.travel(NOW, tick=False):
        page = unescape(as_admin.get("/").content.decode())
        facts = find_facts(NOW)
    needs_person = beyond >= timedelta(0)
    assert (words in page) is needs_person
    assert ("Nothing needs attention" in page) is not needs_person
    assert len(facts) == needs_person


def test_a_paused_account_needs_nobody_because_it_is_out_of_date(
    calm: Account, as_admin: Client
) -> None:
    Reading.objects.update(error="server", error_since=NOW - timedelta(days=1))
    Account.objects.update(paused=True)
    assert "Nothing needs attention" in as_admin.get("/").content.decode()
    assert find_facts(NOW) == []


def test_time_in_which_nobody_looked_does_not_count_as_provisioning(
    calm: Account, as_admin: Client
) -> None:
    _runner_provisions(timedelta(hours=3))
    just_before = NOW - timedelta(hours=3, minutes=1)
    Reading.objects.filter(resource="runners").update(last_good_at=just_before, due_at=NOW)
    Account.objects.update(paused=True)
    with time_machine.travel(NOW, tick=False):
        assert "Nothing needs attention" in as_admin.get("/").content.decode()
        assert find_facts(NOW) == []
    Reading.objects.filter(resource="runners").update(last_good_at=NOW)
    assert [fact.kind for fact in find_facts(NOW)] == ["runner_stuck"]


def test_a_runner_that_was_provisioning_when_first_seen_is_so_for_at_least_half_an_hour(
    calm: Account,
) -> None:
    _runner_provisions(timedelta(0))
    (fact,) = find_facts(NOW)
    assert fact.title.endswith("Provisioning for at least 30 minutes")
    Runner.objects.update(first_seen_at=NOW - timedelta(days=1))
    (fact,) = find_facts(NOW)
    assert fact.title.endswith("Provisioning for 30 minutes")


def test_metrics_count_what_notices_report(
    calm: Account, client: Client, settings: Settings
) -> None:
    settings.METRICS_TOKEN = "a token for tests"
    Runner.objects.update(status="Stuck")
    answer = client.get("/metrics", headers={"Authorization": "Bearer a token for tests"})
    lines = answer.content.decode().splitlines()
    assert 'trackside_needs_attention{kind="runner_stuck"} 12.0' in lines
    assert 'trackside_needs_attention{kind="static_ips"} 0.0' in lines
