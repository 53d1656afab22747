"""Request the deletion of custom images and their versions. Only jobs create them."""

from typing import Unpack

from runners_app.models import Image, ImageVersion, Operation
from runners_app.operations.requests import CannotSendAgain, OperationRequest, request_operation

K = Operation.Kind


def request_delete_image(image: Image, **request: Unpack[OperationRequest]) -> Operation:
    """Request the deletion of a custom image with all its versions."""
    return request_operation(
        image.account,
        K.DELETE_IMAGE,
        request,
        target_id=int(image.github_id),
        target_name=image.name,
    )


def request_delete_image_version(
    version: ImageVersion, **request: Unpack[OperationRequest]
) -> Operation:
    """Request the deletion of one version of a custom image."""
    image = version.image
    return request_operation(
        image.account,
        K.DELETE_IMAGE_VERSION,
        request,
        target_id=int(image.github_id),
        target_name=image.name,
        target_version=version.version,
    )


def resubmit(operation: Operation, **request: Unpack[OperationRequest]) -> Operation:
    """Request the same deletion again. Raises CannotSendAgain if the target is gone."""
    images = Image.objects.present().filter(account=operation.account, source=Image.Source.CUSTOM)
    image = images.filter(github_id=str(operation.target_id)).first()
    if image is None:
        raise CannotSendAgain.gone(operation)
    if operation.kind == K.DELETE_IMAGE:
        return request_delete_image(image, **request)

    versions = ImageVersion.objects.present().filter(image=image)
    version = versions.filter(version=operation.target_version).first()
    if version is None:
        raise CannotSendAgain.gone(operation)
    return request_delete_image_version(version, **request)
