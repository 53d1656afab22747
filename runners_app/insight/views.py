"""Insight: the live queue, queue times, capacity, usage, coverage, and the jobs behind each
number.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from runners_app.insight import tables
from runners_app.insight.asked import Asked, asked_of
from runners_app.insight.coverage import coverage_of
from runners_app.jobs import live, queries
from runners_app.jobs.hooks import address_of, hook_for, secret_of, want_hook
from runners_app.models import Account, Runner
from runners_app.security.secrets import SecretUnreadable
from runners_app.web.annotations import may_annotate
from runners_app.web.export import export
from runners_app.web.pages import (
    Request,
    is_unchanged,
    may_manage,
    render_page,
    version_of,
    visible_account_or_404,
    visible_or_404,
)
from runners_app.web.paging import Order, page_by_key

TABS = (
    ("insight", "Queue"),
    ("insight-waits", "Queue time"),
    ("insight-capacity", "Capacity"),
    ("insight-usage", "Usage"),
    ("insight-coverage", "Coverage"),
)
ROWS_SHOWN = 50
LIVE_SECONDS = 30  # a cause may change by time alone
JOB_SORTS = {
    "-started": Order("started_at", True, True),
    "-waited": Order("queue_seconds", True, True),
}


@require_safe
def queue(request: Request) -> HttpResponse:
    """Who waits now, since when and why; kept fresh every five seconds."""
    asked = asked_of(request)
    now = timezone.now()
    version = version_of(
        asked.accounts,
        queries.version_for(request.user),
        int(now.timestamp() // LIVE_SECONDS),
        asked.filters[2:],
    )
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    rows = live.queue(asked.question, now)
    busy = [row for row in rows if row.running or row.waiting or row.held]
    context = {
        **_shared(asked, "insight"),
        "rows": busy[:ROWS_SHOWN],
        "more": max(0, len(busy) - ROWS_SHOWN),
        "idle": len(rows) - len(busy),
        "running": sum(row.running for row in busy),
        "waiting": sum(row.waiting for row in busy),
        "version": version,
        "has_history": queries.as_of(asked.question) is not None,
    }
    return render_page(request, "insight/queue.html", context, fragment="table")


@require_safe
def waits(request: Request) -> HttpResponse:
    asked, by = asked_of(request), _by(request)
    rows = tables.waits_with_before(asked.question, by)
    hours = tables.hours_of(asked.question)
    context = {
        **_shared(asked, "insight-waits"),
        "by": by,
        "bys": _bys(),
        "rows": rows[:ROWS_SHOWN],
        "more": max(0, len(rows) - ROWS_SHOWN),
        "heat": tables.heat_map(hours) if len(hours) > 1 else [],
        "hours_of_day": range(24),
        "trend": tables.trend(hours),
    }
    return render_page(request, "insight/waits.html", context)


@require_safe
def capacity(request: Request) -> HttpResponse:
    asked = asked_of(request)
    rows = tables.capacity_with_advice(asked.question)
    busy = [row for row in rows if row["peak_demand"]]
    context = {
        **_shared(asked, "insight-capacity"),
        "rows": busy[:ROWS_SHOWN],
        "more": max(0, len(busy) - ROWS_SHOWN),
        "idle": len(rows) - len(busy),
    }
    return render_page(request, "insight/capacity.html", context)


@require_safe
def usage(request: Request) -> HttpResponse:
    asked, by = asked_of(request, "30d"), _by(request, "repository")
    rows = queries.usage(asked.question, by)
    known = [row["estimated_usd"] for row in rows if row["estimated_usd"] is not None]
    context = {
        **_shared(asked, "insight-usage"),
        "by": by,
        "bys": _bys(),
        "rows": rows[:ROWS_SHOWN],
        "more": max(0, len(rows) - ROWS_SHOWN),
        "jobs": sum(row["jobs"] for row in rows),
        "minutes": sum(row["billable_minutes"] for row in rows),
        "usd": sum(known) if known else None,
    }
    return render_page(request, "insight/usage.html", context)


@require_safe
def coverage(request: Request) -> HttpResponse:
    """Of the accounts the person sees in full: totals of the others would tell too much."""
    visible = Account.objects.visible_to(request.user).fully_visible()
    accounts = visible.filter(kind=Account.Kind.ORGANIZATION).select_related("credential")
    context = {
        "tabs": _tabs("insight-coverage"),
        "rows": coverage_of(list(accounts.order_by("slug"))),
    }
    return render_page(request, "insight/coverage.html", context)


@require_safe
def jobs(request: Request) -> HttpResponse:
    """The jobs behind a number, the latest first."""
    asked = asked_of(request)
    found = asked.question.started().select_related("account", "repository", "workflow", "pool")
    sort = request.GET.get("sort", "")
    order = JOB_SORTS.get(sort, JOB_SORTS["-started"])
    context = {
        **_shared(asked, ""),
        "page": page_by_key(found, order, request.GET),
        "total": found.count(),
        "sort": sort if sort in JOB_SORTS else "-started",
    }
    return render_page(request, "insight/jobs.html", context)


@require_safe
def insight_export(
    request: Request, table: str, file_format: str
) -> HttpResponse | StreamingHttpResponse:
    """Each table as CSV or JSON, with the window and filters of its page."""
    asked = asked_of(request, "30d" if table == "usage" else "7d")
    question, by = asked.question, _by(request, "repository" if table == "usage" else "pool")
    name = f"insight-{table}"
    if table == "jobs":
        found = question.started().select_related("account", "repository", "workflow", "pool")
        rows = tables.job_cells(found.order_by("-started_at", "-pk").iterator(1000))
        return export(
            request, file_format, name, tables.JOBS, rows, count=found.count, filters=asked.filters
        )
    made: dict[str, tuple[tuple[str, ...], Any]] = {
        "queue": (tables.QUEUE, lambda: tables.queue_cells(question)),
        "waits": (tables.WAITS, lambda: tables.cells(queries.waits(question, by), tables.WAITS)),
        "usage": (tables.USAGE, lambda: tables.cells(queries.usage(question, by), tables.USAGE)),
        "capacity": (
            tables.CAPACITY,
            lambda: tables.cells(queries.capacity(question), tables.CAPACITY),
        ),
    }
    if table not in made:
        raise Http404
    columns, make = made[table]
    cells = make()
    return export(
        request, file_format, name, columns, cells, count=cells.__len__, filters=asked.filters
    )


@require_safe
def pool_usage(request: Request, pk: int) -> HttpResponse:
    """A fragment of the runner's page, which must not wait for sums of jobs."""
    runner = visible_or_404(Runner.objects.all(), request, pk)
    context = {
        "usage": queries.usage_of_pool(request.user, runner.pk),
        "pool": runner.pk,
        "may_set_slo": may_annotate(visible_account_or_404(request, runner.account_id)),
    }
    return render(request, "insight/pool_usage.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def job_events(request: Request, pk: int) -> HttpResponse:
    """Receive job events: have the hook made at GitHub, or paste address and secret there."""
    account = visible_account_or_404(request, pk)
    if not may_manage(request, account):
        raise PermissionDenied(f"You may not change {account}. Ask an administrator.")
    if request.method == "POST":
        if account.kind == Account.Kind.ENTERPRISE:
            raise PermissionDenied("An enterprise's hook can be made on GitHub's page alone.")
        want_hook(account)
        messages.success(request, "Trackside asks GitHub for the hook now.")
        return redirect("job-events", account.pk)
    hook = hook_for(account)
    try:
        secret = secret_of(hook)
    except SecretUnreadable:
        secret = ""
    context = {
        "account": account,
        "app": account.credential.app if request.user.is_superuser else None,
        "hook": hook,
        "secret": secret,
        "address": address_of(hook),
        "path": hook.path,
        "version": f"{hook.github_id}-{hook.last_ping_at}-{hook.first_job_at}-{hook.error}",
        "by_api": account.kind == Account.Kind.ORGANIZATION,
    }
    if is_unchanged(request, str(context["version"])):
        return HttpResponse(status=204)
    response = render_page(request, "insight/job_events.html", context, fragment="state")
    response.headers["Cache-Control"] = "no-store"
    return response


def _by(request: Request, usual: str = "pool") -> str:
    by = request.GET.get("by", usual)
    return by if by in queries.BY else usual


def _bys() -> list[tuple[str, str]]:
    return [(by, by.capitalize()) for by in queries.BY]


def _tabs(current: str) -> list[tuple[str, str, bool]]:
    return [(reverse(name), words, name == current) for name, words in TABS]


def _shared(asked: Asked, current: str) -> dict[str, Any]:
    return {
        **asked.context(),
        "tabs": _tabs(current),
        "as_of": queries.as_of(asked.question),
    }
