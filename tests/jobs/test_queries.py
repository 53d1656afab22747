"""Percentiles, capacity and usage against a calculation from the ledger alone."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runners_app.jobs.ingest import normalise_waiting
from runners_app.jobs.queries import Question, capacity, usage, waits
from runners_app.jobs.sums import sum_stale
from runners_app.models import (
    Account,
    Delivery,
    FieldChange,
    Hook,
    Job,
    PoolLevels,
    PoolSums,
    Runner,
    StaleHour,
    WorkflowSums,
)
from tests.connected import Rows, last_ids, put_back, rows_since
from tests.jobs.conftest import make_account
from tests.jobs.payloads import completed
from tests.jobs.posting import Sender
from tests.jobs.test_ingest import viewer

DAYS = 14
SLO = {"big-linux": 60, "big-linux-gpu": 600, "deploy": 180, None: 60}
USD_PER_MINUTE = {"big-linux": 0.042, "big-linux-gpu": 0.052, "deploy": 0.022}


@dataclass(frozen=True)
class Lived:
    """One line of the ledger: what truly happened. Times are seconds after the beginning."""

    id: int
    account: str
    pool: str | None
    repository: str
    workflow: str
    created: int
    started: int
    ended: int


@dataclass(frozen=True)
class World:
    begin: datetime
    ledger: list[Lived]

    def within(self, since: datetime, until: datetime) -> list[Lived]:
        """Jobs that started in the window."""
        return [job for job in self.ledger if since <= self.at(job.started) < until]

    def at(self, seconds: float) -> datetime:
        return self.begin + timedelta(seconds=seconds)


@pytest.fixture
def world(db: None) -> World:
    """Two organizations, three pools and one nobody knows, 500 jobs in 14 days that end now.

    Summing 14 days takes long: the first test does it, the others of its process get its rows.
    """
    if not _made:
        before = last_ids()
        _made.append((make_world(), rows_since(before)))
        return _made[0][0]
    known, rows = _made[0]
    put_back(rows)
    return known


_made: list[tuple[World, Rows]] = []


def make_world() -> World:
    org = make_account("acme", {7: ("builders", ["big-linux", "big-linux-gpu"])})
    globex = make_account("globex", {9: ("deployers", ["deploy"])})
    Runner.objects.filter(name="big-linux").update(size="16-core")
    Runner.objects.filter(name="big-linux-gpu").update(size="4-core-gpu")
    Runner.objects.filter(name="deploy").update(size="4-core", platform="win-x64")
    chance = random.Random(7)  # noqa: S311
    now = timezone.now().replace(microsecond=0)
    begin = now - timedelta(days=DAYS)
    ledger = []
    for number in range(500):
        account, pool = chance.choice(
            [("acme", "big-linux"), ("acme", "big-linux-gpu"), ("globex", "deploy"), ("acme", None)]
        )
        created = chance.randint(0, DAYS * 86_400 - 90_000)
        started = created + int(chance.choice([0, 2, 40, 60, 61]) * chance.expovariate(1) * 3)
        ended = started + int(chance.expovariate(1) * 2_000)
        repository, workflow = f"{account}/{chance.choice('abc')}", chance.choice(["CI", "Release"])
        ledger.append(
            Lived(number + 1, account, pool, repository, workflow, created, started, ended)
        )
    for owner in (org, globex):
        mine = [job for job in ledger if job.account == owner.slug]
        _deliver(Sender(owner).hook, begin, mine)
    normalise_waiting()
    while sum_stale(timezone.now()) > 8:
        pass
    return World(begin, ledger)


GROUPS = {"big-linux": 7, "big-linux-gpu": 7, "deploy": 9, None: 99}


def _deliver(hook: Hook, begin: datetime, jobs: list[Lived]) -> None:
    def stamp(seconds: int) -> str:
        return (begin + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    rows = []
    for job in jobs:
        payload = completed(
            0,
            0,
            id=job.id,
            workflow_name=job.workflow,
            labels=[job.pool or "nobody"],
            created_at=stamp(job.created),
            started_at=stamp(job.started),
            completed_at=stamp(job.ended),
            steps=[],
            runner_name=f"{job.pool}_0123456789ab",
            runner_group_id=GROUPS[job.pool],
        )
        payload["repository"] = {"id": hash(job.repository) % 10**9, "full_name": job.repository}
        rows.append(
            Delivery(
                hook=hook,
                guid=str(job.id),
                event="workflow_job",
                outcome="stored",
                received_at=begin,
                body=json.dumps(payload).encode(),
            )
        )
    Delivery.objects.bulk_create(rows)


WINDOWS = {"7 days": (2.0, 9.0), "an odd day": (3.1234, 4.2), "11 days": (1.4321, 12.43)}
KEYS: dict[str, Callable[[Lived], tuple[Any, ...]]] = {
    "pool": lambda job: (job.account, job.pool),
    "group": lambda job: (job.account, {7: "builders", 9: "deployers"}.get(GROUPS[job.pool])),
    "repository": lambda job: (job.account, job.repository),
    "workflow": lambda job: (job.account, job.repository, job.workflow),
    "account": lambda job: (job.account,),
}
NAMES = {
    "pool": ("account", "pool"),
    "group": ("account", "group"),
    "repository": ("account", "repository"),
    "workflow": ("account", "repository", "workflow"),
    "account": ("account",),
}


def windows(world: World) -> Iterator[tuple[str, datetime, datetime]]:
    for name, (first, last) in WINDOWS.items():
        yield name, world.at(round(first * 86_400)), world.at(round(last * 86_400))


def nearest_rank(values: list[int], percent: int) -> int:
    return next(
        v for v in sorted(values) if 100 * sum(w <= v for w in values) >= percent * len(values)
    )


def by_key(jobs: list[Lived], by: str) -> dict[tuple[Any, ...], list[Lived]]:
    found: dict[tuple[Any, ...], list[Lived]] = defaultdict(list)
    for job in jobs:
        found[KEYS[by](job)].append(job)
    return found


def test_waits_equal_the_ledger(world: World, admin: User) -> None:
    for by, (name, since, until) in product(KEYS, windows(world)):
        rows = waits(Question(admin, since, until), by)
        told = {tuple(row[each] for each in NAMES[by]): row for row in rows}
        expected = by_key(world.within(since, until), by)
        assert set(told) == set(expected)
        error = 0.0 if name != "11 days" else 0.02
        for key, jobs in expected.items():
            row, seconds = told[key], [job.started - job.created for job in jobs]
            assert row["jobs"] == len(jobs)
            for percent in (50, 90, 95):
                true = nearest_rank(seconds, percent)
                assert abs(row[f"p{percent}"] - true) <= error * true, (name, key)
            assert row["max"] == max(seconds)
            over = sum(job.started - job.created > SLO[job.pool] for job in jobs)
            assert row["over_slo"] == pytest.approx(over / len(jobs), abs=1e-6)


def test_usage_equals_the_ledger(world: World, admin: User) -> None:
    for by, (_, since, until) in product(KEYS, windows(world)):
        rows = usage(Question(admin, since, until), by)
        told = {tuple(row[each] for each in NAMES[by]): row for row in rows}
        expected = by_key(world.within(since, until), by)
        assert set(told) == set(expected)
        for key, jobs in expected.items():
            minutes = {job.id: math.ceil(max(1, job.ended - job.started) / 60) for job in jobs}
            priced = [USD_PER_MINUTE[job.pool] * minutes[job.id] for job in jobs if job.pool]
            row = told[key]
            assert (row["jobs"], row["billable_minutes"]) == (len(jobs), sum(minutes.values()))
            assert row["run_seconds"] == sum(job.ended - job.started for job in jobs)
            usd = pytest.approx(sum(priced), abs=1e-3) if priced else None
            assert row["estimated_usd"] == usd
            assert row["last_job_at"] == world.at(max(job.started for job in jobs))


def _levels(intervals: list[tuple[int, int]], since: int, until: int) -> list[int]:
    """The level of every second."""
    changes: dict[int, int] = defaultdict(int)
    for start, end in intervals:
        changes[max(start, since)] += 1 if max(start, since) < min(end, until) else 0
        changes[min(end, until)] -= 1 if max(start, since) < min(end, until) else 0
    level, levels = 0, []
    for second in range(since, until):
        level += changes.get(second, 0)
        levels.append(level)
    return levels


def test_capacity_equals_the_ledger(world: World, admin: User) -> None:
    for _, since, until in windows(world):
        rows = {
            (row["account"], row["pool"]): row for row in capacity(Question(admin, since, until))
        }
        first, last = (round((each - world.begin).total_seconds()) for each in (since, until))
        for pool in ("big-linux", "big-linux-gpu", "deploy"):
            jobs = [job for job in world.ledger if job.pool == pool]
            running = _levels([(job.started, job.ended) for job in jobs], first, last)
            demand = _levels([(job.created, job.ended) for job in jobs], first, last)
            row = rows["globex" if pool == "deploy" else "acme", pool]
            assert row["maximum"] == 10
            assert row["peak"] == max(running)
            assert row["peak_demand"] == max(demand)
            assert row["running_seconds"] == sum(running)
            assert row["p99"] == sorted(running)[math.ceil(0.99 * len(running)) - 1]
            assert row["seconds_at_maximum"] == sum(level >= 10 for level in running)


def test_a_change_of_the_maximum_splits_capacity(world: World, admin: User) -> None:
    runner = Runner.objects.get(name="big-linux")
    changed = world.at(6 * 86_400 + 1234)
    FieldChange.objects.create(
        account=runner.account,
        item="runner",
        item_pk=runner.pk,
        field="maximum_runners",
        before=2,
        after=10,
        at=changed,
    )
    queued = [job.queued_at for job in Job.objects.filter(pool=runner) if job.queued_at]
    hours = {at.replace(minute=0, second=0) for at in queued}
    StaleHour.objects.bulk_create(
        [StaleHour(account=runner.account, hour=hour) for hour in hours], ignore_conflicts=True
    )
    while sum_stale(timezone.now()) > 8:
        pass
    for since, until in ((5.0, 8.0), (1.0, 12.0)):
        question = Question(
            admin, world.at(since * 86_400), world.at(until * 86_400), pools=(runner.pk,)
        )
        rows = capacity(question)
        assert [(row["maximum"], row["since"], row["until"]) for row in rows] == [
            (2, question.since, changed),
            (10, changed, question.until),
        ]
        jobs = [job for job in world.ledger if job.pool == "big-linux"]
        cut = round((changed - world.begin).total_seconds())
        before = _levels([(job.started, job.ended) for job in jobs], round(since * 86_400), cut)
        assert rows[0]["running_seconds"] == sum(before)
        assert rows[0]["seconds_at_maximum"] == sum(level >= 2 for level in before)


def test_sums_made_again_are_the_same(world: World) -> None:
    def rows() -> list[Any]:
        return [
            list(model.objects.order_by("start", "pool").values_list(*names))
            for model, names in (
                (PoolSums, ("span", "start", "pool", "group_id", "jobs", "buckets", "run_seconds")),
                (WorkflowSums, ("start", "pool", "repository", "workflow", "jobs", "buckets")),
                (PoolLevels, ("span", "start", "pool", "parts")),
            )
        ]

    before = rows()
    hours = {
        job.queued_at.replace(minute=0, second=0) for job in Job.objects.all() if job.queued_at
    }
    account = Account.objects.get(slug="acme")
    StaleHour.objects.bulk_create(
        [StaleHour(account=account, hour=hour) for hour in hours], ignore_conflicts=True
    )
    while sum_stale(timezone.now()) > 8:
        pass
    for one, other in zip(before, rows(), strict=True):
        assert sorted(map(str, one)) == sorted(map(str, other))


def test_viewers_count_only_what_they_see(world: World, lead: User) -> None:
    org = Account.objects.get(slug="acme")
    limited, whole = viewer(org, 7), viewer(org, limited=False)
    for _, since, until in windows(world):
        jobs = world.within(since, until)
        for user, seen in (
            (lead, []),
            (limited, [job for job in jobs if GROUPS[job.pool] == 7]),
            (whole, [job for job in jobs if job.account == "acme"]),
        ):
            question = Question(user, since, until)
            for by in KEYS:
                assert sum(row["jobs"] for row in waits(question, by)) == len(seen)
                assert sum(row["jobs"] for row in usage(question, by)) == len(seen)
            pools = {row["pool"] for row in capacity(question)}
            assert pools == (set() if user is lead else {"big-linux", "big-linux-gpu"})


def test_the_number_of_queries_is_constant(world: World, admin: User) -> None:
    since, until = world.at(86_400), world.at(11 * 86_400)
    asks: list[Any] = [waits, usage, lambda question, by: capacity(question)]
    for ask in asks:
        counts = []
        for slug in ("globex", "acme"):
            account = Account.objects.get(slug=slug)
            with CaptureQueriesContext(connection) as context:
                ask(Question(admin, since, until, accounts=(account.pk,)), "pool")
            counts.append(len(context))
        # Jobs at both ends, sums of hours and days between: five pieces, depending on the hour.
        assert max(counts) <= 25


def test_filters_narrow(world: World, admin: User) -> None:
    runner = Runner.objects.get(name="deploy")
    job = Job.objects.filter(pool=runner).select_related("repository")[0]
    for _, since, until in windows(world):
        jobs = world.within(since, until)
        question = Question(admin, since, until, pools=(runner.pk,))
        assert sum(row["jobs"] for row in waits(question, "repository")) == sum(
            each.pool == "deploy" for each in jobs
        )
        question = Question(admin, since, until, repositories=(job.repository_id,))
        assert sum(row["jobs"] for row in usage(question, "pool")) == sum(
            each.repository == job.repository.name for each in jobs
        )
