"""Operations: their list, the page of one, and what a person can do about it."""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from runners_app.activity.batches import is_held
from runners_app.activity.filters import OPEN, OperationFilter
from runners_app.activity.resubmit import can_resubmit, resubmit
from runners_app.activity.undo import DELETIONS, can_undo, undo_of
from runners_app.groups import requests as groups
from runners_app.models import Account, Approval, Membership, Operation, Runner, RunnerGroup
from runners_app.operations.requests import CannotSendAgain, cancel, confirm_again, settle
from runners_app.operations.transitions import NotMoved
from runners_app.runners.requests import claim_runner
from runners_app.templatetags.trackside import plural
from runners_app.web.change_words import Names
from runners_app.web.filter_menu import accounts_of, filter_menu, search_of
from runners_app.web.forms import NonceForm, new_nonce
from runners_app.web.lists import order_of
from runners_app.web.pages import (
    Request,
    id_or_404,
    is_unchanged,
    manage_or_403,
    may_manage,
    query_without,
    render_page,
    version_of,
    visible_or_404,
)
from runners_app.web.paging import Order, page_by_key

SORTS = {
    "when": Order("id"),
    "-when": Order("id", descending=True),
    "name": Order("target_name", folded=True),
    "state": Order("state"),
    "account": Order("account_id"),
    "by": Order("actor_name", folded=True),
}
MENU = {
    "org": "Account",
    "state": "State",
    "kind": "Kind",
    "open": "Not finished",
}
# Most operations are sent within this time; later, the page says what they wait for.
QUICK = timedelta(seconds=5)
APPROVALS_SHOWN = 5


@require_safe
def operations(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user))
    # Part of the version, because operations start to need a person by the passing of time alone.
    waiting = Operation.objects.visible_to(request.user).needing_attention().count()
    approvals = Approval.objects.within(accounts).of_operations().waiting()
    approvals = approvals.select_related("account").order_by("pk")
    version = version_of(accounts, query_without(request, "version"), waiting)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    rows = Operation.objects.within(accounts).select_related("account")
    rows = rows.prefetch_related("undone_by")
    vocabulary = {
        "account": accounts_of(accounts),
        "state": Operation.State.values,
        "kind": Operation.Kind.values,
        "open": [OPEN],
    }
    listed = OperationFilter(request.GET, queryset=rows, vocabulary=vocabulary)
    if request.GET.get("menu"):
        return filter_menu(
            request, listed, vocabulary, MENU, title="Operations", address=reverse("operations")
        )
    sort, order = order_of(request, SORTS, default="-when")
    page = page_by_key(listed.qs, order, request.GET)
    context = {
        "accounts": accounts,
        "approvals": approvals[:APPROVALS_SHOWN],
        **search_of(listed, vocabulary),
        "sort": sort,
        "page": page,
        "total": listed.qs.count(),
        "version": version,
        "moving": any(operation.is_moving for operation in page.rows),
    }
    return render_page(request, "activity/operations/list.html", context, fragment="table")


@require_safe
def operation(request: Request, pk: int) -> HttpResponse:
    row = visible_or_404(
        Operation.objects.select_related("account__credential", "again_from", "undoes", "approval"),
        request,
        pk,
    )
    held_up_by = _held_up_by(row)
    waits_for = "" if held_up_by else _waits_for(row)
    version = version_of([row.account], row.pk, row.waits_for_person, held_up_by, waits_for)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    runners = Runner.objects.visible_to(request.user).filter(account=row.account)
    names = Names(request.user, [row.account_id])
    context = {
        "operation": row,
        "account": row.account,
        "held_up_by": held_up_by,
        "waits_for": waits_for,
        "events": row.events.all(),
        "fields": fields_of(row, names),
        "conflict": names.conflict(row.account_id, row.conflict or {}),
        "runner": runners.filter(github_id=row.target_id).first()
        if row.target == "runner" and row.target_id
        else None,
        "group": _group(row),
        "candidates": runners.filter(github_id__in=row.candidates or []),
        "namesakes": _namesakes(request, row),
        "undone_by": undo_of(row),
        "may_undo": can_undo(row),
        "is_deletion": row.kind in DELETIONS,
        "sent_again_as": row.sent_again_as.order_by("pk").first(),
        "again_url": _again_url(row),
        "may_send_again": can_resubmit(row),
        "nonce": new_nonce(),
        "may_manage": may_manage(request, row.account),
        "may_decide": _may_decide(request, row),
        "version": version,
        "moving": row.is_moving,
    }
    return render_page(request, "activity/operations/detail.html", context, fragment="state")


def _held_up_by(row: Operation) -> str:
    """What outside the operation keeps it from continuing; empty if nothing does."""
    account, credential, now = row.account, row.account.credential, timezone.now()
    if row.is_finished or row.state == Operation.State.NEEDS_ATTENTION:
        return ""
    if row.waits_for_deletion:
        return "It is sent as soon as the runner of that name is gone from GitHub."
    if row.waits_for_approval:
        return f"It is held until another manager of {account} approves it."
    if is_held(row):
        return "It is held until a manager continues its batch."
    if account.paused:
        return f"{account} is paused: nothing is read from it or written to it."
    if account.observe_only and row.is_cancellable:
        return f"{account} is set to observe only, so nothing is sent."
    if credential.quarantined_at:
        return f"The token of {account} is disabled. {credential.quarantine_reason}"
    if credential.paused_until and credential.paused_until > now:
        resumes = f"The token is used again at {credential.paused_until:%H:%M:%S} UTC."
        return f"{credential.pause_reason} {resumes}"
    return ""


