"""What one webhook delivery or one REST answer says about a job, and how such facts are merged.

Pure. Facts of one job merge into one value whatever the order and however often: every field keeps
the smallest, the largest or the only value anybody told. `job_times` then derives when the job
wanted a machine, got one and ended.

Names of jobs, workflows, branches and labels are written by anybody who can open a pull request:
they are cleaned of what no database stores, and cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from functools import reduce

from runners_app.github import values

NAME_LIMIT, LABEL_LIMIT, MOST_LABELS = 200, 100, 20
# A job's first delivery within this of its creation was received as it happened.
LIVE = timedelta(seconds=30)
# A start that stays at the creation, although the machine took the job this much later, is not
# true.
UNBELIEVABLE = timedelta(seconds=60)


class Phase(IntEnum):
    """How far a job is. Later phases win; `waiting` is for an approval, `pending` for a concurrency
    group.
    """

    REQUESTED = 0
    PENDING = 1
    WAITING = 2
    QUEUED = 3
    IN_PROGRESS = 4
    COMPLETED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """All that is known about one job. Times are aware UTC, texts empty where nobody told.

    `started_at` is GitHub's word, taken from a running or completed job only: before that it
    repeats `created_at`. The `_seen_at` are times of our receipt, of deliveries received as they
    happened; `queued_again_at` is the last `queued`, `pending_seen_at` the last time REST said so.
    `copied`: untouched by a re-run, listed again by GitHub.
    """

    id: int
    phase: Phase = Phase.REQUESTED
    run_id: int = 0
    run_attempt: int = 1
    name: str = ""
    workflow_name: str = ""
    head_branch: str = ""
    labels: tuple[str, ...] = ()
    conclusion: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    first_step_at: datetime | None = None
    completed_at: datetime | None = None
    runner_id: int = 0
    runner_name: str = ""
    group_id: int = 0
    group_name: str = ""
    approval: bool = False
    waiting_seen_at: datetime | None = None
    queued_seen_at: datetime | None = None
    queued_again_at: datetime | None = None
    in_progress_seen_at: datetime | None = None
    pending_seen_at: datetime | None = None
    copied: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose job it is, as a delivery says: ids are 0 and names empty where it is silent."""

    repository_id: int
    repository: str  # owner/name
    organization: str
    enterprise: str
    installation_id: int


@dataclass(frozen=True, slots=True)
class JobTimes:
    """When a job wanted a machine, got one and ended; seconds of each wait. None: not yet, or
    never.

    `estimated`: GitHub's own times cannot be right, or a wait for approval ended unseen.
    `negative`: GitHub gave a start before the creation, which counts as no wait.
    """

    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    queue_seconds: float | None
    run_seconds: float
    approval_seconds: float
    concurrency_seconds: float
    estimated: bool
    negative: bool


def from_delivery(payload: object, received_at: datetime | None) -> JobFacts:
    """The facts of a `workflow_job` delivery. `received_at` is None if it did not come by itself as
    things happened.

    Raises `values.Unreadable` if it is not about a job that can be told from others.
    """
    said = values.must_be_object(payload)
    facts = _read(values.must_be_object(said.get("workflow_job")), _phase_of(said.get("action")))
    if facts.phase == Phase.WAITING:
        return replace(facts, waiting_seen_at=received_at)
    if facts.phase == Phase.QUEUED:
        return replace(facts, queued_seen_at=received_at, queued_again_at=received_at)
    if facts.phase == Phase.IN_PROGRESS:
        return replace(facts, in_progress_seen_at=received_at)
    return facts


def from_rest(
    job: object, observed_at: datetime, run_started_at: datetime | None = None
) -> JobFacts:
    """The facts of a job as REST answers it. `run_started_at` is that of the attempt the job was
    listed with.

    Raises `values.Unreadable` without an id. actions/get-job-for-workflow-run,
    actions/list-jobs-for-workflow-run.
    """
    said = values.must_be_object(job)
    facts = _read(said, _phase_of(said.get("status")))
    started_at = values.moment(said.get("started_at"))
    was_before = bool(run_started_at and started_at and started_at < run_started_at)
    return replace(
        facts,
        copied=facts.copied or (facts.run_attempt > 1 and was_before),
        pending_seen_at=observed_at if facts.phase == Phase.PENDING else None,
        waiting_seen_at=observed_at if facts.phase == Phase.WAITING else None,
    )


