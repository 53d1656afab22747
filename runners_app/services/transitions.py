"""The states of an operation, as a table, and the one way to move between them."""

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from runners_app.models import Account, Operation, OperationEvent

S = Operation.State

# state → states it may move to
TRANSITIONS: dict[str, frozenset[str]] = {
    S.REQUESTED: frozenset({S.SENT, S.CANCELLED}),
    S.SENT: frozenset({S.OBSERVING, S.CONFIRMED, S.REJECTED, S.UNKNOWN}),
    S.UNKNOWN: frozenset({S.OBSERVING, S.CONFIRMED, S.SENT, S.NEEDS_ATTENTION}),
    S.OBSERVING: frozenset({S.CONFIRMED, S.NEEDS_ATTENTION}),
    S.NEEDS_ATTENTION: frozenset({S.CONFIRMED, S.REJECTED, S.CANCELLED}),
    S.CONFIRMED: frozenset(),
    S.REJECTED: frozenset(),
    S.CANCELLED: frozenset(),
}
FINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


class NotMoved(Exception):
    """The operation is not where the mover thought: somebody else moved it first, or the table forbids it."""


def move(operation: Operation, to: str, *, note: str, by: str = "", request_id: str = "", **fields: Any) -> None:
    """Move by a conditional update, with a line in the timeline; call it inside a transaction.

    `fields` are further columns to set. Raises NotMoved, and then nothing is written.
    """
    if to not in TRANSITIONS[operation.state]:
        raise NotMoved(f"An operation that is {operation.state} cannot become {to}.")
    now = timezone.now()
    values: dict[str, Any] = {"state": to, "reason": note, "next_step_at": None, **fields}
    if to in FINAL:
        values["finished_at"] = now
        values["next_step_at"] = None
    if not Operation.objects.filter(pk=operation.pk, state=operation.state, sends=operation.sends).update(**values):
        raise NotMoved("Somebody else moved this operation meanwhile.")
    for name, value in values.items():
        setattr(operation, name, value)
    tell(operation, note=note, by=by, request_id=request_id)
    Account.objects.filter(pk=operation.account_id).update(version=F("version") + 1)


def tell(operation: Operation, *, note: str, by: str = "", request_id: str = "") -> None:
    """Add a line to the timeline without moving."""
    OperationEvent.objects.create(
        operation=operation, at=timezone.now(), state=operation.state, by=by, note=note, request_id=request_id[:200]
    )


def wait(operation: Operation, *, seconds: float, note: str | None = None, **fields: Any) -> None:
    """Stay in the state and look again after some seconds."""
    values: dict[str, Any] = {"next_step_at": timezone.now() + timedelta(seconds=seconds), **fields}
    if note is not None:
        values["reason"] = note
    Operation.objects.filter(pk=operation.pk, state=operation.state).update(**values)
    for name, value in values.items():
        setattr(operation, name, value)
