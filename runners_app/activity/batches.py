"""Continue, stop and retry batches, which may hold operations until the first ones succeed.

Each decision is one audit entry, however many operations it is about.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from django.db import transaction

from runners_app.activity.resubmit import can_resubmit, resubmit
from runners_app.credentials.wake import wake_on_commit
from runners_app.models import Approval, AuditEntry, Operation
from runners_app.models.clock import database_now
from runners_app.models.operations import nothing_applied
from runners_app.operations.approvals import ask_after_confirming, ask_where_needed
from runners_app.operations.batch import audit_batch
from runners_app.operations.requests import CannotSendAgain
from runners_app.operations.transitions import cancel_requested

if TYPE_CHECKING:
    from django.contrib.auth.models import User

S = Operation.State


def is_held(operation: Operation) -> bool:
    """Whether it is not sent until a person lets its batch go on."""
    return operation.is_held


@transaction.atomic
def go_on(operations: Iterable[Operation], *, by: "User") -> int:
    """Release the held operations. Returns how many were released, or now wait for approval.

    Those whose approval is still awaited stay as they are. The first operations of a batch were
    approved with its rest; what was held since then needs an approval of its own.
    """
    held = {row.pk: row for row in operations if is_held(row) and not row.waits_for_deletion}
    waiting = Operation.objects.filter(nothing_applied(), pk__in=held)
    waiting = waiting.exclude(approval__state=Approval.State.WAITING)
    rows = list(waiting.select_related("approval").order_by("pk"))
    pks, now = [row.pk for row in rows], database_now()
    staged = Operation.HeldBecause.STAGED
    again = [row.pk for row in rows if row.held_because != staged]
    # Whoever approved a batch does not answer for its request as well.
    approved = [row.pk for row in rows if row.approval and row.approval.decided_by_id == by.pk]

    released = Operation.objects.filter(nothing_applied(), pk__in=pks)
    count = released.update(next_step_at=now, confirmed_at=now, held_because="")
    mine = Operation.objects.filter(pk__in=set(pks) - (set(approved) - set(again)))
    mine.update(confirmed_by=by)
    ask_after_confirming(Operation.objects.filter(pk__in=again), by=by)
    if count:
        for credential_id in {held[pk].account.credential_id for pk in pks}:
            wake_on_commit(credential_id)
        audit_batch(AuditEntry.Action.BATCH_CONTINUED, [held[pk] for pk in pks], by=by)
    return count


@transaction.atomic
def stop(operations: Iterable[Operation], *, by: "User") -> int:
    """Cancel every operation that was not sent yet. Returns how many were cancelled.

    One that a worker sends at the same moment continues to its outcome.
    """
    unsent = {row.pk: row for row in operations if row.state == S.REQUESTED}
    pks = cancel_requested(unsent, note=Operation.STOPPED, by=by)
    if not pks:
        return 0
    audit_batch(AuditEntry.Action.BATCH_STOPPED, [unsent[pk] for pk in pks], by=by)
    return len(pks)


@transaction.atomic
def send_again(operations: Iterable[Operation], *, by: "User", batch: UUID) -> int:
    """Send rejected and cancelled operations again, unchanged, as a new batch. Returns how many.

    `batch` is the id of the new batch. Operations that cannot be sent again unchanged, or whose
    target is gone, are left out.
    """
    if Operation.objects.filter(batch=batch).exists():
        return Operation.objects.filter(batch=batch).count()
    sent = []
    for operation in operations:
        if not can_resubmit(operation):
            continue
        nonce = str(uuid5(batch, str(operation.pk)))
        try:
            sent.append(resubmit(operation, by=by, nonce=nonce, batch=batch, audited=False))
        except CannotSendAgain:
            continue  # its target is gone
    if sent:
        ask_where_needed(Operation.objects.filter(batch=batch), by=by, batch_size=len(sent))
        audit_batch(AuditEntry.Action.BATCH_RETRIED, sent, by=by)
    return len(sent)
