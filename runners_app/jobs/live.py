"""The live queue: who waits now, since when and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.utils import timezone

from runners_app.jobs import histogram
from runners_app.jobs.attribution import STANDARD_GROUP
from runners_app.jobs.normalise import Phase
from runners_app.jobs.queries import Question
from runners_app.jobs.sums import day_of
from runners_app.models import Job, PoolSums, Runner
from runners_app.models.jobs import Span

UNVERIFIED_AFTER = timedelta(minutes=30)
USUAL_DAYS = 30


class Cause(StrEnum):
    """Why a job waits, in the order in which causes are looked for."""

    APPROVAL = "approval"
    CONCURRENCY = "concurrency"
    POOL_NOT_READY = "pool_not_ready"
    POOL_FULL = "pool_full"
    NO_SUCH_LABEL = "no_such_label"
    GITHUB_SLOW = "github_slow"
    UNKNOWN = "unknown"


@dataclass
class QueueRow:
    """One pool, or jobs of one account whose pool is unknown, by what they ask for.

    `waiting` counts jobs that want a machine; if none does, those held by an approval or a
    concurrency group.
    """

    account: str
    account_pk: int
    pool: Runner | None
    asks_for: str = ""
    running: int = 0
    waiting: int = 0
    held: int = 0
    oldest_at: datetime | None = None
    oldest: Job | None = None
    cause: Cause | None = None
    unverified: int = 0
    jobs: list[Job] = field(default_factory=list)

    def oldest_seconds(self, now: datetime) -> float | None:
        return None if self.oldest_at is None else max(0.0, (now - self.oldest_at).total_seconds())


def queue(question: Question, now: datetime | None = None) -> list[QueueRow]:
    """One row per pool the user sees, and one per account and label for jobs no pool is known of.

    Labels that no pool has stand on top, then who waits longest, then busy pools, then idle ones.
    """
    now = now or timezone.now()
    rows = _idle_rows(question)
    unknown: dict[tuple[int, str], QueueRow] = {}
    jobs = (
        question.jobs().open().select_related("account", "pool__account", "repository", "workflow")
    )
    for job in jobs.order_by("queued_at", "created_at"):
        row = rows.get(job.pool_id or 0)
        if row is None:
            asks_for = ", ".join(job.labels) or job.group_name
            pool = job.pool
            key = (job.pool_id or 0, "") if pool else (-job.account_id, asks_for)
            owner = pool.account if pool else job.account
            row = unknown.setdefault(key, QueueRow(str(owner), owner.pk, pool, asks_for))
        row.jobs.append(job)
    found = [*rows.values(), *unknown.values()]
    usual = _usual_p95([row.pool.pk for row in found if row.pool and row.jobs], now)
    for row in found:
        _judge(row, usual, now)
    return sorted(found, key=lambda row: _order(row, now))


def as_row(row: QueueRow, now: datetime) -> dict[str, Any]:
    """The row as the API gives it."""
    seconds = row.oldest_seconds(now)
    return {
        "account": row.account,
        "pool": row.pool.name if row.pool else None,
        "running": row.running,
        "waiting": row.waiting,
        "oldest_wait_seconds": None if seconds is None else round(seconds, 3),
        "maximum": row.pool.maximum_runners if row.pool else None,
        "cause": row.cause.value if row.cause else None,
        "asks_for": row.asks_for or None,
    }


def _idle_rows(question: Question) -> dict[int, QueueRow]:
    runners = question.runners().present().select_related("account")
    return {
        runner.pk: QueueRow(str(runner.account), runner.account_id, runner)
        for runner in runners.order_by("account__slug", "name")
    }


def _judge(row: QueueRow, usual: dict[int, float], now: datetime) -> None:
    running = [job for job in row.jobs if job.started_at is not None]
    held = [job for job in row.jobs if job.started_at is None and _is_held(job)]
    wanting = [job for job in row.jobs if job.started_at is None and not _is_held(job)]
    row.running, row.held = len(running), len(held)
    waiting = wanting or held
    row.waiting = len(waiting)
    row.unverified = sum(_is_unverified(job, now) for job in row.jobs)
    if waiting:
        row.oldest = min(waiting, key=lambda job: _since(job, now))
        row.oldest_at = _since(row.oldest, now)
        row.cause = _cause(row, row.oldest, usual, now)


def _is_held(job: Job) -> bool:
    return job.phase < Phase.QUEUED


def _since(job: Job, now: datetime) -> datetime:
    return job.queued_at or job.created_at or now


def _is_unverified(job: Job, now: datetime) -> bool:
    """Told of half an hour ago, and neither a delivery nor REST has said anything since."""
    told_at = max(
        filter(None, (job.verified_at, job.started_at, job.queued_at, job.created_at)), default=now
    )
    return now - told_at > UNVERIFIED_AFTER


def _cause(row: QueueRow, job: Job, usual: dict[int, float], now: datetime) -> Cause:
    if job.phase == Phase.WAITING:
        return Cause.APPROVAL
    if job.phase == Phase.PENDING or _is_pending_again(job):
        return Cause.CONCURRENCY
    pool = row.pool
    if pool is None:
        asks_for_group = not job.labels or job.group_name.casefold() == STANDARD_GROUP
        return Cause.UNKNOWN if asks_for_group else Cause.NO_SUCH_LABEL
    if pool.gone_at or pool.status != "Ready":
        return Cause.POOL_NOT_READY
    if pool.maximum_runners is not None and row.running >= pool.maximum_runners:
        return Cause.POOL_FULL
    p95 = usual.get(pool.pk)
    if p95 is not None and (now - _since(job, now)).total_seconds() > p95:
        return Cause.GITHUB_SLOW
    return Cause.UNKNOWN


def _is_pending_again(job: Job) -> bool:
    """A webhook said queued, and REST has said since that it waits for its concurrency group."""
    pending, queued = job.pending_seen_at, job.queued_again_at
    return pending is not None and (queued is None or pending > queued)


def _usual_p95(pools: list[int], now: datetime) -> dict[int, float]:
    """What 95 % of jobs of each pool waited at most in the last 30 days."""
    buckets: dict[int, list[dict[int, int]]] = defaultdict(list)
    since = day_of(now) - timedelta(days=USUAL_DAYS)
    rows = PoolSums.objects.filter(pool__in=pools, span=Span.DAY, start__gte=since)
    for pool, text in rows.values_list("pool", "buckets"):
        buckets[pool].append(histogram.from_text(text))
    merged = {pool: histogram.merged(many) for pool, many in buckets.items()}
    return {pool: histogram.percentile(counts, 95) or 0.0 for pool, counts in merged.items()}


def _order(row: QueueRow, now: datetime) -> tuple[bool, float, int, str, str]:
    seconds = row.oldest_seconds(now)
    return (
        row.cause != Cause.NO_SUCH_LABEL,
        -1.0 * seconds if seconds is not None else 1.0,
        -row.running,
        row.account,
        row.pool.name if row.pool else "",
    )
