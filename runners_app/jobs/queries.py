"""What pages and the API ask about jobs: waits, capacity, usage, and who waits now.

Everything starts from what the user may see. Windows up to seven days are read from jobs and exact;
longer ones from daily and hourly sums, with jobs at the edges alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Case, Count, F, Max, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Ceil, Coalesce, Greatest
from django.utils import timezone

from runners_app.jobs import histogram, rollups
from runners_app.jobs.maxima import maxima_of
from runners_app.jobs.prices import USD_PER_MINUTE
from runners_app.jobs.rollups import Levels
from runners_app.jobs.slo import slo_seconds
from runners_app.jobs.sums import DAY, HOUR, day_of, hour_of, spans_of
from runners_app.models import (
    Account,
    Job,
    JobRepository,
    JobsVersion,
    JobWorkflow,
    PoolLevels,
    PoolSums,
    Runner,
    RunnerGroup,
    WorkflowSums,
)
from runners_app.models.jobs import JobQuerySet, Span, Sums
from runners_app.models.runners import RunnerQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import User

EXACT = timedelta(days=7)
BY = ("pool", "group", "repository", "workflow", "account")
DAILY = ("repository", "workflow")
FEW = 20
NUMBERS = ("jobs", "over_slo", "estimated", "run_seconds", "billable_minutes", "approval_seconds")
Key = tuple[int, ...]
Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """Which jobs: seen by `user`, started in [since, until), and of which accounts, pools and so on
    (empty: all).
    """

    user: User | AnonymousUser
    since: datetime
    until: datetime
    accounts: tuple[int, ...] = ()
    pools: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()  # primary keys of runner groups
    repositories: tuple[int, ...] = ()
    workflows: tuple[int, ...] = ()

    @property
    def before(self) -> Question:
        """The same for the period just before."""
        return replace(self, since=self.since - (self.until - self.since), until=self.since)

    @cached_property
    def group_keys(self) -> Q:
        rows = RunnerGroup.objects.visible_to(self.user).filter(pk__in=self.groups)
        wanted = Q(pk__in=[])
        for account, github_id in rows.values_list("account_id", "github_id"):
            wanted |= Q(account=account, group_id=github_id)
            wanted |= Q(pool_account=account, pool_group_id=github_id)
        return wanted

    def jobs(self) -> JobQuerySet:
        """Of any time."""
        rows: JobQuerySet = Job.objects.visible_to(self.user).real().on_larger()
        if self.accounts:
            rows = rows.filter(Q(account__in=self.accounts) | Q(pool_account__in=self.accounts))
        if self.pools:
            rows = rows.filter(pool__in=self.pools)
        if self.groups:
            rows = rows.filter(self.group_keys)
        if self.repositories:
            rows = rows.filter(repository__in=self.repositories)
        if self.workflows:
            rows = rows.filter(workflow__in=self.workflows)
        return rows

    def started(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> QuerySet[Job]:
        since, until = since or self.since, until or self.until
        return self.jobs().filter(started_at__gte=since, started_at__lt=until)

    def sums(self, model: type[PoolSums] | type[WorkflowSums]) -> QuerySet[Any]:
        """Of any time."""
        rows: QuerySet[Any] = model.objects.visible_to(self.user)
        if self.accounts:
            rows = rows.filter(Q(account__in=self.accounts) | Q(pool_account__in=self.accounts))
        if self.pools:
            rows = rows.filter(pool__in=self.pools)
        if self.groups:
            rows = rows.filter(self.group_keys)
        if self.repositories:
            rows = rows.filter(repository__in=self.repositories)
        if self.workflows:
            rows = rows.filter(workflow__in=self.workflows)
        return rows

    def runners(self) -> RunnerQuerySet:
        """Pools the user sees, also those gone since."""
        rows: RunnerQuerySet = Runner.objects.visible_to(self.user)
        if self.accounts:
            rows = rows.filter(account__in=self.accounts)
        if self.pools:
            rows = rows.filter(pk__in=self.pools)
        if self.groups:
            wanted = Q(pk__in=[])
            groups = RunnerGroup.objects.visible_to(self.user).filter(pk__in=self.groups)
            for account, github_id in groups.values_list("account_id", "github_id"):
                wanted |= Q(account=account, group_id=github_id)
            rows = rows.filter(wanted)
        return rows


@dataclass
class Total:
    """Sums of the jobs of one row. `values` counts exact queue seconds, `buckets` those known to 1
    %.
    """

    jobs: int = 0
    over_slo: int = 0
    estimated: int = 0
    run_seconds: float = 0.0
    billable_minutes: int = 0
    approval_seconds: float = 0.0
    longest: float = 0.0
    usd: float | None = None
    last_job_at: datetime | None = None
    values: Counter[float] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, numbers: Row, usd_per_minute: float | None) -> None:
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + (numbers[name] or 0))
        self.longest = max(self.longest, numbers["longest"] or 0.0)
        last = numbers["last_job_at"]
        self.last_job_at = max(self.last_job_at or last, last)
        if usd_per_minute is not None:
            self.usd = (self.usd or 0.0) + usd_per_minute * (numbers["billable_minutes"] or 0)

    def few(self) -> list[float]:
        """Every queue time, if there are too few for percentiles to say much."""
        if self.jobs >= FEW:
            return []
        middles = Counter({histogram.middle(index): n for index, n in self.buckets.items()})
        return _spread(self.values + middles)

    def percentile(self, percent: float) -> float | None:
        """Nearest rank: exact while only jobs were read."""
        if not self.buckets:
            rank, seen = histogram.nearest_rank(self.values.total(), percent), 0
            for seconds in sorted(self.values):
                seen += self.values[seconds]
                if seen >= rank:
                    return seconds
            return None
        merged = Counter(self.buckets)
        for seconds, number in self.values.items():
            merged[histogram.bucket(seconds)] += number
        value = histogram.percentile(merged, percent)
        return None if value is None else min(value, self.longest)


def _spread(counts: Counter[float]) -> list[float]:
    return sorted(counts.elements())


def waits(question: Question, by: str) -> list[Row]:
    """Percentiles of queue seconds, the longest first by p95. `over_slo` is a share from 0 to 1."""
    totals = totals_by(question, by)
    names = Names(question.user, by, totals)
    rows = []
    for key, total in totals.items():
        rows.append(
            {
                **names.of(key),
                "jobs": total.jobs,
                "p50": _rounded(total.percentile(50)),
                "p90": _rounded(total.percentile(90)),
                "p95": _rounded(total.percentile(95)),
                "max": _rounded(total.longest),
                "over_slo": round(total.over_slo / total.jobs, 6) if total.jobs else 0.0,
                "slo_seconds": names.slo(key),
                "estimated": total.estimated,
                "approval_seconds": _rounded(total.approval_seconds),
                "few": total.few(),
            }
        )
    return sorted(rows, key=lambda row: (-(row["p95"] or 0), -row["jobs"]))


def usage(question: Question, by: str) -> list[Row]:
    """Jobs, seconds, billable minutes and what they cost at list prices (None where no price is
    known).
    """
    totals = totals_by(question, by)
    names = Names(question.user, by, totals)
    rows = []
    for key, total in totals.items():
        rows.append(
            {
                **names.of(key),
                "jobs": total.jobs,
                "run_seconds": _rounded(total.run_seconds),
                "billable_minutes": total.billable_minutes,
                "estimated_usd": None if total.usd is None else round(total.usd, 4),
                "last_job_at": total.last_job_at,
            }
        )
    return sorted(rows, key=lambda row: (-row["billable_minutes"], -row["jobs"]))


def totals_by(question: Question, by: str) -> dict[Key, Total]:
    """Sums per pool, group, repository, workflow or account. ValueError for another word."""
    if by not in BY:
        raise ValueError(f"{by} is none of {', '.join(BY)}")
    totals: dict[Key, Total] = defaultdict(Total)
    prices = Prices()
    if question.until - question.since <= EXACT:
        _add_jobs(totals, question.started(), by, prices)
        return dict(totals)
    daily = bool(by in DAILY or question.repositories or question.workflows)
    for start, end, span in pieces(question.since, question.until, timezone.now(), daily):
        if span is None:
            _add_jobs(totals, question.started(start, end), by, prices)
        else:
            _add_sums(totals, question, by, prices, start, end, span)
    return dict(totals)


def pieces(
    since: datetime, until: datetime, now: datetime, daily: bool
) -> list[tuple[datetime, datetime, str | None]]:
    """The window in whole days and hours that are summed, and jobs (None) for the rest.

    Sums by repository and workflow are `daily` alone; the running hour and day are read from jobs.
    """
    first_hour, last_hour = _up(since, HOUR), min(hour_of(until), hour_of(now) - HOUR)
    first_day, last_day = _up(since, DAY), min(day_of(until), day_of(now))
    if first_day >= last_day:
        return [(since, until, None)]
    found: list[tuple[datetime, datetime, str | None]] = [(first_day, last_day, Span.DAY)]
    if daily:
        found += [(since, first_day, None), (last_day, until, None)]
    else:
        last_hour = max(last_hour, last_day)
        found += [
            (since, first_hour, None),
            (first_hour, first_day, Span.HOUR),
            (last_day, last_hour, Span.HOUR),
            (last_hour, until, None),
        ]
    return [(start, end, span) for start, end, span in found if start < end]


def _up(at: datetime, step: timedelta) -> datetime:
    down = day_of(at) if step == DAY else hour_of(at)
    return down if down == at else down + step


# --- From jobs

_KEYS: dict[str, tuple[str, ...]] = {
    "account": ("account_id",),
    "pool": ("pool_id", "account_id"),
    "group": ("account_id", "group_id", "pool_account_id", "pool_group_id"),
    "repository": ("repository_id",),
    "workflow": ("repository_id", "workflow_id"),
}
_MINUTES = Ceil(Greatest(F("run_seconds"), Value(1.0)) / Value(60.0))


def _add_jobs(totals: dict[Key, Total], jobs: QuerySet[Job], by: str, prices: Prices) -> None:
    """Add jobs, counted in SQL by their exact queue seconds: these are whole as a rule, so that
    they are few.
    """
    dimensions = dict.fromkeys((*_KEYS[by], "pool_id"))
    rows = jobs.values(*dimensions, "queue_seconds").annotate(
        jobs=Count("pk"),
        estimated_jobs=Count("pk", filter=Q(estimated=True)),
        seconds=Sum("run_seconds"),
        minutes=Sum(Case(When(ended_at=None, then=Value(0.0)), default=_MINUTES)),
        approval=Sum("approval_seconds"),
        last=Max("started_at"),
    )
    rows = list(rows.order_by())
    slos = slo_seconds({row["pool_id"] or 0 for row in rows})
    prices.learn({row["pool_id"] for row in rows})
    for row in rows:
        queue_seconds = row["queue_seconds"] or 0.0
        over = queue_seconds > slos.get(row["pool_id"] or 0, slos[0])
        total = totals[_key(by, row)]
        total.values[queue_seconds] += row["jobs"]
        numbers = {
            "jobs": row["jobs"],
            "over_slo": row["jobs"] if over else 0,
            "estimated": row["estimated_jobs"],
            "run_seconds": row["seconds"],
            "billable_minutes": round(row["minutes"] or 0),
            "approval_seconds": row["approval"],
            "longest": queue_seconds,
            "last_job_at": row["last"],
        }
        total.add(numbers, prices.of(row["pool_id"]))


def _add_sums(
    totals: dict[Key, Total],
    question: Question,
    by: str,
    prices: Prices,
    start: datetime,
    end: datetime,
    span: str,
) -> None:
    daily = bool(by in DAILY or question.repositories or question.workflows)
    model: type[Sums] = WorkflowSums if daily else PoolSums
    rows = question.sums(WorkflowSums if daily else PoolSums).filter(
        start__gte=start, start__lt=end
    )
    if not daily:
        rows = rows.filter(span=span)
    names = ["account_id", "pool", "group_id", "pool_account_id", "pool_group_id"]
    names += ["repository_id", "workflow"] if model is WorkflowSums else []
    found = list(rows.values(*names, *NUMBERS, "longest", "last_job_at", "buckets"))
    prices.learn({row["pool"] for row in found})
    for row in found:
        row["pool_id"], row["workflow_id"] = row["pool"] or None, row.get("workflow") or None
        total = totals[_key(by, row)]
        total.buckets.update(histogram.from_text(row["buckets"]))
        total.add(row, prices.of(row["pool_id"]))


def _key(by: str, row: Row) -> Key:
    """Pools by their key alone, because a job may be an organization's and the pool an
    enterprise's.
    """
    if by == "pool":
        return (row["pool_id"], 0) if row["pool_id"] else (0, row["account_id"])
    if by == "group":
        if row["pool_account_id"]:
            return (row["pool_account_id"], row["pool_group_id"] or 0)
        return (row["account_id"], row["group_id"] or 0)
    return tuple(row[name] or 0 for name in _KEYS[by])


class Prices:
    """US dollars per minute of a pool's machines, read once for each pool."""

    def __init__(self) -> None:
        self._known: dict[int | None, float | None] = {None: None, 0: None}

    def learn(self, pools: Iterable[int | None]) -> None:
        missing = {pool for pool in pools if pool and pool not in self._known}
        rows = Runner.objects.filter(pk__in=missing).values_list("pk", "platform", "size")
        self._known.update(dict.fromkeys(missing))
        for pk, platform, size in rows:
            self._known[pk] = USD_PER_MINUTE.get((platform, size))

    def of(self, pool: int | None) -> float | None:
        return self._known.get(pool)