def _waits_for(row: Operation) -> str:
    """What it waits for after the first seconds, and since when; empty if it just goes on."""
    if row.state not in (Operation.State.REQUESTED, Operation.State.SENT):
        return ""
    now, credential = timezone.now(), row.account.credential
    is_sent = row.state == Operation.State.SENT and not row.known_not_applied
    since = row.sent_at if is_sent and row.sent_at else row.confirmed_at
    if now - since < QUICK:
        return ""

    clock = f"since {since:%H:%M:%S} UTC"
    if is_sent:
        return (
            f"It was sent, and has waited {clock} for GitHub's answer. If none comes, Trackside "
            "finds out whether it took effect."
        )
    earlier = Operation.objects.filter(account__credential=credential, pk__lt=row.pk)
    if ahead := earlier.moving(now).count():
        return f"It has waited {clock} for {plural(ahead, 'earlier write')} with the same token."
    if credential.lease_expires_at and credential.lease_expires_at > now:
        return f"It has waited {clock} for GitHub's answer to another request of its token."
    return f"It has waited {clock} for a worker. Check that a worker is running."


def _namesakes(request: Request, row: Operation) -> list[Runner]:
    """After a rejected create: the runner that already has the name, if there is one."""
    if row.kind != Operation.Kind.CREATE_RUNNER or row.state != Operation.State.REJECTED:
        return []
    visible = Runner.objects.visible_to(request.user).present()
    return list(visible.filter(account=row.account, name__iexact=row.target_name))


def _may_decide(request: Request, row: Operation) -> bool:
    """Whether the user may cancel or resolve it.

    Allowed in a paused or observed account, too, because neither changes anything on GitHub.
    """
    account = Account.objects.visible_to(request.user).get(pk=row.account_id)
    return account.role == Membership.Role.MANAGER


def _group(row: Operation) -> RunnerGroup | None:
    if row.target != Operation.Target.GROUP or row.target_id is None:
        return None
    return RunnerGroup.objects.filter(account=row.account, github_id=row.target_id).first()


def _again_url(row: Operation) -> str:
    """The URL of the form filled with the requested values; empty if it cannot be edited again."""
    kind, form = Operation.Kind, ""
    if row.kind == kind.CREATE_RUNNER:
        form = reverse("runner-new")
    elif row.kind == kind.CREATE_GROUP:
        form = reverse("group-new")
    elif row.kind == kind.UPDATE_GROUP:
        group = _group(row)
        if group and group.gone_at is None:
            form = reverse("group-edit", args=[group.pk])
    elif row.kind == kind.UPDATE_RUNNER:
        runners = Runner.objects.present().filter(account=row.account)
        runner = runners.filter(github_id=row.target_id or 0).first()
        if runner:
            form = reverse("runner-edit", args=[runner.pk])
    return f"{form}?again={row.pk}" if form else ""


def fields_of(row: Operation, names: Names) -> list[tuple[str, object, object]]:
    """The requested change as (field, before, after); `before` is None for a create."""
    if row.target == Operation.Target.GROUP:
        return groups.shown_fields(row)
    before = row.base if row.kind == Operation.Kind.UPDATE_RUNNER else {}
    return names.changes(row.account_id, before, row.wanted)


def _manageable_or_403(request: Request, pk: int) -> Operation:
    """The operation, if the user may send it."""
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    manage_or_403(request, row.account)
    return row


def _decidable_or_403(request: Request, pk: int) -> Operation:
    """The operation, if the user may cancel or resolve it."""
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    if not _may_decide(request, row):
        manage_or_403(request, row.account)
    return row


@require_POST
def operation_cancel(request: Request, pk: int) -> HttpResponse:
    row = _decidable_or_403(request, pk)
    try:
        cancel(row, by=request.user)
    except NotMoved as error:
        messages.error(request, f"It could not be cancelled. {error}")
    return redirect("operation", row.pk)


@require_POST
def operation_confirm(request: Request, pk: int) -> HttpResponse:
    row = _manageable_or_403(request, pk)
    try:
        confirm_again(row, by=request.user)
    except NotMoved as error:
        messages.error(request, str(error))
    return redirect("operation", row.pk)


@require_POST
def operation_again(request: Request, pk: int) -> HttpResponse:
    """Send the operation again unchanged."""
    row = _manageable_or_403(request, pk)
    form = NonceForm(request.POST)
    if not form.is_valid():
        messages.error(request, "This page was out of date, so nothing was sent. Try again.")
        return redirect("operation", row.pk)
    try:
        again = resubmit(row, by=request.user, nonce=form.nonce_text)
    except (CannotSendAgain, NotMoved) as error:
        messages.error(request, f"{error} No operation was created.")
        return redirect("operation", row.pk)
    return redirect("operation", again.pk)


@require_POST
def operation_settle(request: Request, pk: int) -> HttpResponse:
    """Resolve an operation: this is my runner (`claim`), it took effect, or it did not."""
    row = _decidable_or_403(request, pk)
    choice = request.POST.get("choice", "")
    try:
        if choice == "claim":
            runners = Runner.objects.visible_to(request.user).filter(account=row.account)
            runner = visible_or_404(runners, request, id_or_404(request.POST.get("runner", "")))
            candidates = runners.filter(github_id__in=row.candidates or [])
            claim_runner(row, candidates.get(pk=runner.pk), by=request.user)
        elif choice in ("confirmed", "cancelled"):
            settle(row, Operation.State(choice), by=request.user)
        else:
            messages.error(request, "Choose one of the buttons. Nothing was changed.")
    except (NotMoved, ValueError, Runner.DoesNotExist):
        messages.error(request, "It no longer needs this decision. Its current state is below.")
    return redirect("operation", row.pk)
