"""Jobs of the simulator against its ledger: over webhooks, repaired, and read over REST."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from runners_app.accounts.accounts import connect_with_token
from runners_app.jobs.hooks import want_hook
from runners_app.jobs.ingest import normalise_waiting
from runners_app.models import Account, Delivery, Hook, Job, JobRepository, JobsVersion, Reading
from runners_app.worker.work import work_credential
from tests.simulator_handle import SimulatorHandle, start_simulator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]
R = Reading.Resource


@pytest.fixture(scope="module")
def busy_simulator() -> Iterator[SimulatorHandle]:
    with start_simulator("--organizations", "1", "--enterprises", "0", "--runners", "6") as handle:
        yield handle


@pytest.fixture
def github(busy_simulator: SimulatorHandle, settings: Settings) -> SimulatorHandle:
    busy_simulator.reset()
    settings.DEMO_API_ORIGINS = [busy_simulator.base_url]
    settings.LOST_DELIVERY_SECONDS = 0
    return busy_simulator


@pytest.fixture
def account(github: SimulatorHandle, live_server: LiveServer, settings: Settings) -> Account:
    settings.DEMO_HOOKS_URL = live_server.url
    known = github.accounts[0]
    return connect_with_token(
        known.slug,
        kind=known.kind,
        api_url=github.base_url,
        token=known.token,
        by=None,
        demo=True,
    )


def work(account: Account, *resources: str) -> None:
    """One run of a worker, with these readings due."""
    Reading.objects.schedule_now(account, *resources)
    work_credential(account.credential_id, holder="a worker in a test")
    broken = Reading.objects.filter(account=account, resource__in=resources).exclude(error="")
    assert [(row.resource, row.error_message) for row in broken] == []


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ledger(github: SimulatorHandle) -> list[dict[str, Any]]:
    """Jobs that were created by now, without copies."""
    rows: list[dict[str, Any]] = github.control("GET", "jobs")["jobs"]
    return [row for row in rows if row["copy_of"] is None]


def start_runs(github: SimulatorHandle, runs: int, **traps: float) -> list[dict[str, Any]]:
    body = {
        "runs": runs,
        "traps": traps,
        "run_seconds": [1, 1],
        "start_seconds": [0, 1],
        "cancelled_after_seconds": 2,
        "rerun_after_seconds": 2,
    }
    github.control("POST", "jobs", body)
    return ledger(github)


def check_against(rows: list[dict[str, Any]]) -> None:
    real = Job.objects.filter(copied=False)
    jobs = {job.github_id: job for job in real.select_related("pool", "repository")}
    assert set(jobs) == {row["id"] for row in rows}
    for row in rows:
        job = jobs[row["id"]]
        assert job.repository.name == row["repository"]
        assert job.conclusion == row["conclusion"]
        if row["started_on"] is None or row["pool"] is None:
            continue
        assert job.pool is not None
        assert job.pool.name == row["pool"]
        assert job.started_at is not None
        assert job.started_at.timestamp() == row["started_on"]
        assert job.run_seconds == row["completed_on"] - row["started_on"]


def everything_arrived(rows: list[dict[str, Any]]) -> bool:
    normalise_waiting()
    return Job.objects.filter(phase=5, lost=False).count() == len(rows)


def test_a_hook_is_made_through_the_api_and_hears_a_ping(
    account: Account, github: SimulatorHandle
) -> None:
    hook = want_hook(account)
    work(account, R.JOB_DELIVERIES)
    hook.refresh_from_db()
    assert hook.github_id is not None
    eventually(lambda: Hook.objects.filter(pk=hook.pk, last_ping_at__isnull=False).exists())
    work(account, R.JOB_DELIVERIES)
    made = github.requests("POST", f"/orgs/{account.slug}/hooks")
    assert [entry["status"] for entry in made] == [201]


def test_what_else_the_token_needs_is_said(account: Account, github: SimulatorHandle) -> None:
    known = github.accounts[0]
    github.change_token(known.token, scopes=["admin:org", "repo"])
    hook = want_hook(account)
    work(account, R.JOB_DELIVERIES)
    hook.refresh_from_db()
    assert "admin:org_hook" in hook.error


def test_webhooks_out_of_order_twice_and_lost_leave_what_the_ledger_says(
    account: Account, github: SimulatorHandle, settings: Settings
) -> None:
    want_hook(account)
    work(account, R.JOB_DELIVERIES)
    rows = start_runs(github, 8, duplicate=0.3, out_of_order=0.3, lost=0.3, skipped=0.1)
    last = max(row["completed_on"] for row in rows)
    assert any("lost" in row["traps"] for row in rows)
    time.sleep(max(0.0, last - time.time()) + 7)  # the last one may be five seconds late
    # From here on nothing arrives beside the worker: what is lost is read from the hook's log.
    settings.DEMO_HOOKS_URL = "http://127.0.0.1:1"

    def repaired() -> bool:
        work(account, R.JOB_DELIVERIES)
        return everything_arrived(rows)

    eventually(repaired, 60)
    check_against(rows)
    assert not Delivery.objects.filter(outcome="asked").exists()
    assert Delivery.objects.filter(live=False).exists()


def test_history_is_read_over_rest_and_a_second_time_changes_nothing(
    account: Account, github: SimulatorHandle
) -> None:
    work(account, R.RUNNERS, R.GROUPS, R.REPOSITORIES)
    rows = start_runs(github, 6, rerun_copies=0.3, skipped=0.1, cancelled=0.1)
    time.sleep(max(0.0, max(row["completed_on"] for row in rows) - time.time()) + 1)
    JobRepository.objects.all().delete()  # the first look found no runs
    for _ in range(3):
        work(account, R.JOB_HISTORY)
    check_against(rows)
    copied = Job.objects.filter(copied=True)
    assert not copied.exclude(run_attempt=2).exists()
    unread = JobRepository.objects.filter(account=account, backfilled_to=None)
    assert not unread.exists()
    before = account.jobs_version.version
    work(account, R.JOB_HISTORY)
    account.jobs_version.refresh_from_db()
    assert account.jobs_version.version == before


def test_a_job_open_for_long_is_asked_about_and_one_github_forgot_is_lost(
    account: Account, github: SimulatorHandle
) -> None:
    work(account, R.RUNNERS, R.GROUPS, R.REPOSITORIES)
    rows = start_runs(github, 1)
    time.sleep(max(0.0, max(row["completed_on"] for row in rows) - time.time()) + 1)
    repository = JobRepository.objects.get(account=account, github_id=rows[0]["repository_id"])
    created = timezone.now() - timedelta(hours=1)
    for number in (rows[0]["id"], 7):
        Job.objects.create(
            account=account,
            github_id=number,
            repository=repository,
            phase=3,
            run_id=1,
            name="x",
            kind="unknown",
            created_at=created,
            queued_at=created,
        )
    work(account, R.OPEN_JOBS)
    assert Job.objects.get(github_id=rows[0]["id"]).phase == 5
    assert Job.objects.get(github_id=7).lost
    assert not Job.objects.open().exists()


def test_history_spends_a_fifth_of_the_budget_at_most(
    account: Account, github: SimulatorHandle
) -> None:
    work(account, R.RUNNERS, R.REPOSITORIES)
    start_runs(github, 10)
    github.change_token(github.accounts[0].token, limit=100, remaining=100, reset_in=3600)
    work(account, R.RUNNERS)  # tells Trackside of the limit
    github.clear_requests()
    JobRepository.objects.all().delete()
    JobsVersion.objects.update(history_requests=0)
    for _ in range(5):
        work(account, R.JOB_HISTORY)
    spent = [entry for entry in github.requests("GET") if "/actions/runs" in entry["path"]]
    assert 0 < len(spent) <= 21
