"""Continue, stop and retry batches, which may hold operations until the first ones succeed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from django.db import transaction
from django.utils import timezone

from runners_app.activity.resubmit import can_resubmit, resubmit
from runners_app.credentials.wake import wake_on_commit
from runners_app.models import AuditEntry, Operation
from runners_app.models.operations import nothing_applied
from runners_app.operations.requests import CannotSendAgain, cancel
from runners_app.operations.transitions import NotMoved
from runners_app.security import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

S = Operation.State


def is_held(operation: Operation) -> bool:
    """Whether it is not sent until a person lets its batch go on."""
    return operation.is_held


@transaction.atomic
def go_on(operations: Iterable[Operation], *, by: "User") -> int:
    """Release the held operations, with one audit entry each. Returns how many were released."""
    held = [operation for operation in operations if is_held(operation)]
    now = timezone.now()
    rows = Operation.objects.filter(nothing_applied(), pk__in=[row.pk for row in held])
    count = rows.update(next_step_at=now, confirmed_at=now, confirmed_by=by, held_because="")

    for credential_id in {row.account.credential_id for row in held}:
        wake_on_commit(credential_id)
    for operation in held:
        audit.record(
            AuditEntry.Action.BATCH_CONTINUED,
            by=by,
            account=operation.account,
            subject=operation.target_name,
            details={"operation": operation.pk, "batch": str(operation.batch)},
        )
    return count


def stop(operations: Iterable[Operation], *, by: "User") -> int:
    """Cancel every operation that was not sent yet. Returns how many were cancelled."""
    count = 0
    for operation in operations:
        if operation.state != S.REQUESTED:
            continue
        try:
            cancel(operation, by=by)
        except NotMoved:
            continue  # a worker sent it just now; the page shows its outcome
        count += 1
    return count


@transaction.atomic
def retry_failed(operations: Iterable[Operation], *, by: "User", batch: UUID) -> int:
    """Send rejected and cancelled operations again, unchanged, as a new batch. Returns how many.

    `batch` is the id of the new batch. Operations that cannot be sent again unchanged, or whose
    target is gone, are left out.
    """
    count = 0
    for operation in operations:
        if not can_resubmit(operation):
            continue
        try:
            resubmit(operation, by=by, nonce=str(uuid5(batch, str(operation.pk))), batch=batch)
        except CannotSendAgain:
            continue  # its target is gone
        count += 1
    return count
