"""A1: a list without a row is no proof that it is gone; history and feeds wait for the proof."""

from collections.abc import Callable
from datetime import timedelta

from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.models import Account, CachedResponse, FieldChange, Reading, Repository, Runner
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
R = Reading.Resource


def read(account: Account, work: Work, *resources: str) -> None:
    """Let a worker read these resources now."""
    Reading.objects.filter(account=account).update(due_at=None)
    due = Reading.objects.filter(account=account, resource__in=resources)
    due.update(due_at=timezone.now())
    work(account)


def let_time_pass(account: Account, seconds: int = 61) -> None:
    """Make rows look as if they had been missing for longer."""
    earlier = timezone.now() - timedelta(seconds=seconds)
    for rows in (account.readings, account.runners, account.repositories, account.groups):
        rows.exclude(missing_since=None).update(missing_since=earlier)


def present(account: Account) -> int:
    return Runner.objects.present().filter(account=account).count()


def test_an_empty_list_makes_no_runner_gone_and_writes_no_history(
    acme: Account, simulator: SimulatorHandle, work: Work, as_admin: Client, settings: Settings
) -> None:
    settings.ABSENCE_PROOF_SECONDS = 60
    before = as_admin.get("/static-ips/ranges.txt").content
    simulator.add_fault("GET", r"/actions/hosted-runners\?", "omit", times=0)
    for _ in range(5):
        read(acme, work, R.RUNNERS)
        let_time_pass(acme)
    assert present(acme) == 12
    assert not FieldChange.objects.filter(field="gone_at").exists()
    assert as_admin.get("/static-ips/ranges.txt").content == before
    reading = acme.readings.get(resource=R.RUNNERS)
    assert (reading.error, reading.last_good_at is None) == ("incomplete", False)


def test_a_list_that_lacks_one_runner_does_not_make_it_gone_while_github_shows_it(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    runner = Runner.objects.filter(account=acme).earliest("pk")
    simulator.add_fault("GET", r"/actions/hosted-runners\?", "omit", ids=[runner.github_id])
    read(acme, work, R.RUNNERS)
    runner.refresh_from_db()
    assert runner.gone_at is None
    read(acme, work, R.RUNNERS)
    reading = acme.readings.get(resource=R.RUNNERS)
    assert (reading.error, reading.missing_since) == ("", None)


def test_a_direct_request_answered_with_404_proves_that_a_runner_is_gone(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    runner = Runner.objects.filter(account=acme).earliest("pk")
    simulator.delete_runner("organization", "acme", runner.github_id)
    read(acme, work, R.RUNNERS)
    runner.refresh_from_db()
    assert runner.gone_at is not None
    assert simulator.requests("GET", f"/orgs/acme/actions/hosted-runners/{runner.github_id}")


def test_a_repository_is_gone_once_a_second_unconditional_list_lacks_it(
    acme: Account, simulator: SimulatorHandle, work: Work, settings: Settings
) -> None:
    settings.ABSENCE_PROOF_SECONDS = 60
    missing = Repository.objects.present().filter(account=acme).earliest("pk")
    simulator.add_fault("GET", r"/orgs/acme/repos\?", "omit", ids=[missing.github_id], times=0)
    CachedResponse.objects.all().delete()
    read(acme, work, R.REPOSITORIES)
    read(acme, work, R.REPOSITORIES)
    missing.refresh_from_db()
    assert missing.gone_at is None
    assert missing.missing_since is not None
    reading = acme.readings.get(resource=R.REPOSITORIES)
    assert reading.due_at is not None
    assert reading.due_at <= timezone.now() + timedelta(seconds=60)

    let_time_pass(acme)
    read(acme, work, R.REPOSITORIES)
    missing.refresh_from_db()
    assert missing.gone_at is not None
    assert acme.readings.get(resource=R.REPOSITORIES).missing_since is None


def test_a_row_that_is_listed_again_is_no_longer_missing(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    missing = Repository.objects.present().filter(account=acme).earliest("pk")
    simulator.add_fault("GET", r"/orgs/acme/repos\?", "omit", ids=[missing.github_id])
    CachedResponse.objects.all().delete()
    read(acme, work, R.REPOSITORIES)
    assert Repository.objects.exclude(missing_since=None).get() == missing
    read(acme, work, R.REPOSITORIES)
    assert not Repository.objects.exclude(missing_since=None).exists()
    assert acme.readings.get(resource=R.REPOSITORIES).missing_since is None


def test_a_list_that_never_adds_up_is_published_as_incomplete_after_three_tries(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    runner = Runner.objects.filter(account=acme).earliest("pk")
    simulator.create_runner("organization", "acme", name="newcomer")
    simulator.add_fault(
        "GET", r"/actions/hosted-runners\?", "replace", body={"total_count": 99}, times=0
    )
    for tries in (1, 2):
        read(acme, work, R.RUNNERS)
        assert acme.readings.get(resource=R.RUNNERS).failures == tries
        assert not Runner.objects.filter(name="newcomer").exists()

    simulator.delete_runner("organization", "acme", runner.github_id)
    read(acme, work, R.RUNNERS)
    reading = acme.readings.get(resource=R.RUNNERS)
    assert Runner.objects.filter(name="newcomer").exists()
    assert Runner.objects.get(pk=runner.pk).gone_at is None
    assert "What came is shown" in reading.error_message

    simulator.clear_faults()
    read(acme, work, R.RUNNERS)
    assert acme.readings.get(resource=R.RUNNERS).error == ""
    assert Runner.objects.get(pk=runner.pk).gone_at is not None