@dataclass(frozen=True)
class PoolUsage:
    """What would be missed if a pool went away."""

    days: int
    repositories: int
    jobs: int
    billable_minutes: int
    last_job_at: datetime | None


def usage_of_pool(user: User | AnonymousUser, pool: int, days: int = 30) -> PoolUsage:
    """Of the last days, and only of jobs the user sees."""
    now = timezone.now()
    question = Question(user, now - timedelta(days=days), now, pools=(pool,))
    totals = totals_by(question, "repository").values()
    return PoolUsage(
        days=days,
        repositories=len(totals),
        jobs=sum(total.jobs for total in totals),
        billable_minutes=sum(total.billable_minutes for total in totals),
        last_job_at=max((t.last_job_at for t in totals if t.last_job_at), default=None),
    )


# --- Names


class Names:
    """The names of what rows are about, read together. All are of jobs the user sees."""

    def __init__(self, user: User | AnonymousUser, by: str, keys: Iterable[Key]) -> None:
        self._by, keys = by, list(keys)
        self._pools: dict[int, Runner] = {}
        self._repositories: dict[int, JobRepository] = {}
        self._workflows: dict[int, str] = {}
        self._slos: dict[int, int] = {}
        accounts = set[int]()
        if by == "pool":
            self._pools = Runner.objects.in_bulk({key[0] for key in keys if key[0]})
            self._slos = slo_seconds(self._pools)
            accounts = {pool.account_id for pool in self._pools.values()} | {key[1] for key in keys}
        elif by in ("group", "account"):
            accounts = {key[0] for key in keys}
        else:
            found = JobRepository.objects.in_bulk({key[0] for key in keys})
            self._repositories = found
            accounts = {repository.account_id for repository in found.values()}
        if by == "workflow":
            rows = JobWorkflow.objects.filter(pk__in={key[1] for key in keys})
            self._workflows = dict(rows.values_list("pk", "name"))
        self._accounts = Account.objects.in_bulk(accounts)
        groups = RunnerGroup.objects.filter(account__in=accounts)
        self._groups: dict[tuple[int, int], tuple[int, str]] = {}
        if by in ("pool", "group"):
            for pk, account, github_id, name in groups.values_list(
                "pk", "account_id", "github_id", "name"
            ):
                self._groups[account, github_id] = (pk, name)

    def of(self, key: Key) -> Row:
        """The five names, None where one is unknown or not asked for, and `pks` of what they
        name.
        """
        account = group = pool = repository = workflow = None
        if self._by == "pool":
            pool = self._pools.get(key[0])
            account = self._accounts.get(pool.account_id if pool else key[1])
            group = self._groups.get((pool.account_id, pool.group_id or 0)) if pool else None
        elif self._by == "group":
            account, group = self._accounts.get(key[0]), self._groups.get((key[0], key[1]))
        elif self._by == "account":
            account = self._accounts.get(key[0])
        else:
            repository = self._repositories.get(key[0])
            account = self._accounts.get(repository.account_id) if repository else None
            workflow = key[1] if self._by == "workflow" else None
        return {
            "account": str(account) if account else None,
            "group": group[1] if group else None,
            "pool": pool.name if pool else None,
            "repository": repository.name if repository else None,
            "workflow": self._workflows.get(workflow or 0),
            "pks": {
                "account": account.pk if account else None,
                "group": group[0] if group else None,
                "pool": pool.pk if pool else None,
                "repository": repository.pk if repository else None,
                "workflow": workflow or None,
            },
        }

    def slo(self, key: Key) -> int | None:
        """Only pools have one; the unknown pool is judged as Linux."""
        return self._slos.get(key[0]) if self._by == "pool" else None


