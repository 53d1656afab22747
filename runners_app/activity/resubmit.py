"""Asking for writes: each becomes an operation and an audit entry in one transaction, and a worker is woken.

Nothing here calls GitHub. See `transitions` for the states and `carry_out` for what the worker does.
"""

from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.db import models

from runners_app.models import Image, ImageVersion, Operation, Runner

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet
from runners_app.groups.requests import send_again as resubmit_group_operation
from runners_app.images.requests import request_delete_image, request_delete_image_version
from runners_app.operations.requests import OF_GROUPS, CannotSendAgain, wanted_on_top_of
from runners_app.runners.requests import request_delete_runner, request_update, values_of

Values = dict[str, Any]


M = TypeVar("M", bound=models.Model)


S = Operation.State


K = Operation.Kind


def may_send_again(operation: Operation) -> bool:
    """Whether asking for the same once more is safe without a look at the form.

    Deletes and updates that did not happen. Not after a conflict: what somebody changed meanwhile must be seen first.
    """
    did_not_happen = operation.state in (S.REJECTED, S.CANCELLED)
    return did_not_happen and operation.kind not in Operation.CREATES and not operation.conflict


def send_again(operation: Operation, *, by: "User", nonce: str, batch: UUID | None = None) -> Operation:
    """Ask for the same once more, as a new operation that starts from how things are now. Raises CannotSendAgain."""
    if not may_send_again(operation):
        raise CannotSendAgain("This cannot be sent again as it was. Edit it instead.")
    asked: Values = {"by": by, "nonce": nonce, "batch": batch, "again_from": operation}
    if operation.target in OF_GROUPS:
        return resubmit_group_operation(operation, asked)
    if operation.kind in (K.UPDATE_RUNNER, K.DELETE_RUNNER):
        runner = _still_there(Runner.objects.present(), operation, github_id=operation.target_id)
        if operation.kind == K.DELETE_RUNNER:
            return request_delete_runner(runner, **asked)
        now = values_of(runner)
        wanted = wanted_on_top_of(now, base=operation.base, wanted=operation.wanted)
        return request_update(runner, wanted, base=now, **asked)
    custom = Image.objects.present().filter(source=Image.Source.CUSTOM)
    image = _still_there(custom, operation, github_id=str(operation.target_id))
    if operation.kind == K.DELETE_IMAGE:
        return request_delete_image(image, **asked)
    versions = ImageVersion.objects.present().filter(image=image)
    return request_delete_image_version(_still_there(versions, operation, version=operation.target_version), **asked)


def _still_there(rows: "QuerySet[M]", operation: Operation, **which: object) -> "M":
    row = rows.filter(account=operation.account, **which).first()
    if row is None:
        raise CannotSendAgain(f"{operation.target_name} is gone, so there is nothing to send.")
    return row
