"""Send an operation again unchanged, if that is safe without reviewing it in its form."""

from collections.abc import Callable
from typing import Unpack

from runners_app.groups.requests import resubmit_group, resubmit_self_hosted
from runners_app.images.requests import resubmit as resubmit_image
from runners_app.models import Operation
from runners_app.operations.requests import CannotSendAgain, OperationRequest
from runners_app.runners.requests import resubmit as resubmit_runner

S = Operation.State
T = Operation.Target

RESUBMIT: dict[str, Callable[..., Operation]] = {
    T.RUNNER: resubmit_runner,
    T.IMAGE: resubmit_image,
    T.IMAGE_VERSION: resubmit_image,
    T.GROUP: resubmit_group,
    T.SELF_HOSTED_RUNNER: resubmit_self_hosted,
}


def can_resubmit(operation: Operation) -> bool:
    """Whether the operation can be sent again without reviewing it in its form.

    True of updates and deletions that did not happen. Not after a conflict, because a person must
    first see what changed on GitHub. Creates are edited and sent again from their form instead.
    """
    did_not_happen = operation.state in (S.REJECTED, S.CANCELLED)
    return did_not_happen and operation.kind not in Operation.CREATES and not operation.conflict


def resubmit(operation: Operation, **request: Unpack[OperationRequest]) -> Operation:
    """Request the same change as a new operation, which starts from the target's current values.

    Raises CannotSendAgain if it needs a review, or if its target is gone.
    """
    if not can_resubmit(operation):
        raise CannotSendAgain("This cannot be sent again unchanged. Edit it instead.")
    return RESUBMIT[operation.target](operation, **{**request, "again_from": operation})
