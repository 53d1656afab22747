"""Hourly and daily sums of jobs. Pure: the same jobs give the same rows, however often they are
summed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runners_app.jobs import histogram


@dataclass(frozen=True, slots=True)
class Span:
    """What the sums need of a job. `queued_at` is when it began to want a machine; None ends are
    still open.
    """

    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None  # completed, lost, or cancelled while it waited
    queue_seconds: float | None = None
    run_seconds: float = 0.0
    slo_seconds: int | None = None
    estimated: bool = False
    approval_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums of jobs that started in some time."""

    jobs: int = 0
    over_slo: int = 0
    estimated: int = 0
    run_seconds: float = 0.0
    billable_minutes: int = 0
    queue_seconds: float = 0.0
    approval_seconds: float = 0.0
    longest: float = 0.0
    buckets: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Levels:
    """Seconds at each number of busy machines (`running`) and of jobs that run or wait
    (`demand`).
    """

    since: datetime
    until: datetime
    maximum: int | None
    running: dict[int, float]
    demand: dict[int, float]


def billable_minutes(run_seconds: float, *, started: bool = True) -> int:
    """Whole minutes, rounded up, at least one; none for a job that never started."""
    return math.ceil(max(1.0, run_seconds) / 60) if started else 0


def counts(jobs: Iterable[Span]) -> Counts:
    """Sum jobs, each of which started."""
    jobs = list(jobs)
    waits = [job.queue_seconds or 0.0 for job in jobs]
    over = [
        job
        for job in jobs
        if job.slo_seconds is not None and (job.queue_seconds or 0.0) > job.slo_seconds
    ]
    completed = [job for job in jobs if job.ended_at is not None]
    return Counts(
        jobs=len(jobs),
        over_slo=len(over),
        estimated=sum(job.estimated for job in jobs),
        run_seconds=sum(job.run_seconds for job in jobs),
        billable_minutes=sum(billable_minutes(job.run_seconds) for job in completed),
        queue_seconds=sum(waits),
        approval_seconds=sum(job.approval_seconds for job in jobs),
        longest=max(waits, default=0.0),
        buckets=histogram.count(waits),
    )


def levels(
    jobs: Sequence[Span],
    since: datetime,
    until: datetime,
    maxima: Sequence[tuple[datetime, int | None]],
) -> list[Levels]:
    """Seconds at each level in [since, until), split where the maximum changed.

    `maxima` are (from when, how many), by time; the first holds for all time before, too.
    """
    parts = split(since, until, maxima)
    return [_levels(jobs, start, end, maximum) for start, end, maximum in parts]


def split(
    since: datetime, until: datetime, maxima: Sequence[tuple[datetime, int | None]]
) -> list[tuple[datetime, datetime, int | None]]:
    """The window in parts of one maximum each."""
    maximum = maxima[0][1] if maxima else None
    parts: list[tuple[datetime, datetime, int | None]] = []
    start = since
    for at, value in maxima:
        if at > start and value != maximum:
            if at >= until:
                break
            parts.append((start, at, maximum))
            start = at
        maximum = value
    if start < until:
        parts.append((start, until, maximum))
    return parts


def _levels(jobs: Sequence[Span], since: datetime, until: datetime, maximum: int | None) -> Levels:
    runs = [(job.started_at, job.ended_at) for job in jobs if job.started_at is not None]
    demands = [(job.queued_at or job.started_at, job.ended_at) for job in jobs]
    return Levels(
        since=since,
        until=until,
        maximum=maximum,
        running=seconds_at_levels(runs, since, until),
        demand=seconds_at_levels(demands, since, until),
    )


def seconds_at_levels(
    intervals: Iterable[tuple[datetime | None, datetime | None]], since: datetime, until: datetime
) -> dict[int, float]:
    """How long how many of the intervals [start, end) lay over each other, within [since,
    until).
    """
    changes: Counter[datetime] = Counter()
    for start, end in intervals:
        first, last = max(start or since, since), min(end or until, until)
        if first < last:
            changes[first] += 1
            changes[last] -= 1
    level, at, seconds = 0, since, Counter[int]()
    for moment in sorted(changes):
        seconds[level] += (moment - at).total_seconds()  # type: ignore[assignment] # floats add as well
        level, at = level + changes[moment], moment
    seconds[level] += (until - at).total_seconds()  # type: ignore[assignment]
    return {level: time for level, time in sorted(seconds.items()) if time > 0}


def peak(seconds: dict[int, float]) -> int:
    return max(seconds, default=0)


def level_percentile(seconds: dict[int, float], percent: float) -> int:
    """The smallest level at or below which at least `percent` of the time was spent."""
    total, seen = sum(seconds.values()), 0.0
    for level in sorted(seconds):
        seen += seconds[level]
        if seen >= total * percent / 100 - 1e-6:
            return level
    return 0


def merged_levels(many: Iterable[dict[int, float]]) -> dict[int, float]:
    total: dict[int, float] = {}
    for seconds in many:
        for level, time in seconds.items():
            total[level] = total.get(level, 0.0) + time
    return total


def running_seconds(seconds: dict[int, float]) -> float:
    """Machine seconds: each level times its seconds."""
    return sum(level * time for level, time in seconds.items())


def seconds_at_maximum(seconds: dict[int, float], maximum: int | None) -> float:
    """How long the pool was full. 0 where the maximum is unknown or none."""
    if not maximum:
        return 0.0
    return sum(time for level, time in seconds.items() if level >= maximum)
