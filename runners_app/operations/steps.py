"""Steps of a worker: each ends in one transaction, in which the lease is checked.

The operation is written by compare-and-swap (see `transitions`), so that a step based on an
outdated row writes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from runners_app.credentials.leases import Lease
from runners_app.models import Operation
from runners_app.models.clock import database_now
from runners_app.operations.transitions import move, stay

if TYPE_CHECKING:
    from collections.abc import Callable

    from runners_app.operations.send import Work

    Step = Callable[[Operation, Work], None]

S = Operation.State
# With more observed operations per credential than this, each of them is read less often.
OBSERVED_AT_FULL_PACE = 10


@dataclass(frozen=True)
class Held:
    """Base of what a worker holds: the lease, which makes it the only one of its credential."""

    lease: Lease


@dataclass(frozen=True)
class Steps:
    """How one kind of operation is carried out: functions that each take one step.

    `start` is called while nothing was applied, `probe` in state `unknown` to find out whether it
    was applied, and `observe` in state `observing` until GitHub shows the effect. Kinds whose
    answer already shows the outcome have no `observe`. `resolve` is called in state
    `needs_attention` after a reading of `resolved_by`, and confirms what the tables then prove.
    """

    start: "Step"
    probe: "Step"
    observe: "Step | None" = None
    resolve: "Step | None" = None
    resolved_by: str = ""


@contextmanager
def step(held: Held) -> Iterator[None]:
    """A transaction of the worker. Raises LeaseLost, and then nothing is written."""
    with transaction.atomic():
        held.lease.check()
        yield


def remain(
    operation: Operation, held: Held, *, seconds: float, note: str | None = None, **fields: Any
) -> None:
    """Take the next step in some seconds. Raises LeaseLost and NotMoved, like all of these."""
    with step(held):
        stay(operation, seconds=seconds, note=note, **fields)


def reject(operation: Operation, held: Held, note: str, **fields: Any) -> None:
    with step(held):
        move(operation, S.REJECTED, note=note, **fields)


def confirm(operation: Operation, held: Held, note: str, **fields: Any) -> None:
    with step(held):
        move(operation, S.CONFIRMED, note=note, **fields)


def need_attention(operation: Operation, held: Held, note: str, **fields: Any) -> None:
    with step(held):
        move(operation, S.NEEDS_ATTENTION, note=note, **fields)


def give_up_unsent(operation: Operation, held: Held, note: str, **fields: Any) -> None:
    """Send nothing, because nothing was applied and it can no longer be done.

    An operation that was sent before without effect is left to a person.
    """
    with step(held):
        if operation.state == S.REQUESTED:
            move(operation, S.CANCELLED, note=note, **fields)
        else:
            move(operation, S.UNKNOWN, note="GitHub has not taken it so far.")
            move(operation, S.NEEDS_ATTENTION, note=note, **fields)


def begin_observing(operation: Operation, held: Held, note: str, request_id: str = "") -> None:
    """GitHub accepted the request: observe from now on until the effect shows."""
    now = database_now()
    with step(held):
        move(
            operation,
            S.OBSERVING,
            note=note,
            request_id=request_id,
            observing_since=now,
            next_step_at=now,
        )


def keep_observing(operation: Operation, held: Held, note: str) -> None:
    """Observe again later; after OBSERVE_LIMIT_SECONDS a person is asked."""
    since = operation.observing_since or database_now()
    if (database_now() - since).total_seconds() > settings.OBSERVE_LIMIT_SECONDS:
        minutes = round(settings.OBSERVE_LIMIT_SECONDS / 60)
        text = f"GitHub accepted it, but the effect has not shown for {minutes} minutes. {note}"
        need_attention(operation, held, text)
    else:
        remain(operation, held, seconds=_observe_interval(held), note=note)


def _observe_interval(held: Held) -> float:
    """Seconds; longer if many are observed, to stay within GitHub's limit per minute."""
    observed = Operation.objects.filter(
        account__credential_id=held.lease.credential_id, state=S.OBSERVING
    ).count()
    interval: float = settings.OBSERVE_INTERVAL_SECONDS
    return interval * max(1.0, observed / OBSERVED_AT_FULL_PACE)
