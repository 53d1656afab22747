"""Continue, stop and retry batches, which may hold operations until the first ones succeed.

Each decision is one audit entry, however many operations it is about.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import F

from runners_app.activity.resubmit import can_resubmit, resubmit
from runners_app.credentials.wake import wake_on_commit
from runners_app.models import Account, AuditEntry, Operation, OperationEvent
from runners_app.models.clock import database_now
from runners_app.models.operations import nothing_applied
from runners_app.operations.batch import audit_batch
from runners_app.operations.requests import CannotSendAgain

if TYPE_CHECKING:
    from django.contrib.auth.models import User

S = Operation.State


def is_held(operation: Operation) -> bool:
    """Whether it is not sent until a person lets its batch go on."""
    return operation.is_held


@transaction.atomic
def go_on(operations: Iterable[Operation], *, by: "User") -> int:
    """Release the held operations. Returns how many were released."""
    held = [row for row in operations if is_held(row) and not row.waits_for_deletion]
    now = database_now()
    rows = Operation.objects.filter(nothing_applied(), pk__in=[row.pk for row in held])
    count = rows.update(next_step_at=now, confirmed_at=now, confirmed_by=by, held_because="")
    if count:
        for credential_id in {row.account.credential_id for row in held}:
            wake_on_commit(credential_id)
        audit_batch(AuditEntry.Action.BATCH_CONTINUED, held, by=by)
    return count


@transaction.atomic
def stop(operations: Iterable[Operation], *, by: "User") -> int:
    """Cancel every operation that was not sent yet. Returns how many were cancelled.

    One that a worker sends at the same moment continues to its outcome.
    """
    unsent = {row.pk: row for row in operations if row.state == S.REQUESTED}
    accounts = {row.account_id for row in unsent.values()}
    list(Account.objects.select_for_update(no_key=True).filter(pk__in=accounts).order_by("pk"))
    rows = Operation.objects.filter(pk__in=unsent, state=S.REQUESTED).order_by("pk")
    pks = list(rows.select_for_update().values_list("pk", flat=True))
    if not pks:
        return 0

    now = database_now()
    Operation.objects.filter(pk__in=pks).update(
        state=S.CANCELLED,
        reason=Operation.STOPPED,
        next_step_at=None,
        refused_probes=0,
        finished_at=now,
    )
    OperationEvent.objects.bulk_create(
        OperationEvent(
            operation_id=pk, at=now, state=S.CANCELLED, by=by.get_username(), note=Operation.STOPPED
        )
        for pk in pks
    )
    Account.objects.filter(pk__in=accounts).update(version=F("version") + 1)
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
        audit_batch(AuditEntry.Action.BATCH_RETRIED, sent, by=by)
    return len(sent)
