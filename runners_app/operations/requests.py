"""Requests and decisions of people: each is one transaction with an audit entry.

A requested write becomes an operation, and a worker is woken. Nothing here calls GitHub; see
`transitions` for the states and `worker.carry_out` for what a worker does.
"""

import json
from typing import TYPE_CHECKING, Any, NotRequired, Required, Self, TypedDict
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction

from runners_app.credentials.wake import wake_on_commit
from runners_app.models import Account, Approval, AuditEntry, Operation, Reading
from runners_app.models.clock import database_now
from runners_app.operations.approvals import (
    ask_after_confirming,
    ask_for_approval,
    ask_where_needed,
)
from runners_app.operations.transitions import NotMoved, add_event, move, stay
from runners_app.security import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

S, K = Operation.State, Operation.Kind


class OperationRequest(TypedDict):
    """The user, the nonce of the form, the batch, and the operation this replaces or undoes.

    Each nonce makes one operation: a form submitted twice returns the same one.
    """

    by: Required["User"]
    nonce: Required[str]
    batch: NotRequired[UUID | None]
    again_from: NotRequired[Operation | None]
    undoes: NotRequired[Operation | None]
    proposal: NotRequired[bool]  # True if `by` may not do it, and a manager must approve it
    audited: NotRequired[bool]  # False if the caller writes one audit entry for a whole batch


TARGETS: dict[str, str] = {
    K.DELETE_IMAGE: Operation.Target.IMAGE,
    K.DELETE_IMAGE_VERSION: Operation.Target.IMAGE_VERSION,
    K.CREATE_GROUP: Operation.Target.GROUP,
    K.UPDATE_GROUP: Operation.Target.GROUP,
    K.DELETE_GROUP: Operation.Target.GROUP,
    K.MOVE_SELF_HOSTED_RUNNER: Operation.Target.SELF_HOSTED_RUNNER,
    K.DELETE_SELF_HOSTED_RUNNER: Operation.Target.SELF_HOSTED_RUNNER,
}

# Resources to read after a person's decision about an operation, by its target.
READ_AFTER: dict[str, tuple[str, ...]] = {
    Operation.Target.GROUP: (Reading.Resource.GROUPS, Reading.Resource.GROUP_ACCESS),
    Operation.Target.SELF_HOSTED_RUNNER: (Reading.Resource.SELF_HOSTED_RUNNERS,),
}
# Columns that must agree if two submissions of one form are the same request.
SAME_FORM = ("account_id", "kind", "target_id", "target_version", "wanted")


@transaction.atomic
def request_operation(
    account: Account, kind: str, request: OperationRequest, **values: Any
) -> Operation:
    """Store an operation with its audit entry and wake a worker.

    `values` are columns of the operation. A form submitted again returns the existing operation.
    Raises NotMoved if the form was submitted with other content twice.
    """
    now = database_now()
    row = Operation(
        nonce=request["nonce"],
        batch=request.get("batch"),
        account=account,
        kind=kind,
        target=TARGETS.get(kind, Operation.Target.RUNNER),
        actor=request["by"],
        actor_name=request["by"].get_username(),
        again_from=request.get("again_from"),
        undoes=request.get("undoes"),
        requested_at=now,
        confirmed_at=now,
        next_step_at=now,
        **values,
    )
    if earlier := _store_or_find(row):
        return earlier
    add_event(row, note="Requested.", by=row.actor_name)
    stored = Operation.objects.filter(pk=row.pk)
    if request.get("proposal"):
        ask_for_approval(stored, account, by=request["by"], kind=Approval.Kind.PROPOSAL)
    else:
        ask_where_needed(stored, by=request["by"])
    row.refresh_from_db(fields=["held_because", "approval", "reason"])
    if request.get("audited", True):
        audit.record(
            AuditEntry.Action(f"operation.{kind}"),
            by=request["by"],
            account=account,
            subject=f"{row.target_name} {row.target_version}".strip(),
            details={
                "operation": row.pk,
                "wanted": row.changed_fields or row.wanted,
                **({"undoes": row.undoes_id} if row.undoes_id else {}),
            },
        )
    wake_on_commit(account.credential_id)
    return row


