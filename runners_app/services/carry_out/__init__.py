"""The worker's side of operations: one step at a time, by kind and state."""

from collections.abc import Callable

from django.utils import timezone

from runners_app.models import Operation
from runners_app.services.carry_out import create, delete, group_create, group_update, self_hosted, update
from runners_app.services.carry_out.send import Work
from runners_app.services.carry_out.steps import step
from runners_app.services.transitions import move

Step = Callable[[Operation, Work], None]
K, S = Operation.Kind, Operation.State
# From `sent` an operation starts once more only when it is known that nothing was applied; see `carry_out`.
_DELETE: dict[str, Step] = {
    S.REQUESTED: delete.start, S.SENT: delete.start, S.UNKNOWN: delete.look, S.OBSERVING: delete.watch,
}  # fmt: skip
STEPS: dict[str, dict[str, Step]] = {
    K.CREATE_RUNNER: {S.REQUESTED: create.start, S.SENT: create.start, S.UNKNOWN: create.look},
    K.UPDATE_RUNNER: {
        S.REQUESTED: update.start, S.SENT: update.start, S.UNKNOWN: update.look, S.OBSERVING: update.watch,
    },
    K.DELETE_RUNNER: _DELETE,
    K.DELETE_IMAGE: _DELETE,
    K.DELETE_IMAGE_VERSION: _DELETE,
    K.CREATE_GROUP: {S.REQUESTED: group_create.start, S.SENT: group_create.start, S.UNKNOWN: group_create.look},
    K.UPDATE_GROUP: {
        S.REQUESTED: group_update.start, S.SENT: group_update.start, S.UNKNOWN: group_update.look,
        S.OBSERVING: group_update.watch,
    },
    K.DELETE_GROUP: _DELETE,
    K.MOVE_SELF_HOSTED_RUNNER: {
        S.REQUESTED: self_hosted.start, S.SENT: self_hosted.start, S.UNKNOWN: self_hosted.look,
        S.OBSERVING: self_hosted.watch,
    },
    K.DELETE_SELF_HOSTED_RUNNER: _DELETE,
}  # fmt: skip


def carry_out(operation: Operation, work: Work) -> None:
    """One step. An operation found `sent` by a worker was left by one that died, unless it is known not applied."""
    if operation.state == S.SENT and not operation.known_not_applied:
        with step(work):
            note = "The worker stopped before the answer came. Trackside looks whether it was applied."
            move(operation, S.UNKNOWN, note=note, next_step_at=timezone.now(), absent_since=None)
    STEPS[operation.kind][operation.state](operation, work)


def next_due(credential_id: int) -> Operation | None:
    """The oldest operation of a credential that can go on now."""
    due = Operation.objects.due(timezone.now()).filter(account__credential_id=credential_id)
    return due.select_related("account").first()
