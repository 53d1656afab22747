"""Notices about jobs: who waits too long, and whether Trackside would know."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.jobs.normalise import Phase
from runners_app.models import (
    Account,
    AuditEntry,
    Hook,
    Job,
    JobRepository,
    Membership,
    PoolSlo,
    Runner,
)
from runners_app.notices.fact import Fact
from runners_app.notices.facts import find_facts, seen_by
from tests.jobs.conftest import make_account


@pytest.fixture
def account(db: None) -> Account:
    return make_account("acme", {7: ("builders", ["big-linux", "small-linux"])})


@pytest.fixture
def pool(account: Account) -> Runner:
    return Runner.objects.get(name="big-linux")


@pytest.fixture
def slo(pool: Runner) -> PoolSlo:
    return PoolSlo.objects.create(pool=pool, seconds=60, notices=True)


_numbers: Iterator[int] = iter(range(1, 1_000_000))


def add_jobs(account: Account, count: int = 1, **values: object) -> None:
    repository, _ = JobRepository.objects.get_or_create(
        account=account,
        github_id=1,
        defaults={"name": f"{account.slug}/web", "named_at": timezone.now()},
    )
    Job.objects.bulk_create(
        Job(
            **{
                "account": account,
                "github_id": next(_numbers),
                "repository": repository,
                "phase": Phase.QUEUED,
                "run_id": 1,
                "name": "build",
                "kind": Job.Kind.LARGER,
                "labels": ["big-linux"],
                **values,
            }
        )
        for _ in range(count)
    )


def add_started(account: Account, pool: Runner, waited: list[float], at: datetime) -> None:
    for seconds in waited:
        add_jobs(
            account,
            pool=pool,
            phase=Phase.COMPLETED,
            queued_at=at - timedelta(seconds=seconds),
            started_at=at,
            ended_at=at,
            queue_seconds=seconds,
        )


def facts(kind: str) -> list[Fact]:
    return [fact for fact in find_facts(timezone.now()) if fact.kind == kind]


def test_a_job_that_waits_for_longer_than_the_slo_is_a_fact_about_its_runner(
    account: Account, pool: Runner, slo: PoolSlo, lead: User
) -> None:
    add_jobs(account, pool=pool, queued_at=timezone.now() - timedelta(seconds=59))
    assert facts("job_waits") == []
    add_jobs(account, pool=pool, queued_at=timezone.now() - timedelta(seconds=61))
    (fact,) = facts("job_waits")
    assert fact.title == "A job has waited for big-linux of acme for more than 60 s"
    assert (fact.item, fact.item_pk) == ("runner", pool.pk)
    assert seen_by(lead, [fact]) == set(), "who does not see the runner does not see the fact"


@pytest.mark.parametrize("held", [Phase.WAITING, Phase.PENDING])
def test_a_job_that_waits_for_a_person_or_another_run_wants_no_machine(
    account: Account, pool: Runner, slo: PoolSlo, held: Phase
) -> None:
    add_jobs(account, pool=pool, phase=held, queued_at=timezone.now() - timedelta(hours=1))
    assert facts("job_waits") == []


def test_nothing_is_said_of_a_pool_whose_notices_are_off(account: Account, pool: Runner) -> None:
    PoolSlo.objects.create(pool=pool, seconds=1)
    now = timezone.now()
    add_jobs(account, pool=pool, queued_at=now - timedelta(hours=1))
    add_started(account, pool, [500.0] * 30, now - timedelta(minutes=1))
    assert facts("job_waits") == facts("slo_missed") == []


@pytest.mark.parametrize(
    ("last_hour", "before", "expected"),
    [
        ([61.0] * 2 + [1.0] * 18, [61.0] * 10, 1),
        ([60.0] * 20, [60.0] * 20, 0),  # exactly the SLO keeps it
        ([61.0] + [1.0] * 19, [1.0] * 20, 0),  # 5 % is what an SLO allows
        ([61.0] * 4, [61.0] * 30, 0),  # four jobs say little
        ([61.0] * 5, [1.0] * 200, 0),  # a bad hour in a good morning
        ([1.0] * 20, [61.0] * 30, 0),  # it is over
    ],
)
def test_an_slo_is_missed_when_both_windows_are(
    account: Account,
    pool: Runner,
    slo: PoolSlo,
    last_hour: list[float],
    before: list[float],
    expected: int,
) -> None:
    now = timezone.now()
    add_started(account, pool, last_hour, now - timedelta(minutes=10))
    add_started(account, pool, before, now - timedelta(hours=3))
    assert len(facts("slo_missed")) == expected


def test_a_hook_is_silent_if_jobs_ran_that_it_did_not_tell_of(account: Account) -> None:
    now = timezone.now()
    Hook.objects.create(account=account, sealed_secret="x", last_event_at=now - timedelta(hours=3))
    assert facts("job_events_silent") == [], "perhaps no job ran"
    add_jobs(account, created_at=now - timedelta(hours=2))
    (fact,) = facts("job_events_silent")
    assert fact.path == f"/accounts/{account.pk}/job-events/"
    Hook.objects.update(last_event_at=now - timedelta(minutes=59))
    assert facts("job_events_silent") == []


def test_jobs_whose_runner_is_not_known_are_a_fact_from_two_in_a_hundred_on(
    account: Account, pool: Runner
) -> None:
    now = timezone.now()
    Hook.objects.create(account=account, sealed_secret="x", last_event_at=now)
    add_started(account, pool, [1.0] * 98, now - timedelta(hours=1))
    add_jobs(account, 2, phase=Phase.COMPLETED, started_at=now - timedelta(hours=1))
    assert facts("job_coverage") == []
    add_jobs(account, phase=Phase.COMPLETED, started_at=now - timedelta(hours=1))
    (fact,) = facts("job_coverage")
    assert fact.title == "The runner of 3 of 101 jobs of acme is not known"


def test_a_label_that_no_runner_has_is_one_fact_however_many_jobs_ask_for_it(
    account: Account,
) -> None:
    late = timezone.now() - timedelta(minutes=11)
    add_jobs(account, 3, labels=["gone-linux"], queued_at=late)
    add_jobs(account, labels=["new-linux"], queued_at=timezone.now() - timedelta(minutes=9))
    (fact,) = facts("label_without_pool")
    assert fact.title == "Jobs of acme wait for gone-linux, a label that no runner has"


def test_a_manager_sets_the_slo_and_says_why_the_maximum_stays(
    client: Client, lead: User, pool: Runner
) -> None:
    Membership.objects.create(user=lead, account=pool.account, role="manager")
    client.force_login(lead)
    page = client.get(f"/insight/pools/{pool.pk}/slo/").content.decode()
    assert "Usual for its size: 60 seconds" in page
    given = {"seconds": "120", "notices": "on", "keep_because": "the budget ends there"}
    answer = client.post(f"/insight/pools/{pool.pk}/slo/", given)
    assert answer.headers["Location"] == f"/runners/{pool.pk}/"
    row = PoolSlo.objects.get(pool=pool)
    assert (row.seconds, row.notices, row.set_by) == (120, True, "lin")
    entry = AuditEntry.objects.get(action="pool.slo_set")
    assert (entry.subject, entry.details["seconds"]) == ("big-linux", 120)


@pytest.mark.parametrize("seconds", ["0", "-1", "86401", "soon", ""])
def test_an_slo_that_makes_no_sense_is_refused_and_nothing_is_saved(
    as_admin: Client, pool: Runner, seconds: str
) -> None:
    answer = as_admin.post(f"/insight/pools/{pool.pk}/slo/", {"seconds": seconds})
    assert answer.status_code == 422
    assert "Nothing was saved" in answer.content.decode()
    assert not PoolSlo.objects.exists()
