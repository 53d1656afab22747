"""The states of an operation, as a table, and the one way to move between them."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F

from runners_app.credentials.wake import wake_on_commit
from runners_app.models import Account, Operation, OperationEvent
from runners_app.models.clock import database_now

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
    """The operation was not moved: it has changed since it was read, or the table forbids it."""


def move(
    operation: Operation, to: str, *, note: str, by: str = "", request_id: str = "", **fields: Any
) -> None:
    """Move to another state and add a line to the timeline; call it inside a transaction.

    `fields` are further columns to set. Raises NotMoved, and then nothing is written.
    """
    if to not in TRANSITIONS[operation.state]:
        raise NotMoved(f"An operation that is {operation.state} cannot become {to}.")
    values: dict[str, Any] = {
        "state": to,
        "reason": note,
        "next_step_at": None,
        "refused_probes": 0,
        **fields,
    }
    if to in FINAL:
        values |= {"finished_at": database_now(), "next_step_at": None}
    if to in FINAL or to == S.OBSERVING:
        values["unknown_since"] = None
    _write(operation, values)
    add_event(operation, note=note, by=by, request_id=request_id)
    if to in FINAL and operation.kind == Operation.Kind.DELETE_RUNNER:
        _decide_followers(operation, is_deleted=to == S.CONFIRMED)


def _decide_followers(deletion: Operation, *, is_deleted: bool) -> None:
    """Let what waits for a deletion be sent, or cancel it if nothing was deleted."""
    waiting = deletion.followers.filter(state=S.REQUESTED, held_because=Operation.HeldBecause.AFTER)
    for follower in waiting.select_related("account"):
        if is_deleted:
            now = database_now()
            note = "The runner is gone, so it can be created again."
            stay(follower, seconds=0, note=note, held_because="", confirmed_at=now)
            wake_on_commit(follower.account.credential_id)
        else:
            note = "The runner was not deleted, so nothing is created."
            move(follower, S.CANCELLED, note=note)


def cancel_requested(pks: Iterable[int], *, note: str, by: User) -> list[int]:
    """Cancel those operations that are still requested, in a few statements; returns which.

    Call it inside a transaction. One that a worker sends at the same moment continues.
    """
    rows = Operation.objects.filter(pk__in=pks, state=S.REQUESTED)
    accounts = Account.objects.filter(pk__in=rows.values("account")).order_by("pk")
    list(accounts.select_for_update(no_key=True))
    cancelled = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
    now = database_now()
    found = Operation.objects.filter(pk__in=cancelled)
    found.update(
        state=S.CANCELLED, reason=note, next_step_at=None, refused_probes=0, finished_at=now
    )
    OperationEvent.objects.bulk_create(
        OperationEvent(operation_id=pk, at=now, state=S.CANCELLED, by=by.get_username(), note=note)
        for pk in cancelled
    )
    Account.objects.filter(pk__in=found.values("account")).update(version=F("version") + 1)
    return cancelled


def stay(
    operation: Operation,
    *,
    seconds: float,
    note: str | None = None,
    by: str = "",
    request_id: str = "",
    **fields: Any,
) -> None:
    """Stay in the state until the next step in some seconds; call it inside a transaction.

    A note that differs from the last one becomes a line in the timeline. Raises NotMoved, and then
    nothing is written.
    """
    values: dict[str, Any] = {"next_step_at": database_now() + timedelta(seconds=seconds), **fields}
    is_news = note is not None and note != operation.reason
    if note is not None:
        values["reason"] = note
    _write(operation, values)
    if note is not None and is_news:
        add_event(operation, note=note, by=by, request_id=request_id)


def _write(operation: Operation, values: dict[str, Any]) -> None:
    """Write by compare-and-swap: only if state, sends, proof and hold are as they were read."""
    as_read = Operation.objects.filter(
        pk=operation.pk,
        state=operation.state,
        sends=operation.sends,
        known_not_applied=operation.known_not_applied,
        held_because=operation.held_because,
    )
    if not as_read.update(**values):
        raise NotMoved("This operation was changed at the same time.")
    for name, value in values.items():
        setattr(operation, name, value)


def add_event(operation: Operation, *, note: str, by: str = "", request_id: str = "") -> None:
    """Add a line to the timeline, and raise the account's version so that pages show it."""
    OperationEvent.objects.create(
        operation=operation,
        at=database_now(),
        state=operation.state,
        by=by,
        note=note,
        request_id=request_id[:200],
    )
    Account.objects.filter(pk=operation.account_id).update(version=F("version") + 1)
