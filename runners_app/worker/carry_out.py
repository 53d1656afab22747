"""Carrying out operations: one step at a time, chosen by kind and state."""

from contextlib import suppress

from runners_app.github import BadCredentials, GitHubError, RateLimited
from runners_app.models import Operation, Reading
from runners_app.models.clock import database_now
from runners_app.operations.send import Work, retry_start
from runners_app.operations.steps import remain, step
from runners_app.operations.transitions import NotMoved, move
from runners_app.readings.identity import IdentityChanged, Renamed, check_organization
from runners_app.worker.steps import STEPS

S = Operation.State
IDENTITY_SECONDS = 30


def carry_out(operation: Operation, work: Work) -> None:
    """Take the next step of an operation. Raises what its step raises."""
    # Found in state `sent`: unless it is known not to be applied, a worker died before the answer.
    if operation.state == S.SENT and not operation.known_not_applied:
        with step(work):
            note = "The worker died before the answer came. Trackside checks if it was applied."
            now = database_now()
            move(
                operation,
                S.UNKNOWN,
                note=note,
                next_step_at=now,
                absent_since=None,
                unknown_since=now,
            )

    if operation.state in (S.REQUESTED, S.SENT) and not _is_same_account(operation, work):
        return
    steps = STEPS[operation.kind]
    by_state = {
        S.REQUESTED: steps.start,
        S.SENT: steps.start,
        S.UNKNOWN: steps.probe,
        S.OBSERVING: steps.observe,
    }
    take = by_state[S(operation.state)]
    if take is None:
        raise ValueError(f"An operation of kind {operation.kind} is never {operation.state}.")
    take(operation, work)


def _is_same_account(operation: Operation, work: Work) -> bool:
    """Whether the organization's name still means the one that was connected.

    If not, or if GitHub cannot be asked, the operation waits. An answer counts for
    IDENTITY_SECONDS in this worker's shift.
    """
    account, now = operation.account, database_now()
    checked_at = work.identities.get(account.pk)
    if checked_at is not None and (now - checked_at).total_seconds() < IDENTITY_SECONDS:
        return True
    try:
        check_organization(account, work.client)
    except (BadCredentials, RateLimited):
        raise
    except Renamed as error:
        remain(operation, work, seconds=0, note=str(error))
        return False
    except IdentityChanged as error:
        remain(operation, work, seconds=IDENTITY_SECONDS, note=f"Not sent. {error}")
        return False
    except GitHubError as error:
        note = f"Not sent yet: GitHub could not be asked whose name {account.slug} is. {error}"
        retry_start(operation, work, note)
        return False
    work.identities[account.pk] = now
    return True


def resolve(reading: Reading, work: Work) -> None:
    """After a good reading: confirm operations that need attention, if our tables prove them."""
    waiting = Operation.objects.filter(account=reading.account, state=S.NEEDS_ATTENTION)
    for operation in waiting.select_related("account"):
        steps = STEPS[operation.kind]
        if steps.resolve is not None and steps.resolved_by == reading.resource:
            with suppress(NotMoved):  # a person decided at the same time
                steps.resolve(operation, work)


def next_due(credential_id: int) -> Operation | None:
    """The oldest operation of a credential whose next step is due."""
    waiting = Operation.objects.filter(
        account__credential_id=credential_id, state__in=Operation.CARRIED_BY_WORKER
    )
    if not waiting.exists():  # asked between any two pages of a reading, and most often so
        return None
    due = Operation.objects.due(database_now()).filter(account__credential_id=credential_id)
    return due.select_related("account").first()
