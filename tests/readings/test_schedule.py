"""How often readings run: by the activity of the account, and by the rate budget left."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from runners_app.models import Account, Credential, Reading, Runner
from runners_app.readings.costs import costs_of
from runners_app.readings.schedule import due_after, interval_of, stretch_of
from tests.simulator_handle import SimulatorHandle

R = Reading.Resource
NOW = timezone.now()

pytestmark = pytest.mark.usefixtures("in_earnest")


@pytest.fixture
def quiet(acme: Account) -> Reading:
    """The runners of an organization in which nothing has changed for days."""
    Runner.objects.filter(account=acme).update(status="Ready")
    Reading.objects.filter(account=acme).update(last_changed_at=NOW - timedelta(days=2))
    return Reading.objects.get(account=acme, resource=R.RUNNERS)


def left(remaining: int, *, minutes: float) -> Credential:
    """A credential with `remaining` of 5,000 requests left until the reset in `minutes`."""
    return Credential(
        rate_limit=5000, rate_remaining=remaining, rate_reset_at=NOW + timedelta(minutes=minutes)
    )


def test_a_quiet_organization_is_read_every_five_minutes(quiet: Reading) -> None:
    assert interval_of(quiet, left(5000, minutes=60), NOW) == 300


def test_an_organization_that_changed_within_the_hour_is_read_every_minute(quiet: Reading) -> None:
    quiet.last_changed_at = NOW - timedelta(minutes=30)
    assert interval_of(quiet, left(5000, minutes=60), NOW) == 60


def test_runners_are_read_every_ten_seconds_after_a_change(quiet: Reading) -> None:
    quiet.last_changed_at = NOW - timedelta(minutes=1)
    assert interval_of(quiet, left(5000, minutes=60), NOW) == 10


@pytest.mark.parametrize("status", ["Provisioning", "Deleting", "Stuck"])
def test_runners_are_read_every_ten_seconds_while_one_is_in_transition(
    quiet: Reading, status: str
) -> None:
    Runner.objects.filter(pk__in=Runner.objects.values("pk")[:1]).update(
        status=status, status_since=NOW
    )
    assert interval_of(quiet, left(5000, minutes=60), NOW) == 10


def test_a_runner_stuck_for_long_does_not_speed_up_reading(quiet: Reading) -> None:
    Runner.objects.filter(pk__in=Runner.objects.values("pk")[:1]).update(
        status="Stuck", status_since=NOW - timedelta(days=1)
    )
    assert interval_of(quiet, left(5000, minutes=60), NOW) == 300


def test_the_catalog_is_read_daily_whatever_the_budget(quiet: Reading) -> None:
    catalog = Reading.objects.get(account=quiet.account, resource=R.CATALOG)
    assert interval_of(catalog, left(0, minutes=60), NOW) == 86_400


@pytest.mark.parametrize(
    ("remaining", "minutes", "times"),
    [
        (5000, 60, 1),  # nothing spent yet
        (3000, 30, 1),  # half of what readings may spend, half of the hour
        (2000, 30, 2),  # a quarter, half of the hour
        (4000, 5, 1),  # plenty for the rest of the hour
    ],
)
def test_readings_slow_down_so_that_their_share_of_the_budget_lasts(
    remaining: int, minutes: int, times: int
) -> None:
    assert stretch_of(left(remaining, minutes=minutes), NOW) == pytest.approx(times)


@pytest.mark.parametrize("remaining", [0, 500, 1000])
def test_the_last_fifth_of_the_budget_is_kept_for_people(quiet: Reading, remaining: int) -> None:
    quiet.last_changed_at = NOW
    assert interval_of(quiet, left(remaining, minutes=40), NOW) > 40 * 60


def test_an_unknown_budget_does_not_slow_readings_down(quiet: Reading) -> None:
    assert interval_of(quiet, Credential(), NOW) == 300


def test_readings_of_accounts_connected_together_drift_apart() -> None:
    times = [due_after(100, NOW) for _ in range(50)]
    assert len(set(times)) == 50
    assert all(timedelta(seconds=90) <= each - NOW <= timedelta(seconds=110) for each in times)


def test_the_costs_of_an_account_show_how_many_requests_were_free(
    acme: Account, simulator: SimulatorHandle, work: Callable[[Account], None]
) -> None:
    simulator.set_speed(0)
    Reading.objects.schedule_now(acme, R.RUNNERS)
    work(acme)
    costs = costs_of(acme, timezone.now())
    answered = [entry["status"] for entry in simulator.requests("GET")]
    assert costs.not_modified == answered.count(304) == 1
    assert 0 < costs.requests <= len(answered)
    assert costs.share_not_modified == round(100 / costs.requests)