def origin(payload: object) -> Origin:
    """Whose job a delivery is about. Raises `values.Unreadable` if that is no JSON object."""
    said = values.must_be_object(payload)
    repository = values.mapping(said.get("repository"))
    owner = values.mapping(repository.get("owner")).get("login")
    organization = values.mapping(said.get("organization")).get("login") or owner
    return Origin(
        repository_id=_id(repository.get("id")),
        repository=_short(repository.get("full_name")) or _short(repository.get("name")),
        organization=_short(organization),
        enterprise=_short(values.mapping(said.get("enterprise")).get("slug")),
        installation_id=_id(values.mapping(said.get("installation")).get("id")),
    )


def merge(one: JobFacts, other: JobFacts) -> JobFacts:
    """All that both say. Commutative, associative and idempotent; ValueError for facts of two
    jobs.
    """
    if one.id != other.id:
        raise ValueError("These are facts of two jobs")
    return JobFacts(
        id=one.id,
        phase=max(one.phase, other.phase),
        run_id=max(one.run_id, other.run_id),
        run_attempt=max(one.run_attempt, other.run_attempt),
        name=max(one.name, other.name),
        workflow_name=max(one.workflow_name, other.workflow_name),
        head_branch=max(one.head_branch, other.head_branch),
        labels=max(one.labels, other.labels),
        conclusion=max(one.conclusion, other.conclusion),
        created_at=_earliest(one.created_at, other.created_at),
        started_at=_latest(one.started_at, other.started_at),
        first_step_at=_latest(one.first_step_at, other.first_step_at),
        completed_at=_latest(one.completed_at, other.completed_at),
        runner_id=max(one.runner_id, other.runner_id),
        runner_name=max(one.runner_name, other.runner_name),
        group_id=max(one.group_id, other.group_id),
        group_name=max(one.group_name, other.group_name),
        approval=one.approval or other.approval,
        waiting_seen_at=_earliest(one.waiting_seen_at, other.waiting_seen_at),
        queued_seen_at=_earliest(one.queued_seen_at, other.queued_seen_at),
        queued_again_at=_latest(one.queued_again_at, other.queued_again_at),
        in_progress_seen_at=_earliest(one.in_progress_seen_at, other.in_progress_seen_at),
        pending_seen_at=_latest(one.pending_seen_at, other.pending_seen_at),
        copied=one.copied or other.copied,
        lost=one.lost or other.lost,
    )


def merge_all(facts: Iterable[JobFacts]) -> JobFacts:
    """Like `merge`, of at least one."""
    return reduce(merge, facts)


def was_assigned(facts: JobFacts) -> bool:
    """Whether a machine took the job. Skipped jobs and those cancelled while queued never had
    one.
    """
    if facts.phase < Phase.IN_PROGRESS or facts.conclusion == "skipped":
        return False
    has_machine = bool(facts.runner_id or facts.runner_name or facts.first_step_at)
    return (
        has_machine or facts.in_progress_seen_at is not None or facts.conclusion in ("", "success")
    )


def job_times(facts: JobFacts) -> JobTimes:
    """Derive the times of a job from all that is known of it."""
    created_at = facts.created_at or facts.started_at
    completed_at = facts.completed_at
    if not was_assigned(facts):
        return _times_without_a_machine(facts, created_at)
    started_at, estimated = _start(facts, created_at)
    if started_at is None:
        return JobTimes(created_at, None, completed_at, None, 0.0, 0.0, 0.0, True, False)
    negative = created_at is not None and started_at < created_at
    earliest = min(created_at or started_at, started_at)
    wanted_at, wait_unknown = _wanted_at(facts, earliest, started_at)
    held = (wanted_at - earliest).total_seconds()
    return JobTimes(
        queued_at=wanted_at,
        started_at=started_at,
        completed_at=completed_at,
        queue_seconds=(started_at - wanted_at).total_seconds(),
        run_seconds=max(0.0, (completed_at - started_at).total_seconds()) if completed_at else 0.0,
        approval_seconds=held if facts.approval else 0.0,
        concurrency_seconds=0.0 if facts.approval else held,
        estimated=estimated or wait_unknown,
        negative=negative,
    )


def _times_without_a_machine(facts: JobFacts, created_at: datetime | None) -> JobTimes:
    """Of a job that waits, or that ended before any machine took it."""
    if created_at is None:
        return JobTimes(None, None, facts.completed_at, None, 0.0, 0.0, 0.0, True, False)
    ended_at = max(facts.completed_at, created_at) if facts.completed_at else None
    if ended_at is None and facts.phase < Phase.QUEUED:
        return JobTimes(None, None, None, None, 0.0, 0.0, 0.0, False, False)
    wanted_at, unknown = _wanted_at(facts, created_at, ended_at)
    held = (wanted_at - created_at).total_seconds()
    return JobTimes(
        queued_at=wanted_at,
        started_at=None,
        completed_at=ended_at,
        queue_seconds=None,
        run_seconds=0.0,
        approval_seconds=held if facts.approval else 0.0,
        concurrency_seconds=0.0 if facts.approval else held,
        estimated=unknown,
        negative=False,
    )


