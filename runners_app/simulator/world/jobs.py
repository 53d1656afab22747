"""Workflow jobs: planned as a whole when they are created, so that what truly happens is known.

All times are wall-clock epoch seconds. Jobs live in memory only: the history of thirty days is made
again from the seed, with the same ids, and later ids follow the clock.
"""

import heapq
import random
from dataclasses import asdict, dataclass, field
from typing import Any

from runners_app.simulator.world.state import Account, Group, Repository, Runner, World

DAY = 86_400
FIRST_ID, IDS_PER_SECOND, IDS_SINCE = 50_000_000_000, 100, 1_700_000_000
WORKFLOWS = {
    "CI": ("build", "unit tests", "integration tests", "lint"),
    "Release": ("package", "publish"),
    "Nightly": ("end-to-end", "benchmarks"),
}
BRANCHES = ("main", "main", "main", "feature/search", "renovate/all", "fix-flaky-test")
STANDARD_LABELS = ("ubuntu-latest", "windows-latest", "ubuntu-24.04-arm")
# How likely each trap is, unless a control says otherwise.
USUAL_TRAPS = {
    "approval": 0.02,
    "cancelled": 0.02,
    "group_only": 0.1,
    "negative": 0.02,
    "no_such_label": 0.004,
    "skipped": 0.04,
    "standard": 0.15,
}
TRAPS = frozenset(
    {*USUAL_TRAPS, "duplicate", "lost", "out_of_order", "rerun_copies", "stuck_start"}
)


@dataclass
class Job:
    """What truly happens to one job. ``started_on`` None: no machine ever takes it."""

    id: int
    run_id: int
    run_attempt: int
    account: str
    organization: str
    repository_id: int
    repository: str
    workflow: str
    name: str
    branch: str
    labels: list[str]
    group_id: int
    group_name: str
    pool_id: int | None
    pool: str | None
    machine_id: int
    machine: str
    created_on: float
    queued_on: float
    started_on: float | None
    completed_on: float
    conclusion: str
    traps: list[str]
    copy_of: int | None = None


