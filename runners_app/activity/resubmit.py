"""Sending an operation again as it was, where that is safe without a look at the form."""

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
    """Whether asking for the same once more is safe without a look at the form.

    Deletions and updates that did not happen. Not after a conflict: what changed at GitHub must be
    seen first.
    """
    did_not_happen = operation.state in (S.REJECTED, S.CANCELLED)
    return did_not_happen and operation.kind not in Operation.CREATES and not operation.conflict


def resubmit(operation: Operation, **request: Unpack[OperationRequest]) -> Operation:
    """Ask for the same once more, as a new operation that starts from how things are now. Raises
    CannotSendAgain.
    """
    if not can_resubmit(operation):
        raise CannotSendAgain("This cannot be sent again as it was. Edit it instead.")
    return RESUBMIT[operation.target](operation, **{**request, "again_from": operation})
