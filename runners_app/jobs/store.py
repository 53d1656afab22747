"""Facts into rows: the one place that writes jobs.

Under the lock of the account's `JobsVersion`, so that two workers never merge into one row at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from runners_app.jobs.attribution import Pool, kind_of, pool_asked_for, pool_that_ran
from runners_app.jobs.normalise import JobFacts, Phase, job_times, merge, was_assigned
from runners_app.jobs.pools import pools_of
from runners_app.models import Account, Job, JobRepository, JobsVersion, JobWorkflow, StaleHour

HOUR = timedelta(hours=1)
MOST_STALE = timedelta(days=7)  # longer than any job waits and runs


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody told of one job, of which repository, and when."""

    facts: JobFacts
    repository_id: int
    repository: str
    at: datetime
    by_rest: bool = False


def apply(account: Account, told: Sequence[Told]) -> int:
    """Merge what was told into the account's jobs, in one transaction. Returns how many jobs
    changed.
    """
    with transaction.atomic():
        version, _ = JobsVersion.objects.get_or_create(account=account)
        JobsVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
        changed = _write(account, told)
        JobsVersion.objects.filter(pk=version.pk).update(
            last_event_at=max(tell.at for tell in told),
            **({"version": F("version") + 1} if changed else {}),
        )
    return changed


def _write(account: Account, told: Sequence[Told]) -> int:
    repositories = _repositories(account, told)
    facts: dict[int, JobFacts] = {}
    latest: dict[int, Told] = {}
    for tell in told:
        known = facts.get(tell.facts.id)
        facts[tell.facts.id] = merge(known, tell.facts) if known else tell.facts
        latest[tell.facts.id] = tell
    rows = {job.github_id: job for job in Job.objects.filter(account=account, github_id__in=facts)}
    missing = {row.workflow_id for row in rows.values() if row.workflow_id}
    names = dict(JobWorkflow.objects.filter(pk__in=missing).values_list("pk", "name"))
    before = {id_: facts_of(row, names.get(row.workflow_id or 0, "")) for id_, row in rows.items()}
    after = {id_: merge(before[id_], new) if id_ in before else new for id_, new in facts.items()}
    told_of = {id_: repositories[latest[id_].repository_id] for id_ in after}
    workflows = _workflows({(told_of[id_].pk, fact.workflow_name) for id_, fact in after.items()})
    pools = pools_of(account)
    changed, hours = [], set[datetime]()
    for id_, fact in after.items():
        row = rows.get(id_)
        if row is not None:
            if before[id_] == fact and not latest[id_].by_rest and (row.pool_id or not pools):
                continue
            hours |= set(_hours(row))
        else:
            row = Job(account=account, github_id=id_, repository=told_of[id_])
        row.workflow_id = workflows.get((told_of[id_].pk, fact.workflow_name))
        if latest[id_].by_rest:
            row.verified_at = latest[id_].at
        _fill(row, fact, pools)
        hours |= set(_hours(row))
        changed.append(row)
    Job.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["account", "github_id"],
        update_fields=UPDATED,
        batch_size=500,
    )
    mark_stale(account, hours)
    return len(changed)


def mark_stale(account: Account, hours: Iterable[datetime]) -> None:
    rows = [StaleHour(account=account, hour=hour) for hour in sorted(hours)]
    StaleHour.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)


def _repositories(account: Account, told: Sequence[Told]) -> dict[int, JobRepository]:
    """Each repository that was named, with its newest name."""
    newest: dict[int, Told] = {}
    for tell in told:
        if tell.repository_id not in newest or newest[tell.repository_id].at <= tell.at:
            newest[tell.repository_id] = tell
    rows = {
        row.github_id: row
        for row in JobRepository.objects.filter(account=account, github_id__in=newest)
    }
    new = [
        JobRepository(account=account, github_id=id_, name=tell.repository, named_at=tell.at)
        for id_, tell in newest.items()
        if id_ not in rows
    ]
    if new:
        JobRepository.objects.bulk_create(new, ignore_conflicts=True)
        found = JobRepository.objects.filter(account=account, github_id__in=newest)
        rows = {row.github_id: row for row in found}
    for id_, tell in newest.items():
        row = rows[id_]
        if tell.repository and row.name != tell.repository and row.named_at <= tell.at:
            row.name, row.named_at = tell.repository, tell.at
            row.save(update_fields=["name", "named_at"])
    return rows


