"""Operations: what was asked of GitHub, where it stands, and what a person can do about it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from runners_app.activity.batches import is_held
from runners_app.activity.filters import OperationFilter
from runners_app.activity.resubmit import can_resubmit, resubmit
from runners_app.groups import requests as groups
from runners_app.models import Account, Membership, Operation, Runner, RunnerGroup
from runners_app.operations.requests import CannotSendAgain, cancel, confirm_again, settle
from runners_app.operations.transitions import NotMoved
from runners_app.runners.requests import claim_runner
from runners_app.web.change_words import Names
from runners_app.web.forms import NonceForm, new_nonce
from runners_app.web.pages import (
    Request,
    chips_of,
    is_unchanged,
    manage_or_403,
    may_manage,
    query_without,
    render_page,
    version_of,
    visible_or_404,
)
from runners_app.web.paging import Order, page_by_key


@require_safe
def operations(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user))
    waiting = (
        Operation.objects.visible_to(request.user).needing_attention().count()
    )  # time alone makes some wait
    version = version_of(accounts, query_without(request, "version"), waiting)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    rows = Operation.objects.within(accounts).select_related("account")
    listed = OperationFilter(request.GET, queryset=rows)
    page = page_by_key(listed.qs, Order("id", descending=True), request.GET)
    context = {
        "accounts": accounts,
        "chips": chips_of(listed, request.GET),
        "states": Operation.State.choices,
        "kinds": Operation.Kind.choices,
        "page": page,
        "total": listed.qs.count(),
        "version": version,
        "moving": any(operation.is_moving for operation in page.rows),
    }
    return render_page(request, "activity/operations/list.html", context, fragment="table")


@require_safe
def operation(request: Request, pk: int) -> HttpResponse:
    row = visible_or_404(
        Operation.objects.select_related("account__credential", "again_from"), request, pk
    )
    held_up_by = _held_up_by(row)
    version = version_of([row.account], row.pk, row.waits_for_person, held_up_by)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    runners = Runner.objects.visible_to(request.user).filter(account=row.account)
    names = Names(request.user, [row.account_id])
    context = {
        "operation": row,
        "account": row.account,
        "held_up_by": held_up_by,
        "events": row.events.all(),
        "fields": _fields(row, names),
        "conflict": names.conflict(row.account_id, row.conflict or {}),
        "runner": runners.filter(github_id=row.target_id).first()
        if row.target == "runner" and row.target_id
        else None,
        "group": _group(row),
        "candidates": runners.filter(github_id__in=row.candidates or []),
        "namesakes": _namesakes(request, row),
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
    """Why nothing goes on for now, from outside the operation; empty when nothing is in its way."""
    account, credential, now = row.account, row.account.credential, timezone.now()
    if row.is_finished or row.state == Operation.State.NEEDS_ATTENTION:
        return ""
    if is_held(row):
        return "It is held until somebody lets its batch go on."
    if account.paused:
        return f"{account} is paused: nothing is read from it or written to it."
    if account.observe_only and row.is_cancellable:
        return f"{account} is set to observe only, so nothing is sent."
    if credential.quarantined_at:
        return f"The token of {account} is out of use. {credential.quarantine_reason}"
    if credential.paused_until and credential.paused_until > now:
        return f"{credential.pause_reason} The token is used again at {credential.paused_until:%H:%M:%S} UTC."
    return ""


def _namesakes(request: Request, row: Operation) -> list[Runner]:
    """After a rejected create: a runner that has the name, to be looked at and not taken for the
    one asked for.
    """
    if row.kind != Operation.Kind.CREATE_RUNNER or row.state != Operation.State.REJECTED:
        return []
    mine = Runner.objects.visible_to(request.user).present()
    return list(mine.filter(account=row.account, name__iexact=row.target_name))


def _may_decide(request: Request, row: Operation) -> bool:
    """Taking back and deciding change nothing at GitHub, so a paused or observed account does not
    stand in the way.
    """
    account = Account.objects.visible_to(request.user).filter(pk=row.account_id).first()
    return getattr(account, "role", "") == Membership.Role.MANAGER


def _group(row: Operation) -> RunnerGroup | None:
    if row.target != Operation.Target.GROUP or row.target_id is None:
        return None
    return RunnerGroup.objects.filter(account=row.account, github_id=row.target_id).first()


def _again_url(row: Operation) -> str:
    """The form, filled as it was; empty for what is not edited again."""
    if row.kind == Operation.Kind.CREATE_RUNNER:
        return f"{reverse('runner-new')}?again={row.pk}"
    if row.kind == Operation.Kind.CREATE_GROUP:
        return f"{reverse('group-new')}?again={row.pk}"
    if row.kind == Operation.Kind.UPDATE_GROUP:
        group = _group(row)
        return (
            f"{reverse('group-edit', args=[group.pk])}?again={row.pk}"
            if group and group.gone_at is None
            else ""
        )
    runner = (
        Runner.objects.present().filter(account=row.account, github_id=row.target_id or 0).first()
    )
    if row.kind == Operation.Kind.UPDATE_RUNNER and runner:
        return f"{reverse('runner-edit', args=[runner.pk])}?again={row.pk}"
    return ""


def _fields(row: Operation, names: Names) -> list[tuple[str, object, object]]:
    """What was asked for: (field, before, after); before is empty for a create."""
    if row.target == Operation.Target.GROUP:
        return groups.shown_fields(row)
    before = row.base if row.kind == Operation.Kind.UPDATE_RUNNER else {}
    return names.changes(row.account_id, before, row.wanted)


def _own(request: Request, pk: int) -> Operation:
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    manage_or_403(request, row.account)
    return row


def _decidable(request: Request, pk: int) -> Operation:
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    if not _may_decide(request, row):
        manage_or_403(request, row.account)
    return row


@require_POST
def operation_cancel(request: Request, pk: int) -> HttpResponse:
    row = _decidable(request, pk)
    try:
        cancel(row, by=request.user)
    except NotMoved as error:
        messages.error(request, f"It could not be taken back. {error}")
    return redirect("operation", row.pk)


@require_POST
def operation_confirm(request: Request, pk: int) -> HttpResponse:
    row = _own(request, pk)
    try:
        confirm_again(row, by=request.user)
    except NotMoved as error:
        messages.error(request, str(error))
    return redirect("operation", row.pk)


@require_POST
def operation_again(request: Request, pk: int) -> HttpResponse:
    """The same once more, where that is safe without a look at the form."""
    row = _own(request, pk)
    form = NonceForm(request.POST)
    if not form.is_valid():
        messages.error(request, "This page was too old to send it again from. Try once more.")
        return redirect("operation", row.pk)
    try:
        again = resubmit(row, by=request.user, nonce=form.nonce_text)
    except (CannotSendAgain, NotMoved) as error:
        messages.error(request, f"{error} Nothing was asked for.")
        return redirect("operation", row.pk)
    return redirect("operation", again.pk)


@require_POST
def operation_settle(request: Request, pk: int) -> HttpResponse:
    """A person decides: this is my runner, it took effect, or it did not."""
    row = _decidable(request, pk)
    choice = request.POST.get("choice", "")
    try:
        if choice == "claim":
            mine = Runner.objects.filter(account=row.account, github_id__in=row.candidates or [])
            claim_runner(row, mine.get(pk=int(request.POST.get("runner", "0"))), by=request.user)
        elif choice in ("confirmed", "cancelled"):
            settle(row, Operation.State(choice), by=request.user)
        else:
            messages.error(request, "Choose one of the buttons. Nothing was changed.")
    except (NotMoved, ValueError, Runner.DoesNotExist):
        messages.error(request, "It no longer waits for this decision. What it says now is below.")
    return redirect("operation", row.pk)
