"""Pages of accounts: list, detail with the state of each reading, connect, replace the token,
pause, disconnect.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.accounts import accounts as connecting
from runners_app.accounts.accounts import CannotConnect, check_api_url
from runners_app.accounts.filters import AccountFilter
from runners_app.accounts.forms import GITHUB, ConnectForm, DisconnectForm, TokenForm
from runners_app.credentials.credentials import UnusableToken
from runners_app.credentials.rights import rights_of
from runners_app.models import Account, Operation, Reading, ReadingRun, Runner
from runners_app.models.accounts import web_origin
from runners_app.models.readings import STALE_AFTER
from runners_app.models.visibility import limited_by
from runners_app.overview.account_facts import AccountFacts, read_accounts
from runners_app.readings.costs import costs_of
from runners_app.readings.failures import next_step
from runners_app.readings.schedule import may_read_again
from runners_app.web.filter_menu import filter_menu, search_of
from runners_app.web.lists import budget_words
from runners_app.web.pages import (
    Request,
    administrator_or_403,
    came_from,
    is_unchanged,
    only_administrators,
    query_without,
    render_page,
    version_of,
    visible_account_or_404,
)
from runners_app.web.proof import View, changes_trust

RUNS_SHOWN = 10
MENU = {"kind": "Kind", "state": "State"}
NEVER = datetime.min.replace(tzinfo=UTC)
SORTS: dict[str, Callable[[AccountFacts], Any]] = {
    "name": lambda each: str(each.account).lower(),
    "runners": lambda each: each.runners,
    "synced": lambda each: each.synced_at or NEVER,
}


@require_safe
def accounts(request: Request) -> HttpResponse:
    """List the accounts the user may see."""
    now = timezone.now()
    facts = read_accounts(request.user, now)
    minute, query = now.replace(second=0, microsecond=0), query_without(request, "version")
    version = version_of([each.account for each in facts], minute, query)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    vocabulary = {"kind": Account.Kind.values, "state": list(AccountFilter.STATES)}
    rows = Account.objects.filter(pk__in=[each.account.pk for each in facts])
    listed = AccountFilter(request.GET, queryset=rows, vocabulary=vocabulary)
    if request.GET.get("menu"):
        return filter_menu(
            request, listed, vocabulary, MENU, title="Accounts", address=reverse("accounts")
        )
    found = set(listed.qs.values_list("pk", flat=True)) if listed.is_active else None
    shown = [each for each in facts if found is None or each.account.pk in found]
    sort = request.GET.get("sort", "")
    sort = sort if sort.removeprefix("-") in SORTS else "name"
    shown.sort(key=SORTS[sort.removeprefix("-")], reverse=sort.startswith("-"))
    context = {
        "facts": shown,
        "has_accounts": bool(facts),
        "sort": sort,
        **search_of(listed, vocabulary),
        "has_demo": any(each.account.demo for each in facts),
        "version": version,
        "now": now,
    }
    return render_page(request, "accounts/list.html", context, fragment="live")


@require_safe
def account(request: Request, pk: int) -> HttpResponse:
    """Show one account: its readings, its credential and what that may do."""
    row = visible_account_or_404(request, pk)
    readings = list(row.readings.all())
    credential, now = row.credential, timezone.now()
    seen = [
        (reading.error, reading.last_started_at, reading.last_good_at, reading.due_at)
        for reading in readings
    ]
    # Readings go out of date by time alone, without a new version: render once a minute anyway.
    minute = now.replace(second=0, microsecond=0)
    version = version_of([row], seen, credential.quarantined_at, credential.paused_until, minute)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    lines = [ReadingLine(reading, standing_of(reading, row, now)) for reading in readings]
    is_first_sync = any(line.standing.is_awaited for line in lines) and not row.paused
    context = {
        "account": row,
        "credential": credential,
        "others": credential.accounts.visible_to(request.user).exclude(pk=row.pk),
        "lines": lines,
        "progress": sum(reading.last_good_at is not None for reading in readings),
        "reasons": reasons_of(readings),
        "is_first_sync": is_first_sync,
        "is_moving": any(_is_being_read(reading, row, now) for reading in readings),
        "rights": rights_of(row, readings),
        "runs": _runs(row),
        "costs": costs_of(row, now),
        "runners": Runner.objects.present().within([row]).count(),
        "is_waiting": credential.paused_until is not None and credential.paused_until > now,
        "version": version,
    }
    return render_page(request, "accounts/detail.html", context, fragment="live")


@dataclass(frozen=True)
class Standing:
    """The state of a reading as shown. `is_awaited` until its first success."""

    tone: str
    word: str
    icon: str = ""
    is_awaited: bool = False


@dataclass(frozen=True)
class ReadingLine:
    """A row of the table of readings."""

    reading: Reading
    standing: Standing


@dataclass
class Reason:
    """One reason why readings fail, shown once for all of them."""

    message: str
    next_step: str
    help_url: str
    goes_on: bool
    level: str
    names: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{', '.join(self.names)}: not read"


def reasons_of(readings: list[Reading]) -> list[Reason]:
    """Return the failures, grouped by message."""
    reasons: dict[str, Reason] = {}
    for reading in readings:
        if reading.error:
            level = "info" if reading.error in ("rate_limit", "not_offered") else "warning"
            goes_on = reading.due_at is not None and reading.error not in (
                "permission",
                "not_found",
            )
            reason = Reason(
                reading.error_message, next_step(reading), reading.error_help_url, goes_on, level
            )
            reasons.setdefault(reading.error_message, reason).names.append(
                reading.get_resource_display()
            )
    return list(reasons.values())


def _is_being_read(reading: Reading, account: Account, now: datetime) -> bool:
    """Due for less than a minute: a running worker answers within a second or two."""
    return (
        not account.paused
        and reading.due_at is not None
        and now - timedelta(minutes=1) < reading.due_at <= now
    )


def standing_of(reading: Reading, account: Account, now: datetime) -> Standing:
    """Return the state to show; the first that applies wins."""
    if account.paused:
        return Standing("muted", "Paused", "pause-circle")
    if reading.error == "not_offered":
        return Standing("muted", "Not offered here", "no-symbol")
    if reading.error == "rate_limit":
        return Standing("muted", "Waiting for GitHub", "clock")
    if reading.error:
        return Standing("danger", "Failing", "exclamation-circle")
    if reading.last_good_at is None:
        word = "Being read" if reading.last_started_at else "Waiting its turn"
        return Standing("progress", word, is_awaited=True)
    if reading.due_at and max(reading.last_good_at, reading.due_at) < now - STALE_AFTER:
        return Standing("warning", "Out of date", "clock")
    return Standing("success", "Good")


def _runs(account: Account) -> "QuerySet[ReadingRun]":
    # A run counts changes in every group, so users limited to some groups see none.
    if limited_by(account) is not None:
        return ReadingRun.objects.none()
    rows = ReadingRun.objects.filter(reading__account=account).select_related("reading")
    return rows.order_by("-last_at", "-pk")[:RUNS_SHOWN]


@sensitive_post_parameters("token")
@require_http_methods(["GET", "HEAD", "POST"])
@only_administrators
@changes_trust
def account_new(request: Request) -> HttpResponse:
    """Connect an organization or enterprise with a token."""
    form = (
        ConnectForm(request.POST)
        if request.method == "POST"
        else ConnectForm(initial=_entered(request))
    )
    if form.is_bound and form.is_valid():
        try:
            row = connecting.connect_with_token(by=request.user, **form.cleaned_data)
        except CannotConnect as error:  # connected in another session just now
            form.add_error("slug", str(error))
        else:
            return redirect("account", row.pk)
    context = {"form": form, "help": token_help(_entered(request))}
    return render_page(
        request,
        "accounts/new.html",
        context,
        fragment="token_help",
        status=422 if form.is_bound else 200,
    )


def _entered(request: Request) -> dict[str, str]:
    """What was entered so far, without the token: the help about tokens depends on it."""
    entered = request.POST if request.method == "POST" else request.GET
    return {name: entered[name] for name in ("kind", "slug", "api_url") if entered.get(name)}


@dataclass(frozen=True)
class TokenHelp:
    """Addresses of GitHub's prefilled forms for a token that can serve the account."""

    is_enterprise: bool
    classic: str
    classic_runners_only: str
    fine_grained: str


