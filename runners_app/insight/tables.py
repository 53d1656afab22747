"""The tables of the pages about jobs, as pages show them and exports take them away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from runners_app.jobs import live
from runners_app.jobs.queries import Question, Row, capacity, waits
from runners_app.jobs.slo import slo_seconds
from runners_app.models import Job, PoolSlo, PoolSums
from runners_app.models.jobs import Span
from runners_app.web.downloads import Row as Cells

NAMES = ("account", "group", "pool", "repository", "workflow")
WAITS = (*NAMES, "jobs", "p50", "p90", "p95", "max", "over_slo", "slo_seconds", "estimated")
USAGE = (*NAMES, "jobs", "run_seconds", "billable_minutes", "estimated_usd", "last_job_at")
CAPACITY = (
    "account", "pool", "since", "until", "maximum", "peak", "p99", "seconds_at_maximum",
    "peak_demand", "running_seconds",
)  # fmt: skip
QUEUE = ("account", "pool", "running", "waiting", "oldest_wait_seconds", "maximum", "cause")
JOBS = (
    "account", "repository", "workflow", "job", "pool", "queued_at", "started_at", "ended_at",
    "queue_seconds", "run_seconds", "conclusion", "estimated", "github_id", "run_id",
)  # fmt: skip
RAISE_ABOVE = 0.01
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
FEW_FACTS = timedelta(days=30)


def waits_with_before(question: Question, by: str) -> list[Row]:
    """Each row with the p95 of the period before."""
    before = {_key(row): row for row in waits(question.before, by)}
    rows = waits(question, by)
    for row in rows:
        earlier = before.get(_key(row))
        row["p95_before"] = earlier["p95"] if earlier else None
    return rows


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row["pks"].values())


def cells(rows: Iterable[Row], columns: tuple[str, ...]) -> list[Cells]:
    return [tuple(row[name] for name in columns) for row in rows]


def queue_cells(question: Question) -> list[Cells]:
    now = timezone.now()
    rows = [live.as_row(row, now) for row in live.queue(question, now)]
    return cells(rows, QUEUE)


def job_cells(jobs: Iterable[Job]) -> Iterable[Cells]:
    for job in jobs:
        yield (
            str(job.account),
            job.repository.name,
            job.workflow.name if job.workflow else None,
            job.name,
            job.pool.name if job.pool else None,
            job.queued_at,
            job.started_at,
            job.ended_at,
            job.queue_seconds,
            job.run_seconds,
            job.conclusion,
            job.estimated,
            job.github_id,
            job.run_id,
        )


@dataclass(frozen=True)
class Advice:
    """What the numbers of a pool suggest. `maximum` is set if it should be raised."""

    words: str
    maximum: int | None = None


def capacity_with_advice(question: Question) -> list[Row]:
    """Each row with `share_at_maximum` and `advice`; pools that were full for longest come
    first.
    """
    rows = capacity(question)
    pools = {row["pks"]["pool"] for row in rows}
    p95s = {row["pks"]["pool"]: row["p95"] for row in waits(question, "pool")}
    slos = slo_seconds(pools)
    kept = dict(
        PoolSlo.objects.filter(pool__in=pools)
        .exclude(keep_because="")
        .values_list("pool_id", "keep_because")
    )
    for row in rows:
        seconds = (row["until"] - row["since"]).total_seconds()
        row["share_at_maximum"] = row["seconds_at_maximum"] / seconds if seconds else 0.0
        pool = row["pks"]["pool"]
        row["p95"] = p95s.get(pool)
        row["advice"] = _advice(row, slos.get(pool), kept.get(pool), seconds)
    return sorted(rows, key=lambda row: (-row["share_at_maximum"], -row["peak"], row["pool"]))


def _advice(row: Row, slo: int | None, kept: str | None, seconds: float) -> Advice | None:
    maximum = row["maximum"]
    if maximum is None:
        return None
    is_slow = slo is not None and row["p95"] is not None and row["p95"] > slo
    if row["share_at_maximum"] > RAISE_ABOVE and is_slow and row["peak_demand"] > maximum:
        if kept:
            return Advice(f"Kept, because {kept}")
        return Advice(f"Raise to {row['peak_demand']}", row["peak_demand"])
    if row["peak"] * 2 < maximum and seconds >= FEW_FACTS.total_seconds():
        return Advice("Under half of the maximum")
    return None


@dataclass(frozen=True)
class HeatCell:
    """Jobs that started in one hour of one weekday; `level` from 0 to 4 is how bad it was."""

    weekday: str
    hour: int
    jobs: int
    over: int

    @property
    def share(self) -> float:
        return self.over / self.jobs if self.jobs else 0.0

    @property
    def level(self) -> int:
        return 0 if not self.over else 1 + sum(self.share > limit for limit in (0.05, 0.2, 0.5))


@dataclass(frozen=True)
class OfHour:
    start: datetime
    jobs: int
    over: int


def hours_of(question: Question) -> list[OfHour]:
    """Jobs and those over the SLO, hour by hour, from sums: one row per hour however many pools."""
    rows = question.sums(PoolSums).filter(
        span=Span.HOUR, start__gte=question.since, start__lt=question.until
    )
    summed = rows.values("start").annotate(jobs_sum=Sum("jobs"), over_sum=Sum("over_slo"))
    return [
        OfHour(row["start"], row["jobs_sum"], row["over_sum"]) for row in summed.order_by("start")
    ]


def heat_map(hours: list[OfHour]) -> list[tuple[str, list[HeatCell]]]:
    """By weekday, 24 cells each, in UTC."""
    sums: dict[tuple[int, int], tuple[int, int]] = {}
    for each in hours:
        key = (each.start.weekday(), each.start.hour)
        jobs, over = sums.get(key, (0, 0))
        sums[key] = (jobs + each.jobs, over + each.over)
    return [
        (name, [HeatCell(name, hour, *sums.get((day, hour), (0, 0))) for hour in range(24)])
        for day, name in enumerate(WEEKDAYS)
    ]


def trend(hours: list[OfHour]) -> list[int]:
    """Percent over the SLO, day by day (or hour by hour in short windows), for a small line."""
    by_day = len(hours) > 48
    sums: dict[datetime, tuple[int, int]] = {}
    for each in hours:
        start = each.start.replace(hour=0) if by_day else each.start
        jobs, over = sums.get(start, (0, 0))
        sums[start] = (jobs + each.jobs, over + each.over)
    return [round(100 * over / jobs) if jobs else 0 for _, (jobs, over) in sorted(sums.items())]