# --- Capacity


def capacity(question: Question) -> list[Row]:
    """How many machines were busy, one row per pool and maximum. Pools that are gone only if jobs
    ran.
    """
    now = timezone.now()
    since, until = question.since, min(question.until, now)
    if since >= until:
        return []
    runners = list(question.runners().select_related("account").order_by("account__slug", "name"))
    levels = levels_of(question, runners, since, until)
    rows = []
    for runner in runners:
        parts = levels[runner.pk]
        if runner.gone_at and not any(rollups.peak(part.demand) for part in parts):
            continue
        rows += [_capacity_row(runner, part) for part in parts]
    return rows


def _capacity_row(runner: Runner, part: Levels) -> Row:
    full = rollups.seconds_at_maximum(part.running, part.maximum)
    return {
        "account": str(runner.account),
        "pool": runner.name,
        "since": part.since,
        "until": part.until,
        "maximum": part.maximum,
        "peak": rollups.peak(part.running),
        "p99": rollups.level_percentile(part.running, 99),
        "seconds_at_maximum": _rounded(full),
        "peak_demand": rollups.peak(part.demand),
        "running_seconds": _rounded(rollups.running_seconds(part.running)),
        "pks": {"account": runner.account_id, "pool": runner.pk},
    }


def levels_of(
    question: Question, runners: Sequence[Runner], since: datetime, until: datetime
) -> dict[int, list[Levels]]:
    """Seconds at each level, in parts of one maximum each, by the pool's primary key."""
    maxima = maxima_of(runners)
    if until - since <= EXACT:
        jobs = jobs_of_pools(question, runners, since, until)
        return {
            runner.pk: rollups.levels(
                spans_of(jobs[runner.pk], {}), since, until, maxima[runner.pk]
            )
            for runner in runners
        }
    return _levels_from_sums(question, runners, since, until)