def _workflows(wanted: set[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Primary keys by repository and name; jobs of workflows without a name have none."""
    named = {pair for pair in wanted if pair[1]}

    def known() -> dict[tuple[int, str], int]:
        rows = JobWorkflow.objects.filter(
            repository__in={pk for pk, _ in named}, name__in={name for _, name in named}
        )
        return {(row.repository_id, row.name): row.pk for row in rows}

    found = known() if named else {}
    if missing := sorted(named - set(found)):
        rows = [JobWorkflow(repository_id=pk, name=name) for pk, name in missing]
        JobWorkflow.objects.bulk_create(rows, ignore_conflicts=True)
        found = known()
    return found


def _fill(row: Job, facts: JobFacts, pools: Sequence[Pool]) -> None:
    """The facts, and what follows from them. The pool that ran a job is kept once known: pools are
    renamed.
    """
    keeps_pool = row.pool_id is not None and row.machine_group_id is not None
    _write_facts(row, facts)
    if not keeps_pool:
        ran = was_assigned(facts)
        pool = pool_that_ran(facts, pools) if ran else pool_asked_for(facts, pools)
        row.kind = kind_of(facts, pool)
        row.pool_id = pool.id if pool else None
        row.group_id = facts.group_id or (pool.group_id if pool else None)
        row.pool_account_id = pool.owner if pool else None
        row.pool_group_id = pool.owner_group_id if pool else None
    times = job_times(facts)
    row.queued_at, row.started_at, row.ended_at = (
        times.queued_at,
        times.started_at,
        times.completed_at,
    )
    row.is_long = _is_long(row)
    row.queue_seconds, row.run_seconds = times.queue_seconds, times.run_seconds
    row.approval_seconds = times.approval_seconds
    row.concurrency_seconds = times.concurrency_seconds
    row.estimated, row.negative = times.estimated, times.negative


def _is_long(row: Job) -> bool:
    if row.queued_at is None or row.ended_at is None or row.started_at is None:
        return row.ended_at is None or (row.queued_at is not None and row.ended_at > row.queued_at)
    return row.ended_at - row.queued_at > Job.LONG


def _write_facts(row: Job, facts: JobFacts) -> None:
    row.phase = facts.phase
    row.run_id, row.run_attempt = facts.run_id, facts.run_attempt
    row.name, row.head_branch = facts.name, facts.head_branch
    row.labels, row.conclusion = list(facts.labels), facts.conclusion
    row.created_at, row.said_started_at = facts.created_at, facts.started_at
    row.first_step_at, row.completed_at = facts.first_step_at, facts.completed_at
    row.machine_id, row.machine_name = facts.runner_id or None, facts.runner_name
    row.machine_group_id, row.group_name = facts.group_id or None, facts.group_name
    row.approval, row.waiting_seen_at = facts.approval, facts.waiting_seen_at
    row.queued_seen_at, row.queued_again_at = facts.queued_seen_at, facts.queued_again_at
    row.in_progress_seen_at = facts.in_progress_seen_at
    row.pending_seen_at = facts.pending_seen_at
    row.copied, row.lost = facts.copied, facts.lost


def facts_of(row: Job, workflow: str) -> JobFacts:
    """The facts a row holds; `workflow` is the name of its workflow."""
    return JobFacts(
        id=row.github_id,
        phase=Phase(row.phase),
        run_id=row.run_id,
        run_attempt=row.run_attempt,
        name=row.name,
        workflow_name=workflow,
        head_branch=row.head_branch,
        labels=tuple(row.labels),
        conclusion=row.conclusion,
        created_at=row.created_at,
        started_at=row.said_started_at,
        first_step_at=row.first_step_at,
        completed_at=row.completed_at,
        runner_id=row.machine_id or 0,
        runner_name=row.machine_name,
        group_id=row.machine_group_id or 0,
        group_name=row.group_name,
        approval=row.approval,
        waiting_seen_at=row.waiting_seen_at,
        queued_seen_at=row.queued_seen_at,
        queued_again_at=row.queued_again_at,
        in_progress_seen_at=row.in_progress_seen_at,
        pending_seen_at=row.pending_seen_at,
        copied=row.copied,
        lost=row.lost,
    )


UPDATED = [
    field.attname.removesuffix("_id") if field.is_relation else field.attname
    for field in Job._meta.concrete_fields
    if field.name not in ("id", "account", "github_id", "repository")
]


def _hours(row: Job) -> Iterator[datetime]:
    """The hours in which the job waited or ran. While it does, the running hour is summed each
    minute anyway.
    """
    start = row.queued_at or row.started_at
    if start is None:
        return
    end = row.ended_at or row.started_at or start
    hour = start.replace(minute=0, second=0, microsecond=0)
    while hour <= end and hour - start < MOST_STALE:
        yield hour
        hour += HOUR
