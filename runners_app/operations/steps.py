"""Steps of a worker: one transaction, in which its lease still holds and the operation is as it was
read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from runners_app.credentials.leases import Lease
from runners_app.models import Operation
from runners_app.operations.transitions import move, stay

if TYPE_CHECKING:
    from collections.abc import Callable

    from runners_app.operations.send import Work

    Step = Callable[[Operation, Work], None]

S = Operation.State
# So many operations watched at once share one look per interval each; more of them look less often.
WATCHED_AT_FULL_PACE = 10


@dataclass(frozen=True)
class Held:
    """What makes a worker the only one: its lease."""

    lease: Lease


@dataclass(frozen=True)
class Steps:
    """How one kind of operation is carried out. A step sends requests, and ends in one transaction.

    `start` while nothing was applied: from `requested`, or from `sent` when known not applied.
    `probe` from `unknown`: the answer was lost, was it applied? `observe` from `observing`: GitHub
    accepted it, does it show yet? Kinds whose answer shows the outcome have none.
    """

    start: "Step"
    probe: "Step"
    observe: "Step | None" = None


@contextmanager
def step(held: Held) -> Iterator[None]:
    """Raises LeaseLost, and then nothing is written."""
    with transaction.atomic():
        held.lease.check()
        yield


def remain(
    operation: Operation, held: Held, *, seconds: float, note: str | None = None, **fields: Any
) -> None:
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
    """Nothing was applied and nothing will be sent. One that GitHub did not take before waits for a
    person's word.
    """
    with step(held):
        if operation.state == S.REQUESTED:
            move(operation, S.CANCELLED, note=note, **fields)
        else:
            move(operation, S.UNKNOWN, note="GitHub has not taken it so far.")
            move(operation, S.NEEDS_ATTENTION, note=note, **fields)


def begin_observing(operation: Operation, held: Held, note: str, request_id: str = "") -> None:
    """GitHub accepted: from now on look until the effect shows."""
    now = timezone.now()
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
    since = operation.observing_since or timezone.now()
    if (timezone.now() - since).total_seconds() > settings.OBSERVE_LIMIT_SECONDS:
        minutes = round(settings.OBSERVE_LIMIT_SECONDS / 60)
        told = f"GitHub accepted it, but the effect has not shown for {minutes} minutes. {note}"
        need_attention(operation, held, told)
    else:
        remain(operation, held, seconds=_observe_interval(held), note=note, refused_probes=0)


def _observe_interval(held: Held) -> float:
    """Many deletions at once must not use up what GitHub allows per minute."""
    watched = Operation.objects.filter(
        account__credential_id=held.lease.credential_id, state=S.OBSERVING
    ).count()
    interval: float = settings.OBSERVE_INTERVAL_SECONDS
    return interval * max(1.0, watched / WATCHED_AT_FULL_PACE)