def token_help(asked: dict[str, str]) -> TokenHelp:
    """Return the addresses for `kind`, `slug` and `api_url`, each of which may be missing."""
    is_enterprise = asked.get("kind") == Account.Kind.ENTERPRISE
    try:
        settings = f"{web_origin(check_api_url(asked.get('api_url', GITHUB)))}/settings"
    except CannotConnect:
        settings = f"{web_origin(GITHUB)}/settings"
    name = f"Trackside {asked.get('slug', '')}".strip()[:40]

    def classic(scope: str) -> str:
        return f"{settings}/tokens/new?{urlencode({'scopes': scope, 'description': name})}"

    permissions = {
        "organization_administration": "read",
        "organization_self_hosted_runners": "read",
        "actions": "read",
    }
    target = {"target_name": asked["slug"]} if asked.get("slug") else {}
    fine_grained = {"name": name, **target, **permissions}
    return TokenHelp(
        is_enterprise,
        classic("manage_runners:enterprise" if is_enterprise else "admin:org"),
        classic("manage_runners:org"),
        f"{settings}/personal-access-tokens/new?{urlencode(fine_grained)}",
    )


def _for_administrators(view: Callable[[Request, Account], HttpResponse]) -> View:
    """Hand an administrator's view the account. One that the user may not see is 404, not 403."""

    @wraps(view)
    def finds(request: Request, pk: int) -> HttpResponse:
        row = visible_account_or_404(request, pk)
        administrator_or_403(request)
        return view(request, row)

    return finds


