"""Sending a write once: what is committed before, and what each kind of answer makes of the
operation.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.utils import timezone

from runners_app.credentials.leases import LeaseLost
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
from runners_app.operations.steps import Held, need_attention, reject, remain, step
from runners_app.operations.transitions import move, stay
from runners_app.readings.run import Fetch

T = TypeVar("T")
S = Operation.State
MOST_SENDS = 2
# These end all work of the credential for now, so nobody on the way may take them for an answer.
STOPS = (BadCredentials, RateLimited)
# GitHub could not be asked; it may work in a few seconds.
UNREACHED = (NotSent, AnswerLost, AnswerUnusable)


@dataclass(frozen=True)
class Work(Held):
    """What a worker holds while it carries out operations of one credential; `fetchers` by
    resource.
    """

    client: GitHubClient
    fetchers: Mapping[str, Fetch]


def send(
    operation: Operation,
    work: Work,
    call: Callable[[], T],
    *,
    again: str = "Sent to GitHub again.",
    **fields: Any,
) -> T | None:
    """Commit that it is sent, then send. Nothing comes back when the answer was lost or is a
    refusal already noted.

    `fields` are further columns to commit, `again` the words when it was sent before.

    A rate limit and a connection that never opened prove that nothing was applied: the operation
    stays `sent`, marked so, and goes out again. RateLimited and BadCredentials are raised: the
    worker stops with this credential.
    """
    _mark_sent(operation, work, again, fields)
    try:
        return call()
    except STOPS as error:
        with suppress(LeaseLost):  # the credential must be left alone all the same
            _stay_unapplied(
                operation, work, f"GitHub did not take it: {error.message}", error.request_id or ""
            )
        raise
    except NotSent as error:
        _stay_unapplied(operation, work, f"Nothing was applied: {error}")
    except Refused as error:
        _refused(operation, work, error)
    except GitHubError as error:
        _move_to_unknown(
            operation,
            work,
            f"The answer was lost: {error} Trackside looks whether it was applied.",
            error,
        )
    finally:
        work.lease.book_write()
    return None


def _mark_sent(operation: Operation, work: Work, again: str, fields: dict[str, Any]) -> None:
    now = timezone.now()
    with step(work):
        if (
            operation.state == S.SENT
        ):  # proven not applied: out it goes again, without counting as another try
            stay(operation, seconds=0, note=again, known_not_applied=False, sent_at=now, **fields)
        else:
            move(
                operation,
                S.SENT,
                note="Sent to GitHub.",
                sends=operation.sends + 1,
                sent_at=now,
                next_step_at=now,
                known_not_applied=False,
                absent_since=None,
                **fields,
            )


def _stay_unapplied(operation: Operation, work: Work, note: str, request_id: str = "") -> None:
    with step(work):
        stay(
            operation,
            seconds=retry_seconds(operation),
            note=note,
            request_id=request_id,
            known_not_applied=True,
        )


def _move_to_unknown(
    operation: Operation, work: Work, note: str, error: GitHubError, **fields: Any
) -> None:
    with step(work):
        move(
            operation,
            S.UNKNOWN,
            note=note,
            request_id=error.request_id or "",
            next_step_at=timezone.now(),
            absent_since=None,
            **fields,
        )


def _refused(operation: Operation, work: Work, error: Refused) -> None:
    """A create refused when it was sent again may be refused because the first try was applied
    after all.
    """
    if operation.kind in Operation.CREATES and operation.sends > 1:
        note = f"Sent again, and refused: {error.message} The first try may have been applied. Trackside looks."
        _move_to_unknown(operation, work, note, error, refusal=words_of(error))
    else:
        reject(
            operation,
            work,
            error.message,
            request_id=error.request_id or "",
            refusal=words_of(error),
        )


def words_of(error: Refused) -> dict[str, object]:
    """GitHub's words, field by field, with the id of the request."""
    return {
        "status": error.status,
        "message": error.message,
        "request_id": error.request_id or "",
        "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in error.errors],
    }


def absent(operation: Operation, work: Work, *, again: Callable[[], None]) -> None:
    """A complete answer does not show the effect. Seen twice with time between, it was not applied:
    send once more.
    """
    now = timezone.now()
    spacing = settings.LOST_ANSWER_SPACING_SECONDS
    if operation.absent_since is None:
        note = "GitHub shows no effect so far. Trackside looks again."
        remain(operation, work, seconds=spacing, note=note, absent_since=now, refused_probes=0)
    elif (left := spacing - (now - operation.absent_since).total_seconds()) > 0:
        remain(operation, work, seconds=left, refused_probes=0)
    elif operation.sends >= MOST_SENDS:
        refused = f" GitHub's words: {operation.refusal['message']}" if operation.refusal else ""
        need_attention(operation, work, f"Sent twice, and GitHub shows no effect.{refused}")
    elif operation.confirmed_too_long_ago or operation.account.observe_only:
        need_attention(
            operation,
            work,
            "It was not applied. It is too old by now to be sent again without asking.",
        )
    else:
        again()


def retry_seconds(operation: Operation) -> float:
    """Until the next try while GitHub cannot be reached: a tenth of its age, at most a minute."""
    since = operation.sent_at or operation.confirmed_at
    age = (timezone.now() - since).total_seconds()
    shortest: float = settings.RETRY_SECONDS
    return max(shortest, min(60.0, age / 10))


def retry_start(operation: Operation, work: Work, note: str) -> None:
    """Nothing is sent before GitHub could be asked how things stand."""
    remain(operation, work, seconds=retry_seconds(operation), note=note)


def retry_probe(operation: Operation, work: Work, note: str, error: Exception | None) -> None:
    """GitHub could not be asked whether it took effect. A refusal is asked for three times and then
    shown.
    """
    refused_probes = operation.refused_probes + 1 if isinstance(error, Refused) else 0
    if refused_probes >= 3:
        need_attention(operation, work, note)
    else:
        remain(
            operation,
            work,
            seconds=retry_seconds(operation),
            note=note,
            refused_probes=refused_probes,
        )
