"""Sending a write once: what is committed before, and what each kind of answer makes of the operation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from runners_app.github import (
    AnswerLost,
    AnswerUnusable,
    BadCredentials,
    GitHubClient,
    GitHubError,
    NotSent,
    RateLimited,
    Refused,
)
from runners_app.models import Operation
from runners_app.services.leases import Lease
from runners_app.services.transitions import move, tell, wait

T = TypeVar("T")
S = Operation.State
MOST_SENDS = 2
RETRY_SECONDS = 5
# These end all work of the credential for now, so nobody on the way may take them for an answer.
STOPS = (BadCredentials, RateLimited)
# GitHub could not be asked; it may work in a few seconds.
UNREACHED = (NotSent, AnswerLost, AnswerUnusable)


@dataclass(frozen=True)
class Work:
    """What a worker holds while it carries out operations of one credential."""

    client: GitHubClient
    lease: Lease


def send(operation: Operation, work: Work, call: Callable[[], T]) -> T | None:
    """Commit that it is sent, then send. Nothing comes back when the answer was lost or is a refusal already noted.

    A rate limit and a connection that never opened prove that nothing was applied: the operation stays `sent`,
    marked so, and goes out again. RateLimited and BadCredentials are raised: the worker stops with this credential.
    """
    with transaction.atomic():
        work.lease.check()
        _mark_sent(operation)
    try:
        return call()
    except STOPS as error:
        stay_unapplied(operation, f"GitHub did not take it: {error.message}", error.request_id or "")
        raise
    except NotSent as error:
        stay_unapplied(operation, f"GitHub could not be reached, so nothing was applied: {error}")
    except Refused as error:
        reject(operation, work, error)
    except GitHubError as error:
        with transaction.atomic():
            work.lease.check()
            move(
                operation, S.UNKNOWN, note=f"The answer was lost: {error}. Trackside looks whether it was applied.",
                request_id=error.request_id or "", next_step_at=timezone.now(), absent_since=None,
            )  # fmt: skip
    return None


def _mark_sent(operation: Operation) -> None:
    now = timezone.now()
    if operation.state == S.SENT:  # proven not applied: out it goes again, without counting as another try
        wait(operation, seconds=0, known_not_applied=False, sent_at=now)
        tell(operation, note="Sent again.")
        return
    move(
        operation, S.SENT, note="Sent to GitHub.", sends=operation.sends + 1, sent_at=now, next_step_at=now,
        known_not_applied=False, absent_since=None,
    )  # fmt: skip


def stay_unapplied(operation: Operation, note: str, request_id: str = "") -> None:
    with transaction.atomic():
        wait(operation, seconds=RETRY_SECONDS, note=note, known_not_applied=True)
        tell(operation, note=note, request_id=request_id)


def reject(operation: Operation, work: Work, error: Refused) -> None:
    """Keep GitHub's words, field by field, with the id of the request."""
    refusal = {
        "status": error.status,
        "message": error.message,
        "request_id": error.request_id or "",
        "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in error.errors],
    }
    with transaction.atomic():
        work.lease.check()
        move(
            operation, S.REJECTED, note=f"GitHub refused: {error.message}", request_id=error.request_id or "",
            refusal=refusal,
        )  # fmt: skip


def absent(operation: Operation, work: Work, *, again: Callable[[], None]) -> None:
    """A complete answer does not show the effect. Seen twice with time between, it was not applied: send once more."""
    now = timezone.now()
    spacing = settings.LOST_ANSWER_SPACING_SECONDS
    if operation.absent_since is None:
        wait(operation, seconds=spacing, note="Not applied so far. Trackside looks again.", absent_since=now)
    elif (now - operation.absent_since).total_seconds() < spacing:
        wait(operation, seconds=spacing - (now - operation.absent_since).total_seconds())
    elif operation.sends < MOST_SENDS:
        again()
    else:
        need_attention(operation, work, "Sent twice, both answers were lost, and GitHub shows no effect.")


def need_attention(operation: Operation, work: Work, note: str, **fields: Any) -> None:
    with transaction.atomic():
        work.lease.check()
        move(operation, S.NEEDS_ATTENTION, note=note, **fields)


def confirm(operation: Operation, work: Work, note: str, request_id: str = "", **fields: Any) -> None:
    with transaction.atomic():
        work.lease.check()
        move(operation, S.CONFIRMED, note=note, request_id=request_id, **fields)


def cancel_unsent(operation: Operation, work: Work, note: str, **fields: Any) -> None:
    with transaction.atomic():
        work.lease.check()
        move(operation, S.CANCELLED, note=note, **fields)


def observe(operation: Operation, work: Work, note: str, request_id: str = "") -> None:
    """GitHub accepted: from now on look until the effect shows."""
    now = timezone.now()
    with transaction.atomic():
        work.lease.check()
        move(operation, S.OBSERVING, note=note, request_id=request_id, observing_since=now, next_step_at=now)


def keep_observing(operation: Operation, work: Work, note: str) -> None:
    since = operation.observing_since or timezone.now()
    if (timezone.now() - since).total_seconds() > settings.OBSERVE_LIMIT_SECONDS:
        minutes = round(settings.OBSERVE_LIMIT_SECONDS / 60)
        need_attention(
            operation, work, f"GitHub accepted it, but the effect has not shown for {minutes} minutes. {note}"
        )
    else:
        wait(operation, seconds=settings.OBSERVE_INTERVAL_SECONDS, note=note)