@dataclass
class Run:
    id: int
    account: str
    repository_id: int
    workflow: str
    branch: str
    created_on: float
    attempts: list[float] = field(default_factory=list)
    """When each attempt started."""
    jobs: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where a job may run: a pool and its group as the organization knows it."""

    pool: Runner
    owner: str
    group: Group


@dataclass
class Jobs:
    """All jobs, the load, and how likely each trap is."""

    dice: random.Random
    per_minute: float = 0.0
    traps: dict[str, float] = field(default_factory=lambda: dict(USUAL_TRAPS))
    run_seconds: tuple[float, float] = (20.0, 400.0)
    start_seconds: tuple[float, float] = (2.0, 25.0)
    cancelled_after_seconds: float = 90.0
    rerun_after_seconds: float = 30.0
    jobs: dict[int, Job] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    owed: float = 0.0
    looked_on: float = 0.0
    busy: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    last_id: int = 0

    def next_id(self, at: float) -> int:
        """Ids grow with the clock, so that a restart repeats none."""
        floor = FIRST_ID + int((at - IDS_SINCE) * IDS_PER_SECOND)
        self.last_id = max(self.last_id + 1, floor)
        return self.last_id

    def happens(self, trap: str) -> bool:
        return self.dice.random() < self.traps.get(trap, 0.0)


def add_history(world: World, jobs: Jobs, days: int, most: int) -> None:
    """Runs of the days before the world began, more of them by day and in the week."""
    organizations = list(world.organizations())
    moments: list[float] = []
    while organizations and len(moments) < most // 4:
        at = world.started_on - jobs.dice.random() * days * DAY
        hour, weekday = at // 3600 % 24, (at // DAY + 3) % 7
        if jobs.dice.random() < (1.0 if 7 <= hour < 18 else 0.25) * (1.0 if weekday < 5 else 0.2):
            moments.append(at)
    for at in sorted(moments):
        if len(jobs.jobs) + 5 <= most:
            add_run(world, jobs, jobs.dice.choice(organizations), at)


def tick(world: World, jobs: Jobs, now: float) -> list[Job]:
    """Create what the load asks for since the last look. Returns the new jobs."""
    passed = max(0.0, now - (jobs.looked_on or now))
    jobs.looked_on = now
    jobs.owed += passed * jobs.per_minute / 60
    organizations = [account for account in world.organizations() if account.runners]
    new: list[Job] = []
    while jobs.owed >= 1 and organizations:
        made = add_run(world, jobs, jobs.dice.choice(organizations), now)
        jobs.owed -= max(1, len(made))
        new += made
    return new


def add_run(world: World, jobs: Jobs, account: Account, at: float) -> list[Job]:
    """A run of some workflow of some repository, with all its jobs."""
    dice, places = jobs.dice, places_of(world, account)
    if not places or not account.repositories:
        return []
    repository = _favourite(dice, list(account.repositories.values()))
    workflow = dice.choices(list(WORKFLOWS), (6, 2, 1))[0]
    run = Run(
        jobs.next_id(at), account.key, repository.id, workflow, dice.choice(BRANCHES), at, [at]
    )
    jobs.runs[run.id] = run
    names = WORKFLOWS[workflow]
    made = [_add_job(jobs, account, repository, run, name, places, at) for name in names]
    if jobs.happens("rerun_copies"):
        made += _run_again(jobs, account, repository, run, made, places)
    return made


def _add_job(
    jobs: Jobs,
    account: Account,
    repository: Repository,
    run: Run,
    name: str,
    places: list[Place],
    at: float,
) -> Job:
    dice = jobs.dice
    place = _favourite(dice, places)
    traps = [trap for trap in sorted(TRAPS) if jobs.happens(trap)]
    standard, nowhere = "standard" in traps, "no_such_label" in traps
    skipped = "skipped" in traps
    created = float(int(at + dice.uniform(0, 3)))
    queued = created + (float(dice.randint(30, 600)) if "approval" in traps else 0.0)
    lasts = min(dice.expovariate(1 / sum(jobs.run_seconds) * 2), jobs.run_seconds[1])
    lasts = float(round(max(jobs.run_seconds[0], lasts)))
    started = _take_machine(jobs, place, queued, lasts)
    if standard:
        started = queued + float(dice.randint(1, 6))
    never = skipped or nowhere or "cancelled" in traps
    completed = started + lasts
    if never:
        completed = created + (0.0 if skipped else jobs.cancelled_after_seconds)
    if "negative" in traps and not never and queued == created:
        started = created - 1
    labels = [dice.choice(STANDARD_LABELS)] if standard else [place.pool.name]
    labels = ["no-such-machine"] if nowhere else labels
    number = jobs.next_id(at)
    machine = f"{place.pool.name}_{dice.getrandbits(48):012x}"
    if dice.random() < 0.5:
        machine = f"{place.pool.name.lower()}-{1_000_000_000 + number % 1_000_000_000}"
    job = Job(
        id=number,
        run_id=run.id,
        run_attempt=len(run.attempts),
        account=account.key,
        organization=account.slug,
        repository_id=repository.id,
        repository=f"{account.slug}/{repository.name}",
        workflow=run.workflow,
        name=name,
        branch=run.branch,
        labels=[] if ("group_only" in traps and not standard) or skipped else labels,
        group_id=2 if standard else place.group.id,
        group_name="GitHub Actions" if standard else place.group.name,
        pool_id=None if standard or nowhere else place.pool.id,
        pool=None if standard or nowhere else place.pool.name,
        machine_id=number % 1_000_000_007,
        machine=f"GitHub Actions {number % 1_000_000_007}" if standard else machine,
        created_on=created,
        queued_on=queued,
        started_on=None if never else started,
        completed_on=completed,
        conclusion=_conclusion(dice, traps),
        traps=traps,
    )
    jobs.jobs[job.id] = job
    run.jobs.append(job.id)
    return job


def _conclusion(dice: random.Random, traps: list[str]) -> str:
    if "skipped" in traps:
        return "skipped"
    if "cancelled" in traps or "no_such_label" in traps:
        return "cancelled"
    return "success" if dice.random() < 0.9 else "failure"


def _take_machine(jobs: Jobs, place: Place, queued: float, lasts: float) -> float:
    """When a machine of the pool takes the job: at once if one is free, else when one becomes
    so.
    """
    free = jobs.busy.setdefault((place.owner, place.pool.id), [])
    while free and free[0] <= queued:
        heapq.heappop(free)
    ready = queued + float(round(jobs.dice.uniform(*jobs.start_seconds)))
    most = max(1, place.pool.maximum_runners)
    while len(free) >= most:
        ready = max(ready, heapq.heappop(free))
    heapq.heappush(free, ready + lasts)
    return ready


def _run_again(
    jobs: Jobs,
    account: Account,
    repository: Repository,
    run: Run,
    first: list[Job],
    places: list[Place],
) -> list[Job]:
    """Re-run the first job: the others are copied into the new attempt, with their old times."""
    at = max(job.completed_on for job in first) + jobs.rerun_after_seconds
    run.attempts.append(at)
    made = [_add_job(jobs, account, repository, run, first[0].name, places, at)]
    for job in first[1:]:
        copy = Job(**{**asdict(job), "id": jobs.next_id(at), "run_attempt": 2, "copy_of": job.id})
        jobs.jobs[copy.id] = copy
        run.jobs.append(copy.id)
        made.append(copy)
    return made


def places_of(world: World, account: Account) -> list[Place]:
    """Pools of the organization, and those of its enterprise in groups it inherits."""
    own = [
        Place(runner, account.key, account.groups[runner.group_id])
        for runner in account.runners.values()
        if runner.group_id in account.groups and runner.deleted_at is None
    ]
    enterprise = world.enterprise_of(account)
    if enterprise is None:
        return own
    shared = {group.inherited_from: group for group in account.groups.values()}
    lent = [
        Place(runner, enterprise.key, shared[runner.group_id])
        for runner in enterprise.runners.values()
        if runner.group_id in shared and runner.deleted_at is None
    ]
    return own + lent


def _favourite(dice: random.Random, things: list[Any]) -> Any:
    """A few are used much more than the others."""
    return things[min(int(dice.expovariate(4 / len(things))), len(things) - 1)]


def status_of(job: Job, now: float) -> str:
    if now >= job.completed_on:
        return "completed"
    if job.started_on is not None and now >= job.started_on:
        return "in_progress"
    return "waiting" if now < job.queued_on else "queued"