def jobs_of_pools(
    question: Question, runners: Sequence[Runner], since: datetime, until: datetime
) -> dict[int, list[Job]]:
    """The jobs of each pool that waited or ran in [since, until)."""
    found: dict[int, list[Job]] = defaultdict(list)
    visible = Job.objects.visible_to(question.user).real().on_larger()
    rows = visible.filter(pool__in=[runner.pk for runner in runners]).overlapping(since, until)
    # All that a span is made of: a deferred field would cost a query per job.
    fields = ("queue_seconds", "run_seconds", "estimated", "approval_seconds")
    for job in rows.only("pool_id", "queued_at", "started_at", "ended_at", *fields):
        found[job.pool_id or 0].append(job)
    return found


def _levels_from_sums(
    question: Question, runners: Sequence[Runner], since: datetime, until: datetime
) -> dict[int, list[Levels]]:
    """Whole days and hours from sums, the edges from jobs. Time without a row was idle."""
    maxima = maxima_of(runners)
    parts = {
        runner.pk: [
            Levels(start, end, maximum, {}, {})
            for start, end, maximum in rollups.split(since, until, maxima[runner.pk])
        ]
        for runner in runners
    }
    groups = _groups_to_see(question, runners)
    for start, end, span in pieces(since, until, timezone.now(), daily=False):
        if span is None:
            jobs = jobs_of_pools(question, runners, start, end)
            for runner in runners:
                found = rollups.levels(spans_of(jobs[runner.pk], {}), start, end, maxima[runner.pk])
                for level in found:
                    _add_levels(parts[runner.pk], level)
            continue
        rows = PoolLevels.objects.filter(pool__in=parts, span=span, start__gte=start, start__lt=end)
        for pool, group, begin, told in rows.values_list("pool", "group_id", "start", "parts"):
            if pool in groups and groups[pool] != group:
                continue
            for level in _read_parts(begin, told):
                _add_levels(parts[pool], level)
    for levels in parts.values():
        for level in levels:
            _fill_idle(level.running, level)
            _fill_idle(level.demand, level)
    return parts


