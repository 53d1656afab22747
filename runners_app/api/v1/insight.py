"""Queue times, capacity, usage, the live queue and its coverage: what the pages about jobs show."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from runners_app.api.core import READ, Moment, account_or_404, reference_of
from runners_app.api.insight_schemas import (
    CapacityList,
    CapacityRow,
    CoverageList,
    CoverageRow,
    QueueList,
    QueueRowOut,
    UsageList,
    UsageRow,
    WaitsList,
    WaitsRow,
    Window,
)
from runners_app.api.problems import ApiError
from runners_app.insight.coverage import coverage_of
from runners_app.jobs import live, queries
from runners_app.jobs.queries import Question
from runners_app.models import Account, Job, JobRepository, Runner, RunnerGroup
from runners_app.web.numbers import number_in
from runners_app.web.pages import Request

router = Router(tags=["insight"], auth=READ)
USUAL = timedelta(days=7)
By = Literal["pool", "group", "repository", "workflow", "account"]


class JobsQuery(Schema):
    """Which jobs; empty parameters mean all that the user may see."""

    account: str = Field("", description="Primary key, or as organization:acme.")
    group: str = Field("", description="Primary key or name of a runner group.")
    pool: str = Field("", description="Primary key or name of a runner.")
    repository: str = Field("", description="owner/name")


class WindowQuery(JobsQuery):
    """A job belongs to the window in which it started: since <= start < until."""

    since: Moment | None = Field(None, description="Without it: 7 days before `until`.")
    until: Moment | None = Field(None, description="Without it: now.")


class WaitsQuery(WindowQuery):
    by: By = Field("pool", description="One row per pool, group, repository, workflow or account.")


class UsageQuery(WindowQuery):
    by: By = Field("repository", description="One row per each of these.")


@router.get("/insight/waits", response=WaitsList)
def list_waits(request: Request, query: Query[WaitsQuery]) -> WaitsList:
    """Percentiles of queue seconds, by nearest rank: the longest p95 first.

    Exact in windows of up to 7 days, within 2 % in longer ones.
    """
    question = _question(request, query, *_window(query))
    found = queries.waits(question, query.by)
    names = _references(row["pks"]["account"] for row in found)
    rows = [WaitsRow(**{**row, "account": names.get(row["pks"]["account"])}) for row in found]
    return WaitsList(**dict(_frame(request, question)), rows=rows)


@router.get("/insight/usage", response=UsageList)
def list_usage(request: Request, query: Query[UsageQuery]) -> UsageList:
    """Jobs, run seconds, billable minutes and estimated cost: the most minutes first."""
    question = _question(request, query, *_window(query))
    found = queries.usage(question, query.by)
    names = _references(row["pks"]["account"] for row in found)
    rows = [UsageRow(**{**row, "account": names.get(row["pks"]["account"])}) for row in found]
    return UsageList(**dict(_frame(request, question)), rows=rows)


@router.get("/insight/capacity", response=CapacityList)
def list_capacity(request: Request, query: Query[WindowQuery]) -> CapacityList:
    """How many machines of each pool were busy, against its maximum.

    A job runs from start to end and waits from the start of its queue time to its own start, both
    clipped to the window.
    """
    question = _question(request, query, *_window(query))
    found = queries.capacity(question)
    names = _references(row["pks"]["account"] for row in found)
    rows = [CapacityRow(**{**row, "account": names[row["pks"]["account"]]}) for row in found]
    return CapacityList(**dict(_frame(request, question)), rows=rows)


@router.get("/insight/queue", response=QueueList)
def list_queue(request: Request, query: Query[JobsQuery]) -> QueueList:
    """Who waits now, for how long and why; a row for each pool, also for idle ones."""
    now = timezone.now()
    question = _question(request, query, now - USUAL, now)
    found = live.queue(question, now)
    names = _references(row.account_pk for row in found)
    rows = [
        QueueRowOut(**{**live.as_row(row, now), "account": names[row.account_pk]}) for row in found
    ]
    return QueueList(as_of=queries.as_of(question), rows=rows)


@router.get("/insight/coverage", response=CoverageList)
def list_coverage(request: Request) -> CoverageList:
    """How much of the truth Trackside knows about jobs, one row per organization."""
    return CoverageList(rows=_coverage(request, ()))


def _window(query: WindowQuery) -> tuple[datetime, datetime]:
    until = query.until or timezone.now()
    since = query.since or until - USUAL
    if since >= until:
        wrong = [("since", "Give a time before `until`.")]
        raise ApiError(422, "The window ends before it begins.", errors=wrong)
    return since, until


def _question(request: Request, query: JobsQuery, since: datetime, until: datetime) -> Question:
    """Raises Http404 for an account, group, pool or repository that the user may not see."""
    user = request.user
    accounts: tuple[int, ...] = ()
    if query.account:
        accounts = (account_or_404(request, query.account).pk,)
    pools = Runner.objects.visible_to(user)
    groups = RunnerGroup.objects.visible_to(user)
    if accounts:
        groups = groups.filter(account__in=accounts)
    seen = Job.objects.visible_to(user).values("repository")
    repositories = JobRepository.objects.filter(pk__in=seen)
    return Question(
        user,
        since,
        until,
        accounts=accounts,
        pools=_named(pools, query.pool),
        groups=_named(groups, query.group),
        repositories=_named(repositories, query.repository),
    )


def _named(rows: "QuerySet[Any]", name: str) -> tuple[int, ...]:
    """Keys of the rows with this key or name; several accounts may use one name."""
    if not name:
        return ()
    pk = number_in(name)
    found = rows.filter(name__iexact=name) if pk is None else rows.filter(pk=pk)
    keys = tuple(found.values_list("pk", flat=True))
    if not keys:
        raise Http404
    return keys


def _references(accounts: Iterable[int | None]) -> dict[int | None, str]:
    """Account key → how the API names it."""
    found = Account.objects.filter(pk__in={pk for pk in accounts if pk})
    return {account.pk: reference_of(account) for account in found}


def _frame(request: Request, question: Question) -> Window:
    return Window(
        since=question.since,
        until=question.until,
        as_of=queries.as_of(question),
        coverage=_coverage(request, question.accounts),
    )


def _coverage(request: Request, accounts: tuple[int, ...]) -> list[CoverageRow]:
    visible = Account.objects.visible_to(request.user).fully_visible()
    rows = visible.filter(kind=Account.Kind.ORGANIZATION).select_related("credential")
    if accounts:
        rows = rows.filter(pk__in=accounts)
    return [
        CoverageRow(
            account=reference_of(each.account),
            mode=each.mode,
            last_event_at=each.last_event_at,
            jobs=each.jobs,
            known=each.known,
            estimated=each.estimated,
            lost=each.lost,
            received=each.received,
            repaired=each.repaired,
            history_since=each.history_since,
            problems=each.problems,
        )
        for each in coverage_of(list(rows.order_by("slug")))
    ]