@require_POST
def account_refresh(request: Request, pk: int) -> HttpResponse:
    """Schedule every reading of the account now, within its rate budget."""
    row = visible_account_or_404(request, pk)
    if row.paused:
        messages.warning(
            request, f"{row} is paused: nothing is read until an administrator resumes it."
        )
    elif row.credential.quarantined_at and not request.user.is_superuser:
        messages.warning(request, "The token is disabled. Ask an administrator to replace it.")
    elif not may_read_again(row, timezone.now()):
        messages.warning(request, budget_words([str(row)]))
    else:
        connecting.check_now(row, by=request.user)
        messages.success(request, "Reading from GitHub. New data appears here within seconds.")
    return redirect(came_from(request) or reverse("account", args=[row.pk]))


@sensitive_post_parameters("token")
@require_http_methods(["GET", "HEAD", "POST"])
@_for_administrators
@changes_trust
def account_token(request: Request, row: Account) -> HttpResponse:
    """Replace the account's token."""
    form = TokenForm(request.POST or None, account=row)
    if form.is_valid():
        try:
            connecting.replace_token(row, by=request.user, **form.cleaned_data)
        except (CannotConnect, UnusableToken) as error:
            form.add_error("token", str(error))
        else:
            messages.success(
                request,
                "The token was replaced. Its permissions appear below within seconds.",
            )
            return redirect("account", row.pk)
    asked = {"kind": row.kind, "slug": row.slug, "api_url": row.api_url}
    context = {"account": row, "form": form, "help": token_help(asked)}
    return render(request, "accounts/token.html", context, status=422 if form.is_bound else 200)


@require_POST
@_for_administrators
@changes_trust
def account_observe(request: Request, row: Account) -> HttpResponse:
    """Turn “observe only” on or off."""
    connecting.set_observe_only(row, request.POST.get("on") == "yes", by=request.user)
    return redirect("account", row.pk)


@require_POST
@_for_administrators
def account_pause(request: Request, row: Account) -> HttpResponse:
    """Pause or resume the account."""
    connecting.set_paused(row, request.POST.get("on") == "yes", by=request.user)
    return redirect("account", row.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@_for_administrators
@changes_trust
def account_disconnect(request: Request, row: Account) -> HttpResponse:
    """Disconnect the account after its name was typed."""
    form = DisconnectForm(request.POST or None, account=row)
    if form.is_valid():
        try:
            connecting.disconnect(row, by=request.user)
        except CannotConnect as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{row} is disconnected. Nothing was deleted at GitHub.")
            return redirect("accounts")
    context = {
        "account": row,
        "form": form,
        "runners": Runner.objects.present().filter(account=row).count(),
        "operations": Operation.objects.filter(account=row).count(),
        "people": row.memberships.count(),
        "is_last_of_credential": not row.credential.accounts.exclude(pk=row.pk).exists(),
    }
    return render(
        request, "accounts/disconnect.html", context, status=422 if form.is_bound else 200
    )


@require_POST
def demo_remove(request: Request) -> HttpResponse:
    """Disconnect every demo account."""
    administrator_or_403(request)
    count = connecting.disconnect_demo(by=request.user)
    messages.success(request, f"{count} demo accounts were removed.")
    return redirect("accounts")
