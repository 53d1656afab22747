"""Readings publish GitHub's lists, and write only what differs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from runners_app.models import (
    Account,
    CachedResponse,
    FieldChange,
    Image,
    ImageVersion,
    Limits,
    Reading,
    Repository,
    Runner,
    RunnerGroup,
)
from runners_app.runners.requests import request_update
from runners_app.runners.settings import RunnerSettings
from tests.simulator_handle import SimulatorHandle

pytestmark = pytest.mark.usefixtures("in_earnest")
Work = Callable[[Account], None]


def test_all_resources_of_a_connected_organization_are_read(
    acme: Account, simulator: SimulatorHandle
) -> None:
    assert Runner.objects.present().filter(account=acme).count() == 12
    assert Limits.objects.current().filter(account=acme).count() == 1
    assert RunnerGroup.objects.filter(account=acme, default=True).count() == 1
    assert set(Image.objects.filter(account=acme).values_list("source", flat=True)) == {
        "github",
        "partner",
        "custom",
    }
    assert ImageVersion.objects.filter(account=acme).exists()
    assert not acme.readings.exclude(error="").exists()


def test_reading_an_unchanged_organization_writes_no_row_and_costs_no_rate_budget(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    simulator.set_speed(0)
    Reading.objects.schedule_now(acme)
    work(acme)
    before = list(Runner.objects.order_by("pk").values())
    version = Account.objects.get(pk=acme.pk).version
    Reading.objects.schedule_now(acme)
    work(acme)
    assert list(Runner.objects.order_by("pk").values()) == before
    assert Account.objects.get(pk=acme.pk).version == version
    # Answers to questions are always asked anew; the history of jobs is read once, page by page.
    for reading in acme.readings.exclude(resource__in=("access_checks", "job_history")):
        run = reading.runs.latest("pk")
        assert (run.outcome, run.not_modified) == ("unchanged", run.requests), (
            f"{reading} cost rate budget"
        )


def test_a_change_made_at_github_is_added_to_the_history(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    runner = Runner.objects.filter(account=acme, status="Ready").earliest("pk")
    simulator.change_runner("organization", "acme", runner.github_id, maximum_runners=77)
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    change = FieldChange.objects.get(item="runner", item_pk=runner.pk, field="maximum_runners")
    assert (change.before, change.after, change.operation) == (runner.maximum_runners, 77, None)


def test_a_runner_deleted_at_github_is_marked_as_gone_and_its_row_stays(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    runner = Runner.objects.filter(account=acme).earliest("pk")
    simulator.delete_runner("organization", "acme", runner.github_id)
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    runner.refresh_from_db()
    assert runner.gone_at is not None


def test_a_runner_that_is_listed_again_is_in_its_status_since_then(
    acme: Account, work: Work
) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    runner = Runner.objects.filter(account=acme).earliest("pk")
    Runner.objects.filter(pk=runner.pk).update(
        status_since=yesterday, gone_at=yesterday, observed_at=yesterday
    )
    CachedResponse.objects.all().delete()
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    runner.refresh_from_db()
    assert runner.gone_at is None
    assert runner.status_since > yesterday + timedelta(hours=23)


def test_a_change_reverted_at_github_is_read_although_the_list_is_as_it_was_before(
    acme: Account, admin: User, simulator: SimulatorHandle, work: Work
) -> None:
    simulator.set_speed(0)
    Reading.objects.schedule_now(acme)
    work(acme)
    runner = Runner.objects.filter(account=acme, status="Ready", static_ip=False).earliest("pk")
    base, at_first = RunnerSettings.of(runner), runner.maximum_runners
    requested = replace(base, maximum_runners=77)
    simulator.add_fault(
        "GET", r"hosted-runners\?", "status", status=502
    )  # no list is read in between
    request_update(runner, requested, base=base, by=admin, nonce=str(uuid4()))
    work(acme)
    runner.refresh_from_db()
    assert runner.maximum_runners == 77
    simulator.clear_faults()
    simulator.change_runner("organization", "acme", runner.github_id, maximum_runners=at_first)
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    runner.refresh_from_db()
    assert runner.maximum_runners == at_first


def test_a_row_missing_from_a_later_page_is_gone_once_proven_although_the_first_page_is_unchanged(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    rows = list(Repository.objects.present().filter(account=acme).order_by("pk"))
    listed = [{"id": row.github_id, "name": row.name, "private": row.private} for row in rows]
    to_next = {"Link": f'<{simulator.base_url}/orgs/acme/repos?per_page=100&page=2>; rel="next"'}

    def read(last_page: list[dict[str, object]]) -> None:
        simulator.clear_faults()
        simulator.add_fault("GET", "/repos[?].*page=2$", "status", status=200, body=last_page)
        simulator.add_fault(
            "GET", "/repos[?]", "status", status=200, body=listed[:-1], headers=to_next
        )
        Reading.objects.schedule_now(acme, "repositories")
        work(acme)

    read(listed[-1:])
    assert Repository.objects.present().filter(account=acme).count() == len(listed)
    read([])
    assert Repository.objects.present().filter(account=acme).count() == len(listed)
    Repository.objects.update(missing_since=timezone.now() - timedelta(seconds=61))
    Reading.objects.update(missing_since=timezone.now() - timedelta(seconds=61))
    read([])
    assert list(Repository.objects.filter(account=acme).exclude(gone_at=None)) == [rows[-1]]