def _groups_to_see(question: Question, runners: Sequence[Runner]) -> dict[int, int | None]:
    """For pools in accounts the user sees only in part: the group whose jobs alone may be
    counted.
    """
    user = question.user
    whole = set(Account.objects.visible_to(user).fully_visible().values_list("pk", flat=True))
    return {runner.pk: runner.group_id for runner in runners if runner.account_id not in whole}


def _read_parts(start: datetime, told: list[list[Any]]) -> list[Levels]:
    return [
        Levels(
            start + timedelta(seconds=since),
            start + timedelta(seconds=until),
            maximum,
            {int(level): seconds for level, seconds in running.items()},
            {int(level): seconds for level, seconds in demand.items()},
        )
        for since, until, maximum, running, demand in told
    ]


def _add_levels(parts: list[Levels], level: Levels) -> None:
    """Add to the part that holds its middle; both are split where the maximum changed."""
    middle = level.since + (level.until - level.since) / 2
    for part in parts:
        if part.since <= middle < part.until:
            for mine, theirs in ((part.running, level.running), (part.demand, level.demand)):
                for number, seconds in theirs.items():
                    mine[number] = mine.get(number, 0.0) + seconds
            return


def _fill_idle(seconds: dict[int, float], level: Levels) -> None:
    missing = (level.until - level.since).total_seconds() - sum(seconds.values())
    if missing > 1e-6:
        seconds[0] = seconds.get(0, 0.0) + missing


# --- As of when


def as_of(question: Question) -> datetime | None:
    """When a job of the accounts in question was last told of."""
    rows = JobsVersion.objects.filter(
        account__in=Account.objects.visible_to(question.user).values("pk")
    )
    if question.accounts:
        rows = rows.filter(account__in=question.accounts)
    latest: datetime | None = rows.aggregate(latest=Max("last_event_at"))["latest"]
    return latest


def version_for(user: User | AnonymousUser) -> str:
    """What live pages poll: changes whenever jobs of an account the user sees did."""
    rows = JobsVersion.objects.filter(account__in=Account.objects.visible_to(user).values("pk"))
    sums = rows.aggregate(number=Count("pk"), total=Coalesce(Sum("version"), 0))
    return f"{sums['number']}-{sums['total']}"


def _rounded(seconds: float | None) -> float | None:
    """Milliseconds are the finest anything here is known to."""
    if seconds is None:
        return None
    rounded = round(seconds, 3)
    return int(rounded) if rounded == int(rounded) else rounded
