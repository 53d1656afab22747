"""What an address asks for: a window, and which accounts, groups, pools, repositories,
workflows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import BadRequest
from django.http import Http404
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from runners_app.jobs.queries import Question
from runners_app.models import Account, Job, JobRepository, JobWorkflow, Runner, RunnerGroup
from runners_app.web.numbers import number_in
from runners_app.web.pages import Request, query_without

PERIODS = {
    "1h": (timedelta(hours=1), "Last hour"),
    "24h": (timedelta(hours=24), "Last 24 hours"),
    "7d": (timedelta(days=7), "Last 7 days"),
    "30d": (timedelta(days=30), "Last 30 days"),
    "90d": (timedelta(days=90), "Last 90 days"),
}
USUAL = "7d"
FILTERS = ("account", "group", "pool", "repository", "workflow")


@dataclass
class Asked:
    """A question with how it is shown: the period's key (empty if of one's own), and chips."""

    question: Question
    period: str
    chips: list[dict[str, str]] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)

    @property
    def filters(self) -> list[tuple[str, str]]:
        """For the audit log of exports."""
        window = [
            ("since", self.question.since.isoformat(timespec="minutes")),
            ("until", self.question.until.isoformat(timespec="minutes")),
        ]
        return window + [(chip["label"], chip["value"]) for chip in self.chips]

    def context(self) -> dict[str, Any]:
        return {
            "accounts": self.accounts,
            "chips": self.chips,
            "period": self.period,
            "periods": [(key, words) for key, (_, words) in PERIODS.items()],
            "since": self.question.since,
            "until": self.question.until,
        }


def asked_of(request: Request, usual: str = USUAL) -> Asked:
    """Read the address. 404 for what the person may not see, 400 for a time that is none."""
    user, get = request.user, request.GET
    accounts = list(Account.objects.visible_to(user).order_by("slug"))
    since, until, period = _window(request, usual)
    chosen: dict[str, tuple[int, ...]] = {}
    chips = []
    if slug := get.get("account", ""):
        found = [each for each in accounts if each.is_named(slug) or slug == str(each.pk)]
        if not found:
            raise Http404
        chosen["accounts"] = tuple(each.pk for each in found)
        chips.append(_chip(request, "account", str(found[0])))
    for name in FILTERS[1:]:
        if not get.get(name):
            continue
        pk = number_in(get[name])
        words = _name(request, name, pk) if pk is not None else None
        if pk is None or words is None:
            raise Http404
        plural = {"repository": "repositories"}.get(name, f"{name}s")
        chosen[plural] = (pk,)
        chips.append(_chip(request, name, words))
    question = Question(user, since, until, **chosen)
    return Asked(question, period, chips, accounts)


def _name(request: Request, name: str, pk: int) -> str | None:
    """What the row is called, if the person sees it; repositories by their jobs alone."""
    user = request.user
    if name == "pool":
        runner = Runner.objects.visible_to(user).filter(pk=pk).first()
        return runner.name if runner else _of_jobs(request, "pool", pk)
    if name == "group":
        group = RunnerGroup.objects.visible_to(user).filter(pk=pk).first()
        return group.name if group else None
    return _of_jobs(request, name, pk)


def _of_jobs(request: Request, name: str, pk: int) -> str | None:
    if not Job.objects.visible_to(request.user).filter(**{name: pk}).exists():
        return None
    models: dict[str, Any] = {
        "pool": Runner,
        "repository": JobRepository,
        "workflow": JobWorkflow,
    }
    return str(models[name].objects.get(pk=pk))


def _chip(request: Request, name: str, value: str) -> dict[str, str]:
    rest = query_without(request, name, "version", "after")
    return {"label": name.capitalize(), "value": value, "remove": f"?{rest}"}


def _window(request: Request, usual: str) -> tuple[datetime, datetime, str]:
    now = timezone.now()
    since, until = _moment(request, "since"), _moment(request, "until")
    if since is not None:
        until = until or now
        if since >= until:
            raise BadRequest("The window ends before it begins: give an earlier `since`.")
        return since, until, ""
    period = request.GET.get("period", usual)
    length, _ = PERIODS.get(period, PERIODS[usual])
    return now - length, now, period if period in PERIODS else usual


def _moment(request: Request, name: str) -> datetime | None:
    text = request.GET.get(name, "").strip()
    if not text:
        return None
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError:
        moment = day = None
    if moment is None and day is None:
        raise BadRequest(f"{name} is no time: write 2026-11-01 or 2026-11-01T08:00:00Z.")
    if moment is None and day is not None:
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment
