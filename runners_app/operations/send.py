"""Sending a write: what is committed before it, and what each kind of answer leads to."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings

from runners_app.credentials.leases import LeaseLost, Stopping
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
from runners_app.models.clock import database_now
from runners_app.operations.authority import keep_from_sending, lock_and_check_right
from runners_app.operations.restored import count_send, hold_if_restored, write_mark
from runners_app.operations.steps import Held, need_attention, reject, remain, step
from runners_app.operations.transitions import NotMoved, move, stay
from runners_app.readings.run import Fetch, RunResult

T = TypeVar("T")
S = Operation.State
MOST_SENDS = 2
# These end all work of the credential for now; no step may take them for an answer.
STOPS = (BadCredentials, RateLimited)
# GitHub could not be reached; it may work in a few seconds.
UNREACHED = (NotSent, AnswerLost, AnswerUnusable)


@dataclass(frozen=True)
class Work(Held):
    """What a worker holds while it works for one credential; `fetchers` are by resource.

    `lists` are the complete lists that were read as proof, by account and resource, with the time
    they began: all operations with a lost answer share them. `identities` says when each account
    was last proven to be the one that was connected.
    """

    client: GitHubClient
    fetchers: Mapping[str, Fetch]
    lists: dict[tuple[int, str], tuple[datetime, RunResult]] = field(default_factory=dict)
    identities: dict[int, datetime] = field(default_factory=dict)


def send(
    operation: Operation,
    work: Work,
    call: Callable[[], T],
    *,
    again: str = "Sent to GitHub again.",
    **fields: Any,
) -> T | None:
    """Commit that the operation is sent, then make the call and return its answer.

    Returns None if the answer was lost, or was a refusal, which is then already noted, or if the
    person who requested it lost the right: then nothing is sent, and the operation is held.
    `again` is the note if it was sent before, and `fields` are further columns to commit.

    A rate limit and a connection that never opened prove that nothing was applied: the operation
    stays `sent`, is marked as not applied, and will be sent again. Raises RateLimited and
    BadCredentials, which stop all work of the credential, LeaseLost and NotMoved.
    """
    if hold_if_restored():
        raise NotMoved("The database was restored from a backup: a person must confirm it first.")
    sends = _mark_sent(operation, work, again, fields)
    if sends is None:
        return None
    write_mark(sends)
    try:
        answer = call()
        work.lease.note_progress()
    except STOPS as error:
        with suppress(LeaseLost):  # the caller must stop using the credential all the same
            note = f"GitHub did not take it: {error.message}"
            _stay_unapplied(operation, work, note, error.request_id or "")
        raise
    except Stopping:
        with step(work):
            note = "Trackside was stopped before this was sent."
            stay(operation, seconds=0, note=note, known_not_applied=True)
        raise
    except NotSent as error:
        _stay_unapplied(operation, work, f"Nothing was applied: {error}")
    except Refused as error:
        work.lease.note_progress()
        _refused(operation, work, error)
    except GitHubError as error:
        note = f"The answer was lost: {error} Trackside checks whether it was applied."
        _move_to_unknown(operation, work, note, error)
    else:
        return answer
    finally:
        work.lease.book_write()
    return None


def _mark_sent(operation: Operation, work: Work, again: str, fields: dict[str, Any]) -> int | None:
    """Commit it as sent; returns the number of writes sent so far, or None if it may not be."""
    now = database_now()
    with step(work):
        if because := lock_and_check_right(operation):
            keep_from_sending(operation, because)
            return None
        if operation.state == S.SENT:  # proven not applied, so this is still the same attempt
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
        return count_send()


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
            next_step_at=database_now(),
            absent_since=None,
            unknown_since=operation.unknown_since or database_now(),
            **fields,
        )


def _refused(operation: Operation, work: Work, error: Refused) -> None:
    """Reject it, unless it was sent again: the first attempt may be the reason then."""
    if operation.sends > 1:
        note = (
            f"Sent again, and refused: {error.message} "
            "The first attempt may have been applied. Trackside checks."
        )
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
    """GitHub's refusal as JSON: status, message, errors by field, and the id of the request."""
    return {
        "status": error.status,
        "message": error.message,
        "request_id": error.request_id or "",
        "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in error.errors],
    }


def absent(operation: Operation, work: Work, *, again: Callable[[], None]) -> None:
    """Note that a complete answer does not show the effect.

    That is proof only once no answer has shown it for a while: LOST_CREATE_SECONDS for a create,
    whose list may lag, ABSENCE_PROOF_SECONDS otherwise. Then `again` is called to send it once
    more, based on the answer that was just read, or a person is asked.
    """
    now = database_now()
    if operation.absent_since is None:
        until = now + timedelta(seconds=_absence_seconds(operation))
        note = (
            f"GitHub shows no effect so far. Trackside checks until {until:%H:%M:%S} UTC "
            "before it sends it once more."
        )
        if operation.sends >= MOST_SENDS:
            note = f"GitHub shows no effect so far. Trackside checks until {until:%H:%M:%S} UTC."
        remain_unknown(operation, work, note, absent_since=now)
        return

    left = _absence_seconds(operation) - (now - operation.absent_since).total_seconds()
    if left > 0:
        remain_unknown(operation, work, operation.reason, seconds=left)
    elif operation.sends >= MOST_SENDS:
        note = "Sent twice, and GitHub shows no effect."
        if operation.refusal:
            note += f" GitHub's words: {operation.refusal['message']}"
        need_attention(operation, work, note)
    elif operation.held_because or operation.is_overdue or operation.account.observe_only:
        note = "It was not applied, and is not sent again without asking."
        need_attention(operation, work, note)
    else:
        again()


def _absence_seconds(operation: Operation) -> float:
    seconds: float = settings.ABSENCE_PROOF_SECONDS
    if operation.kind in Operation.CREATES:
        seconds = settings.LOST_CREATE_SECONDS
    return seconds


def remain_unknown(
    operation: Operation, work: Work, note: str, *, seconds: float | None = None, **fields: Any
) -> None:
    """Check again after LOST_ANSWER_SPACING_SECONDS, or sooner after `seconds`.

    After UNKNOWN_LIMIT_SECONDS without a known outcome, a person is asked.
    """
    now = database_now()
    since = operation.unknown_since or now
    if (now - since).total_seconds() > settings.UNKNOWN_LIMIT_SECONDS:
        minutes = round(settings.UNKNOWN_LIMIT_SECONDS / 60)
        text = f"Its outcome has been unknown for {minutes} minutes. {note}"
        need_attention(operation, work, text, **fields)
        return
    spacing: float = settings.LOST_ANSWER_SPACING_SECONDS
    seconds = spacing if seconds is None else min(seconds, spacing)
    remain(operation, work, seconds=seconds, note=note, unknown_since=since, **fields)


def retry_seconds(operation: Operation) -> float:
    """Seconds until the next attempt: a tenth of the operation's age, at most a minute."""
    since = operation.sent_at or operation.confirmed_at
    age = (database_now() - since).total_seconds()
    shortest: float = settings.RETRY_SECONDS
    return max(shortest, min(60.0, age / 10))


def retry_start(operation: Operation, work: Work, note: str) -> None:
    """Try the start again later: nothing is sent before the present state could be read."""
    remain(operation, work, seconds=retry_seconds(operation), note=note)


def retry_probe(operation: Operation, work: Work, note: str, **fields: Any) -> None:
    """Check later whether it took effect: no answer, not even a refusal, proves anything."""
    remain_unknown(operation, work, note, seconds=retry_seconds(operation), **fields)
