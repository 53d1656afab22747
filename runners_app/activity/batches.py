"""Batches: the operations of one bulk change. Some may be held until a person has seen the first
ones end well.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from django.db import transaction
from django.utils import timezone

from runners_app.activity.resubmit import can_resubmit, resubmit
from runners_app.credentials.wake import wake_on_commit
from runners_app.models import AuditEntry, Operation
from runners_app.operations.requests import CannotSendAgain, cancel
from runners_app.operations.transitions import NotMoved
from runners_app.security import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

S = Operation.State


def is_held(operation: Operation) -> bool:
    """Requested, and not looked at by any worker until somebody says go on."""
    return operation.state == S.REQUESTED and operation.next_step_at is None


@transaction.atomic
def go_on(operations: Iterable[Operation], *, by: "User") -> int:
    """Send what was held. Says how many."""
    held = [operation for operation in operations if is_held(operation)]
    now = timezone.now()
    rows = Operation.objects.filter(
        pk__in=[row.pk for row in held], state=S.REQUESTED, next_step_at=None
    )
    count = rows.update(next_step_at=now, confirmed_at=now)
    for credential_id in {row.account.credential_id for row in held}:
        wake_on_commit(credential_id)
    _audit(AuditEntry.Action.BATCH_CONTINUED, held, by)
    return count


def stop(operations: Iterable[Operation], *, by: "User") -> int:
    """Take back whatever was not sent yet. Says how many."""
    count = 0
    for operation in operations:
        if operation.state != S.REQUESTED:
            continue
        try:
            cancel(operation, by=by)
        except NotMoved:
            continue  # it left meanwhile, and its outcome follows on the page
        count += 1
    return count


@transaction.atomic
def retry_failed(operations: Iterable[Operation], *, by: "User", batch: UUID) -> int:
    """Ask again, as a new batch, for what was rejected or cancelled and may be sent again as it
    was. Says how many.
    """
    count = 0
    for operation in operations:
        if not can_resubmit(operation):
            continue
        try:
            resubmit(operation, by=by, nonce=str(uuid5(batch, str(operation.pk))), batch=batch)
        except CannotSendAgain:
            continue  # gone meanwhile: nothing is left to change
        count += 1
    return count


def _audit(action: AuditEntry.Action, operations: list[Operation], by: "User") -> None:
    for operation in operations:
        audit.record(
            action,
            by=by,
            account=operation.account,
            subject=operation.target_name,
            details={"operation": operation.pk, "batch": str(operation.batch)},
        )
