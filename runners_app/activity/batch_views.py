"""A batch, the operations of one bulk change: its progress, and continue, stop or retry."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from runners_app.activity import batches
from runners_app.activity.undo import WITHOUT_EFFECT
from runners_app.models import (
    Account,
    Approval,
    Membership,
    Operation,
    OperationEvent,
    Runner,
)
from runners_app.models.operations import OperationQuerySet, is_held
from runners_app.web.pages import (
    Request,
    is_unchanged,
    query_without,
    render_page,
    version_of,
)
from runners_app.web.paging import Order, page_by_key

AFTER, APPROVAL = Operation.HeldBecause.AFTER, Operation.HeldBecause.APPROVAL
RETRIED = "again"  # names, with the batch, the batch that sends its failed operations again
RENEWED = "stopped ones again"


@dataclass(frozen=True)
class Batch:
    """The operations of a batch that a user may see, and their accounts by primary key."""

    rows: OperationQuerySet
    accounts: dict[int, Account]

    def take(self, rows: Iterable[Operation]) -> list[Operation]:
        """The rows as a list, each with its account as the user sees it."""
        taken = list(rows)
        for row in taken:
            row.account = self.accounts[row.account_id]
        return taken


def _visible(request: Request, batch: uuid.UUID) -> Batch:
    """The batch. Raises Http404 if the user sees none of its operations."""
    accounts = {account.pk: account for account in Account.objects.visible_to(request.user)}
    rows = Operation.objects.filter(batch=batch).within(accounts.values())
    inside = set(rows.values_list("account_id", flat=True).distinct())
    if not inside:
        raise Http404
    return Batch(rows, {pk: account for pk, account in accounts.items() if pk in inside})


def _may_send(account: Account) -> bool:
    return account.may_be_changed


def _may_cancel(account: Account) -> bool:
    """Also in a paused or observed account, because cancelling changes nothing on GitHub."""
    return account.role == Membership.Role.MANAGER


def _permitted(
    request: Request, batch: uuid.UUID, may: Callable[[Account], bool]
) -> tuple[Batch, OperationQuerySet]:
    """The batch, and the operations in it that the user may act on. Raises PermissionDenied if
    there are none.
    """
    found = _visible(request, batch)
    allowed = [pk for pk, account in found.accounts.items() if may(account)]
    if not allowed:
        raise PermissionDenied(
            "You can view this batch but not change it. Ask a manager of its accounts."
        )
    return found, found.rows.filter(account__in=allowed).order_by("pk")


@require_safe
def batch(request: Request, batch: uuid.UUID) -> HttpResponse:
    found = _visible(request, batch)
    rows, now = found.rows, timezone.now()
    counts = Counter(dict(rows.order_by().values_list("state").annotate(Count("pk"))))
    moving = rows.moving(now)
    seconds = _seconds_left(moving)
    version = version_of(
        found.accounts.values(), sorted(counts.items()), query_without(request, "version"), seconds
    )
    if is_unchanged(request, version):
        return HttpResponse(status=204)

    state = request.GET.get("state", "")
    shown = rows.filter(state=state) if state in counts else rows
    page = page_by_key(shown, Order("id"), request.GET)
    found.take(page.rows)
    total, stopped, failed = counts.total(), rows.stopped(), rows.not_done()
    finished = total - sum(counts[state] for state in Operation.UNFINISHED)
    failed_count, stopped_count = failed.count(), stopped.count()
    level = "warning" if failed_count else "info"
    if finished == total and not failed_count and not stopped_count:
        level = "success"
    may_send = any(map(_may_send, found.accounts.values()))
    undone = Operation.objects.filter(undoes__batch=batch).exclude(state__in=WITHOUT_EFFECT)
    undoable = counts[Operation.State.CONFIRMED] and not undone.exists()
    undoable = undoable and rows.filter(kind=Operation.Kind.UPDATE_RUNNER).exists()
    context = {
        "batch": batch,
        "page": page,
        "first": found.take(rows.order_by("pk")[:1])[0],
        "total": total,
        "shown": counts.get(state, total),
        "state": state if state in counts else "",
        "states": [(each, counts[each]) for each in Operation.State if counts[each]],
        "level": level,
        "confirmed": counts[Operation.State.CONFIRMED],
        "failed": failed_count,
        "stopped": stopped_count,
        "stopped_by": _stopped_by(stopped),
        "approvals": _approvals(rows),
        "held": rows.filter(is_held()).exclude(held_because__in=(AFTER, APPROVAL)).count(),
        "following": rows.filter(is_held(), held_because=AFTER).count(),
        "recreates": rows.exclude(after=None).count(),
        "unsent": counts[Operation.State.REQUESTED],
        "again": _again(failed).count() if may_send else 0,
        "renewed": _again(stopped).count() if may_send else 0,
        "may_send": may_send,
        "may_cancel": any(map(_may_cancel, found.accounts.values())),
        "may_undo": bool(undoable) and may_send,
        "undoes_batch": _batch_of(Operation.objects.filter(undone_by__batch=batch)),
        "undone_by_batch": _batch_of(undone),
        "handover": _handover(found),
        "seconds": seconds,
        "version": version,
        "moving": moving.exists(),
    }
    return render_page(request, "activity/operations/batch.html", context, fragment="progress")


def _approvals(rows: OperationQuerySet) -> list[Approval]:
    """The approvals that some of the operations wait for, or had."""
    found = Approval.objects.filter(pk__in=rows.exclude(approval=None).values("approval"))
    return list(found.select_related("account").order_by("pk"))


def _batch_of(rows: OperationQuerySet) -> uuid.UUID | None:
    """The batch of some operations, if they are in one."""
    return rows.exclude(batch=None).order_by("-pk").values_list("batch", flat=True).first()


def _again(rows: OperationQuerySet) -> OperationQuerySet:
    """Those of the rows that can be sent again unchanged, as in `can_resubmit`."""
    ended = rows.filter(state__in=(Operation.State.REJECTED, Operation.State.CANCELLED))
    return ended.exclude(kind__in=Operation.CREATES).filter(conflict__isnull=True)


def _stopped_by(stopped: OperationQuerySet) -> str:
    """The names of those who cancelled operations, if any did."""
    events = OperationEvent.objects.filter(
        operation__in=stopped, state=Operation.State.CANCELLED
    ).exclude(by="")
    return " and ".join(sorted(set(events.values_list("by", flat=True))))


def _seconds_left(moving: OperationQuerySet) -> int:
    """How long the unsent operations take at least: each credential sends one a second."""
    unsent = moving.filter(state=Operation.State.REQUESTED)
    counted = unsent.order_by().values_list("account__credential").annotate(Count("pk"))
    return max((count for _, count in counted), default=0)


def _handover(batch: Batch) -> list[Runner]:
    """The runners this batch created, for the teams that wait for them."""
    rows = batch.rows.filter(
        kind=Operation.Kind.CREATE_RUNNER, state=Operation.State.CONFIRMED
    ).exclude(target_id=None)
    created = set(rows.values_list("account_id", "target_id"))
    if not created:
        return []

    ids = [github_id for _, github_id in created if github_id is not None]
    visible = Runner.objects.within(batch.accounts.values()).filter(github_id__in=ids)
    runners = []
    for runner in visible.order_by("pk"):
        if (runner.account_id, runner.github_id) in created:
            runner.account = batch.accounts[runner.account_id]
            runners.append(runner)
    return runners


@require_POST
def batch_go_on(request: Request, batch: uuid.UUID) -> HttpResponse:
    found, rows = _permitted(request, batch, _may_send)
    count = batches.go_on(found.take(rows.filter(is_held())), by=request.user)
    if not count:
        messages.info(request, "Nothing was waiting.")
    return redirect("batch", batch)


@require_POST
def batch_stop(request: Request, batch: uuid.UUID) -> HttpResponse:
    found, rows = _permitted(request, batch, _may_cancel)
    batches.stop(found.take(rows.filter(state=Operation.State.REQUESTED)), by=request.user)
    return redirect("batch", batch)


@require_POST
def batch_retry(request: Request, batch: uuid.UUID) -> HttpResponse:
    """Send the failed operations again as a new batch, or with `what=stopped` the stopped ones.

    The first batch keeps its outcome. The new batch's id follows from the first, so that
    submitting twice creates one batch.
    """
    found, rows = _permitted(request, batch, _may_send)
    wants_stopped = request.POST.get("what") == "stopped"
    chosen = rows.stopped() if wants_stopped else rows.not_done()
    again = uuid.uuid5(batch, RENEWED if wants_stopped else RETRIED)
    if not batches.send_again(found.take(_again(chosen)), by=request.user, batch=again):
        messages.info(
            request, "None of these can be sent again unchanged. Open an operation to see why."
        )
        return redirect("batch", batch)
    return redirect("batch", again)
