"""Hours and days that changed, summed again from jobs. Summing again gives the same rows."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from runners_app.jobs import histogram, rollups
from runners_app.jobs.maxima import Maxima, maxima_of
from runners_app.jobs.rollups import Counts
from runners_app.jobs.slo import slo_seconds
from runners_app.models import (
    Job,
    JobsVersion,
    PoolLevels,
    PoolSums,
    Runner,
    StaleHour,
    WorkflowSums,
)
from runners_app.models.jobs import JobQuerySet, Span

LONGEST_SECONDS = 30.0
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Key = tuple[int, int]  # pool and group


def hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(at: datetime) -> datetime:
    return hour_of(at).replace(hour=0)


def sum_stale(now: datetime, most_hours: int = 500) -> int:
    """Sum the hours that changed, newest first, and the days they lie in once these are over.
    Returns how many.
    """
    _mark_running_hours(now)
    stale = list(StaleHour.objects.order_by("-hour").values_list("account", "hour")[:most_hours])
    by_day: dict[tuple[int, datetime], list[datetime]] = defaultdict(list)
    for account, hour in stale:
        by_day[account, day_of(hour)].append(hour)
    began = time.monotonic()
    for (account, day), hours in by_day.items():
        started = time.monotonic()
        sum_hours(account, hours)
        if day + DAY <= now:
            sum_day(account, day)
        if time.monotonic() - began > LONGEST_SECONDS:
            break
        # SQLite has one writer at a time, and the others need their turn.
        time.sleep(min(1.0, time.monotonic() - started))
    return len(stale)


def _mark_running_hours(now: datetime) -> None:
    """The running hour grows as long as a job is open, and the one before it must be ended
    properly.
    """
    since = hour_of(now) - HOUR
    known = JobsVersion.objects.filter(
        Q(last_event_at__gte=since) | Q(account__in=Job.objects.open().values("account"))
    )
    rows = [
        StaleHour(account_id=account, hour=hour)
        for account in known.values_list("account", flat=True)
        for hour in (since, since + HOUR)
    ]
    StaleHour.objects.bulk_create(rows, ignore_conflicts=True)


def sum_hours(account: int, hours: Sequence[datetime]) -> None:
    """Write the rows of some hours of one day of one account, in one transaction."""
    with transaction.atomic():
        JobsVersion.objects.select_for_update(no_key=True).filter(account=account).first()
        StaleHour.objects.filter(account=account, hour__in=hours).delete()
        since, until = min(hours), max(hours) + HOUR
        jobs = summed_jobs().filter(account=account)
        started: dict[datetime, list[Job]] = {hour: [] for hour in hours}
        for job in _started(jobs, since, until):
            if job.started_at and (hour := hour_of(job.started_at)) in started:
                started[hour].append(job)
        _write_pool_sums(account, Span.HOUR, started)
        _write_levels(_pools_in(jobs, since, until), Span.HOUR, hours, HOUR)


def sum_day(account: int, day: datetime) -> None:
    """Write the rows of one whole day of one account, in one transaction."""
    with transaction.atomic():
        JobsVersion.objects.select_for_update(no_key=True).filter(account=account).first()
        jobs = summed_jobs().filter(account=account)
        started = list(_started(jobs, day, day + DAY))
        _write_pool_sums(account, Span.DAY, {day: started})
        _write_workflow_sums(account, day, started)
        _write_levels(_pools_in(jobs, day, day + DAY), Span.DAY, [day], DAY)


def summed_jobs() -> JobQuerySet:
    """Jobs that count: on larger runners or nobody knows where, neither copied nor lost."""
    return Job.objects.real().on_larger()


def _pools_in(jobs: JobQuerySet, since: datetime, until: datetime) -> set[int]:
    found = jobs.overlapping(since, until).exclude(pool=None)
    return set(found.order_by().values_list("pool", flat=True).distinct())


def _started(jobs: JobQuerySet, since: datetime, until: datetime) -> JobQuerySet:
    fields = (
        "pool_id",
        "group_id",
        "pool_account_id",
        "pool_group_id",
        "repository_id",
        "workflow_id",
        "queued_at",
        "started_at",
        "ended_at",
        "queue_seconds",
        "run_seconds",
        "estimated",
        "approval_seconds",
    )
    return jobs.filter(started_at__gte=since, started_at__lt=until).only(*fields)


def spans_of(jobs: Iterable[Job], slos: dict[int, int]) -> list[rollups.Span]:
    return [
        rollups.Span(
            queued_at=job.queued_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            queue_seconds=job.queue_seconds,
            run_seconds=job.run_seconds,
            slo_seconds=slos.get(job.pool_id or 0),
            estimated=job.estimated,
            approval_seconds=job.approval_seconds,
        )
        for job in jobs
    ]


def _write_pool_sums(account: int, span: Span, started: dict[datetime, list[Job]]) -> None:
    by_key: dict[tuple[datetime, int, int], list[Job]] = defaultdict(list)
    for start, jobs in started.items():
        for job in jobs:
            by_key[start, job.pool_id or 0, job.group_id or 0].append(job)
    slos = slo_seconds(pool for _, pool, _ in by_key)
    PoolSums.objects.filter(account=account, span=span, start__in=started).delete()
    PoolSums.objects.bulk_create(
        PoolSums(span=span, **_columns(account, start, jobs, slos))
        for (start, _, _), jobs in by_key.items()
    )


def _write_workflow_sums(account: int, start: datetime, jobs: Iterable[Job]) -> None:
    by_key: dict[tuple[int, int, int, int], list[Job]] = defaultdict(list)
    for job in jobs:
        key = (job.pool_id or 0, job.group_id or 0, job.repository_id, job.workflow_id or 0)
        by_key[key].append(job)
    slos = slo_seconds(key[0] for key in by_key)
    WorkflowSums.objects.filter(account=account, start=start).delete()
    WorkflowSums.objects.bulk_create(
        WorkflowSums(repository_id=key[2], workflow=key[3], **_columns(account, start, jobs, slos))
        for key, jobs in by_key.items()
    )


def _columns(
    account: int, start: datetime, jobs: list[Job], slos: dict[int, int]
) -> dict[str, object]:
    """What rows of sums have in common, of jobs of one pool and group."""
    first, sums = jobs[0], rollups.counts(spans_of(jobs, slos))
    return {
        "account_id": account,
        "start": start,
        "pool": first.pool_id or 0,
        "group_id": first.group_id or 0,
        "pool_account_id": first.pool_account_id,
        "pool_group_id": first.pool_group_id,
        "last_job_at": max(job.started_at for job in jobs if job.started_at),
        **_numbers(sums),
    }


def _numbers(sums: Counts) -> dict[str, object]:
    return {
        "jobs": sums.jobs,
        "over_slo": sums.over_slo,
        "estimated": sums.estimated,
        "run_seconds": sums.run_seconds,
        "billable_minutes": sums.billable_minutes,
        "approval_seconds": sums.approval_seconds,
        "longest": sums.longest,
        "buckets": histogram.as_text(sums.buckets),
    }


def _write_levels(
    pools: set[int], span: Span, starts: Sequence[datetime], length: timedelta
) -> None:
    runners = list(Runner.objects.filter(pk__in=pools))
    maxima = maxima_of(runners)
    jobs: dict[int, list[Job]] = defaultdict(list)
    found = summed_jobs().filter(pool__in=pools).overlapping(min(starts), max(starts) + length)
    columns = ("pool_id", "group_id", "pool_group_id", "queued_at", "started_at", "ended_at")
    for job in found.only(*columns):
        jobs[job.pool_id or 0].append(job)
    now, rows = timezone.now(), []
    for runner in runners:
        for start in starts:
            end = min(start + length, now)
            mine = [job for job in jobs[runner.pk] if _overlaps(job, start, end)]
            if mine:
                parts = parts_of(mine, start, end, maxima[runner.pk])
                group = _only_group(mine)
                rows.append(
                    PoolLevels(pool=runner, span=span, start=start, group_id=group, parts=parts)
                )
    PoolLevels.objects.filter(pool__in=pools, span=span, start__in=starts).delete()
    PoolLevels.objects.bulk_create(rows)


def _overlaps(job: Job, since: datetime, until: datetime) -> bool:
    ended = job.ended_at is not None and job.ended_at <= since
    return job.queued_at is not None and job.queued_at < until and not ended


def _only_group(jobs: list[Job]) -> int | None:
    """The group, as the pool's own account knows it, if all jobs had the same."""
    groups = {job.group_id if job.pool_group_id is None else job.pool_group_id for job in jobs}
    return groups.pop() if len(groups) == 1 else None


def parts_of(jobs: list[Job], start: datetime, end: datetime, maxima: Maxima) -> list[list[object]]:
    """`PoolLevels.parts`."""
    return [
        [
            (level.since - start).total_seconds(),
            (level.until - start).total_seconds(),
            level.maximum,
            level.running,
            level.demand,
        ]
        for level in rollups.levels(spans_of(jobs, {}), start, end, maxima)
    ]