def _store_or_find(row: Operation) -> Operation | None:
    """Store the operation, or return the one that the same form has already made.

    A form that was filled in differently after going back in the browser is another request: it
    gets a nonce derived from its content.
    """
    for _ in range(2):
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            earlier = Operation.objects.get(nonce=row.nonce)
            if all(getattr(earlier, name) == getattr(row, name) for name in SAME_FORM):
                return earlier
            content = json.dumps([getattr(row, name) for name in SAME_FORM], sort_keys=True)
            row.nonce = str(uuid5(UUID(row.nonce), content))
        else:
            return None
    raise NotMoved("This form was submitted before. Open it again.")


@transaction.atomic
def cancel(operation: Operation, *, by: "User") -> None:
    """Cancel an operation that was not applied. Raises NotMoved if it may have been."""
    if not operation.is_cancellable:
        if operation.is_finished:
            raise NotMoved("It has ended.")
        raise NotMoved("It may have been applied by now.")
    if operation.state == S.SENT:
        move(operation, S.UNKNOWN, note="GitHub has not taken it so far.")
        move(operation, S.NEEDS_ATTENTION, note="A person was asked.")
    move(operation, S.CANCELLED, note=Operation.STOPPED, by=by.get_username())
    record(operation, AuditEntry.Action.OPERATION_CANCELLED, by)


@transaction.atomic
def confirm_again(operation: Operation, *, by: "User") -> None:
    """Send an operation that was held or stayed unsent. Raises NotMoved if it no longer waits.

    Where it needs the approval of a second person, it needs another one now.
    """
    if not operation.is_cancellable:
        raise NotMoved("It is no longer waiting to be sent.")
    if operation.waits_for_deletion:
        raise NotMoved("It is sent by itself once the deletion before it is confirmed.")
    if operation.waits_for_approval:
        raise NotMoved(f"Another manager of {operation.account} must approve it first.")
    stay(
        operation,
        seconds=0,
        note="Confirmed again before it was sent.",
        by=by.get_username(),
        confirmed_at=database_now(),
        confirmed_by=by,
        held_because="",
    )
    ask_after_confirming(Operation.objects.filter(pk=operation.pk), by=by)
    record(operation, AuditEntry.Action.OPERATION_AGREED_AGAIN, by)
    wake_on_commit(operation.account.credential_id)


class CannotSendAgain(ValueError):
    """An operation cannot be requested again; the message says why."""

    @classmethod
    def gone(cls, operation: Operation) -> Self:
        return cls(f"{operation.target_name} is gone, so there is nothing to send.")


@transaction.atomic
def settle(operation: Operation, to: str, *, by: "User") -> None:
    """Resolve an operation that needs attention: to `confirmed` or `cancelled`. Raises NotMoved."""
    check_undecided(operation)
    notes = {
        S.CONFIRMED: "Resolved by a person: it took effect.",
        S.CANCELLED: "Resolved by a person: it did not take effect.",
    }
    move(operation, to, note=notes[S(to)], by=by.get_username())
    Reading.objects.schedule_now(
        operation.account, *READ_AFTER.get(operation.target, (Reading.Resource.RUNNERS,))
    )
    wake_on_commit(operation.account.credential_id)
    record(operation, AuditEntry.Action.OPERATION_SETTLED, by)


def check_undecided(operation: Operation) -> None:
    """Raise NotMoved unless the operation waits for a decision."""
    if operation.state != S.NEEDS_ATTENTION:
        raise NotMoved("It does not wait for a decision.")


def record(operation: Operation, action: AuditEntry.Action, by: "User") -> None:
    """Record a person's decision about an operation in the audit log."""
    audit.record(
        action,
        by=by,
        account=operation.account,
        subject=operation.target_name,
        details={"operation": operation.pk, "state": operation.state},
    )