def _start(facts: JobFacts, created_at: datetime | None) -> tuple[datetime | None, bool]:
    """When the machine took the job, and whether that is an estimate from our own receipt."""
    started_at = _latest(facts.started_at, facts.first_step_at)
    seen_at, completed_at = facts.in_progress_seen_at, facts.completed_at
    if started_at is None:
        return seen_at or completed_at, True
    if facts.first_step_at or seen_at is None or created_at is None or started_at > created_at:
        return started_at, False
    first_seen_at = _earliest(facts.waiting_seen_at, facts.queued_seen_at)
    was_live = first_seen_at is not None and abs(first_seen_at - created_at) <= LIVE
    in_time = completed_at is None or seen_at <= completed_at + LIVE
    if not was_live or not in_time or seen_at - created_at <= UNBELIEVABLE:
        return started_at, False
    return min(seen_at, completed_at or seen_at), True


def _wanted_at(
    facts: JobFacts, created_at: datetime, started_at: datetime | None
) -> tuple[datetime, bool]:
    """When the job began to want a machine, after approval and concurrency group; and whether that
    is a guess.
    """
    if not facts.approval and facts.pending_seen_at is None:
        return created_at, False
    held_at = facts.waiting_seen_at if facts.approval else facts.pending_seen_at
    receipts = [at for at in (facts.queued_seen_at, facts.queued_again_at) if at is not None]
    after = [at for at in receipts if held_at is None or at >= held_at]
    # Nobody saw the approval end: none of the wait may count as queue time.
    unseen = started_at if facts.approval else held_at
    wanted_at = min(after) if after else unseen
    if wanted_at is None:
        return created_at, True
    is_guess = not after or (started_at is not None and wanted_at > started_at)
    return max(created_at, min(wanted_at, started_at or wanted_at)), is_guess


def _read(job: Mapping[str, object], phase: Phase) -> JobFacts:
    running, completed = phase >= Phase.IN_PROGRESS, phase == Phase.COMPLETED
    created_at = values.moment(job.get("created_at"))
    completed_at = values.moment(job.get("completed_at")) if completed else None
    run_attempt = max(1, values.count(job.get("run_attempt")) or 1)
    ended_before = bool(completed_at and created_at and completed_at < created_at)
    skipped = job.get("conclusion") == "skipped"
    return JobFacts(
        id=values.identity(job.get("id")),
        phase=phase,
        run_id=_id(job.get("run_id")),
        run_attempt=run_attempt,
        name=_short(job.get("name")),
        workflow_name=_short(job.get("workflow_name")),
        head_branch=_short(job.get("head_branch")),
        labels=_labels(job.get("labels")),
        conclusion=values.clean(values.text(job.get("conclusion")), 20) if completed else "",
        created_at=created_at,
        started_at=values.moment(job.get("started_at")) if running else None,
        first_step_at=_first_step(job.get("steps")) if running else None,
        completed_at=completed_at,
        runner_id=_id(job.get("runner_id")) if running else 0,
        runner_name=_short(job.get("runner_name")) if running else "",
        group_id=_id(job.get("runner_group_id")) if running else 0,
        group_name=_short(job.get("runner_group_name")) if running else "",
        approval=phase == Phase.WAITING,
        copied=run_attempt > 1 and ended_before and not skipped,
    )


_PHASES = {phase.name.lower(): phase for phase in Phase}


def _phase_of(word: object) -> Phase:
    """From a delivery's `action` (its `status` may lag behind) or REST's `status`."""
    phase = _PHASES.get(word) if isinstance(word, str) else None
    if phase is None:
        raise values.Unreadable("what happened to the job is missing")
    return phase


def _first_step(steps: object) -> datetime | None:
    """When the first step, "Set up job", began."""
    first = next(iter(values.items(steps)), None)
    return values.moment(values.mapping(first).get("started_at"))


def _labels(labels: object) -> tuple[str, ...]:
    """What `runs-on` asked for. Empty for jobs that ask for a group alone."""
    texts = [values.clean(values.text(label), LABEL_LIMIT) for label in values.items(labels)]
    return tuple(label for label in texts[:MOST_LABELS] if label)


def _short(value: object) -> str:
    """Texts alone: GitHub writes 0 for a machine's name that is not known."""
    return values.clean(value, NAME_LIMIT) if isinstance(value, str) else ""


def _id(value: object) -> int:
    """0 for null, an empty text and whatever else is no id; GitHub writes all three for the
    same.
    """
    return max(0, values.optional_identity(value) or 0)


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other
