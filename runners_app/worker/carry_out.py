"""Carrying out operations: one step at a time, chosen by kind and state."""

from runners_app.models import Operation
from runners_app.models.clock import database_now
from runners_app.operations.send import Work
from runners_app.operations.steps import step
from runners_app.operations.transitions import move
from runners_app.worker.steps import STEPS

S = Operation.State


def carry_out(operation: Operation, work: Work) -> None:
    """Take the next step of an operation. Raises what its step raises."""
    # Found in state `sent`: unless it is known not to be applied, a worker died before the answer.
    if operation.state == S.SENT and not operation.known_not_applied:
        with step(work):
            note = "The worker died before the answer came. Trackside checks if it was applied."
            move(operation, S.UNKNOWN, note=note, next_step_at=database_now(), absent_since=None)

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


def next_due(credential_id: int) -> Operation | None:
    """The oldest operation of a credential whose next step is due."""
    due = Operation.objects.due(database_now()).filter(account__credential_id=credential_id)
    return due.select_related("account").first()
