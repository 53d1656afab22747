"""A batch, the operations of one bulk change: its progress, and continue, stop or retry."""

import uuid
from collections import Counter
from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from runners_app.activity import batches
from runners_app.activity.resubmit import can_resubmit
from runners_app.models import Account, Membership, Operation, Runner
from runners_app.templatetags.trackside import plural
from runners_app.web.pages import Request, is_unchanged, render_page, version_of

FAILED = (Operation.State.REJECTED, Operation.State.CANCELLED, Operation.State.NEEDS_ATTENTION)


def _visible(request: Request, batch: uuid.UUID) -> list[Operation]:
    accounts = {account.pk: account for account in Account.objects.visible_to(request.user)}
    rows = list(Operation.objects.filter(batch=batch).within(accounts.values()).order_by("pk"))
    if not rows:
        raise Http404
    for row in rows:
        row.account = accounts[row.account_id]
    return rows


def _may_send(row: Operation) -> bool:
    return row.account.may_be_changed


def _may_cancel(row: Operation) -> bool:
    """Also in a paused or observed account, because cancelling changes nothing on GitHub."""
    return row.account.role == Membership.Role.MANAGER


def _permitted(
    request: Request, batch: uuid.UUID, may: Callable[[Operation], bool]
) -> list[Operation]:
    """The operations the user may act on. Raises PermissionDenied if there are none."""
    rows = [row for row in _visible(request, batch) if may(row)]
    if not rows:
        raise PermissionDenied(
            "You can view this batch but not change it. Ask a manager of its accounts."
        )
    return rows


@require_safe
def batch(request: Request, batch: uuid.UUID) -> HttpResponse:
    rows = _visible(request, batch)
    states = Counter(row.state for row in rows)
    version = version_of(
        {row.account_id: row.account for row in rows}.values(),
        sorted(states.items()),
        [row.reason for row in rows],
    )
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    held = [row for row in rows if batches.is_held(row)]
    context = {
        "batch": batch,
        "operations": rows,
        "first": rows[0],
        "done": sum(row.is_finished for row in rows),
        "confirmed": states[Operation.State.CONFIRMED],
        "failed": [row for row in rows if row.state in FAILED],
        "held": held,
        "unsent": [row for row in rows if row.state == Operation.State.REQUESTED],
        "again": [row for row in rows if can_resubmit(row)],
        "may_send": any(map(_may_send, rows)),
        "may_cancel": any(map(_may_cancel, rows)),
        "handover": _handover(rows),
        "version": version,
        "moving": any(row.is_moving and not batches.is_held(row) for row in rows),
    }
    return render_page(request, "activity/operations/batch.html", context, fragment="progress")


def _handover(rows: list[Operation]) -> list[Runner]:
    """The runners this batch created, for the teams that wait for them."""
    created = {
        (row.account_id, row.target_id)
        for row in rows
        if row.kind == Operation.Kind.CREATE_RUNNER and row.state == Operation.State.CONFIRMED
    }
    if not created:
        return []

    accounts = {row.account_id: row.account for row in rows}
    ids = [github_id for _, github_id in created if github_id]
    found = Runner.objects.within(accounts.values()).filter(github_id__in=ids)
    runners = []
    for runner in found.order_by("pk"):
        if (runner.account_id, runner.github_id) in created:
            runner.account = accounts[runner.account_id]
            runners.append(runner)
    return runners


@require_POST
def batch_go_on(request: Request, batch: uuid.UUID) -> HttpResponse:
    count = batches.go_on(_permitted(request, batch, _may_send), by=request.user)
    message = f"{plural(count, 'more operation')} released." if count else "Nothing was waiting."
    messages.success(request, message)
    return redirect("batch", batch)


@require_POST
def batch_stop(request: Request, batch: uuid.UUID) -> HttpResponse:
    count = batches.stop(_permitted(request, batch, _may_cancel), by=request.user)
    cancelled = f"{plural(count, 'operation')} cancelled."
    messages.success(request, f"{cancelled} Operations already sent continue to their outcome.")
    return redirect("batch", batch)


@require_POST
def batch_retry(request: Request, batch: uuid.UUID) -> HttpResponse:
    """Send failed operations again as a new batch, so that the first batch keeps its outcome.

    The new batch's id follows from the first, so that submitting twice creates one batch.
    """
    rows = _permitted(request, batch, _may_send)
    again = uuid.uuid5(batch, "again")
    if not batches.retry_failed(rows, by=request.user, batch=again):
        messages.info(
            request, "None of these can be sent again unchanged. Open an operation to see why."
        )
        return redirect("batch", batch)
    return redirect("batch", again)
