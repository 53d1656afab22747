"""Asking for writes: each becomes an operation and an audit entry in one transaction, and a worker is woken.

Nothing here calls GitHub. See `transitions` for the states and `carry_out` for what the worker does.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from runners_app.models import Image, ImageVersion, Operation

if TYPE_CHECKING:
    from django.contrib.auth.models import User
from runners_app.operations.requests import Asked, ask

K = Operation.Kind


def request_delete_image(
    image: Image, *, by: "User", nonce: str, batch: UUID | None = None, again_from: Operation | None = None
) -> Operation:
    """Ask for the deletion of a custom image with all its versions."""
    return ask(
        image.account, K.DELETE_IMAGE, Asked(by, nonce, batch, again_from),
        target_id=int(image.github_id), target_name=image.name,
    )  # fmt: skip


def request_delete_image_version(
    version: ImageVersion, *, by: "User", nonce: str, batch: UUID | None = None, again_from: Operation | None = None
) -> Operation:
    image = version.image
    return ask(
        image.account, K.DELETE_IMAGE_VERSION, Asked(by, nonce, batch, again_from),
        target_id=int(image.github_id), target_name=image.name, target_version=version.version,
    )  # fmt: skip
