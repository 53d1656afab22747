"""Batches of operations: progress of a bulk change, go on, stop, retry what failed."""

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
    """That changes nothing at GitHub, so a paused or observed account does not stand in the way."""
    return getattr(row.account, "role", "") == Membership.Role.MANAGER


def _own(request: Request, batch: uuid.UUID, may: Callable[[Operation], bool]) -> list[Operation]:
    """Those with which the person may do it, at least one."""
    own = [row for row in _visible(request, batch) if may(row)]
    if not own:
        raise PermissionDenied(
            "You may look at this but not decide about it. Ask somebody who manages these accounts."
        )
    return own


@require_safe
def batch(request: Request, batch: uuid.UUID) -> HttpResponse:
    rows = _visible(request, batch)
    states = Counter(row.state for row in rows)
    version = version_of(
        {row.account_id: row.account for row in rows}.values(),
        sorted(states.items()),
        _reasons(rows),
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


def _reasons(rows: list[Operation]) -> list[str]:
    return [row.reason for row in rows]


def _handover(rows: list[Operation]) -> list[Runner]:
    """Runners this batch created, to tell the teams that wait for them."""
    made = {
        (row.account_id, row.target_id)
        for row in rows
        if row.kind == Operation.Kind.CREATE_RUNNER and row.state == Operation.State.CONFIRMED
    }
    if not made:
        return []
    accounts = {row.account_id: row.account for row in rows}
    ids = [github_id for _, github_id in made if github_id]
    found = Runner.objects.within(accounts.values()).filter(github_id__in=ids)
    runners = [
        runner for runner in found.order_by("pk") if (runner.account_id, runner.github_id) in made
    ]
    for runner in runners:
        runner.account = accounts[runner.account_id]
    return runners


@require_POST
def batch_go_on(request: Request, batch: uuid.UUID) -> HttpResponse:
    count = batches.go_on(_own(request, batch, _may_send), by=request.user)
    messages.success(
        request, f"{count} more are on their way." if count else "Nothing was waiting."
    )
    return redirect("batch", batch)


@require_POST
def batch_stop(request: Request, batch: uuid.UUID) -> HttpResponse:
    count = batches.stop(_own(request, batch, _may_cancel), by=request.user)
    messages.success(
        request, f"{count} were taken back. What had been sent goes on to its outcome."
    )
    return redirect("batch", batch)


@require_POST
def batch_retry(request: Request, batch: uuid.UUID) -> HttpResponse:
    """As a new batch, so that the outcome of the first stays readable. The same press twice asks
    once.
    """
    rows = _own(request, batch, _may_send)
    again = uuid.uuid5(batch, "again")
    if not batches.retry_failed(rows, by=request.user, batch=again):
        messages.info(
            request, "Nothing of this can be sent again as it was. Open the lines to see why."
        )
        return redirect("batch", batch)
    return redirect("batch", again)
