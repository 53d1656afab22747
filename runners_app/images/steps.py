"""Delete custom images and their versions. GitHub's API cannot create or change them."""

from typing import Any

from runners_app.github import Answer
from runners_app.images.readings import custom_image_values, image_version_values
from runners_app.models import Image, ImageVersion, Operation, Reading
from runners_app.operations.delete import Deletion
from runners_app.operations.send import Work
from runners_app.readings.publish import RowSet
from runners_app.readings.run import publish_fresh

R = Reading.Resource


def _delete_image(operation: Operation, work: Work) -> Answer[Any]:
    return work.client.delete_custom_image(operation.account.owner, operation.target_github_id)


def _image_state(operation: Operation, work: Work) -> str:
    """The image's state at GitHub, published. Raises GitHubError."""
    account = operation.account
    image = work.client.get_custom_image(account.owner, operation.target_github_id).data
    scope = {"account": account, "source": Image.Source.CUSTOM}
    values = custom_image_values(image)
    rows = RowSet(Image, scope, "github_id", {str(image.id): values}, complete=False)
    publish_fresh(rows, account=account, lease=work.lease, resource=R.CUSTOM_IMAGES)
    return image.state


def _delete_version(operation: Operation, work: Work) -> Answer[Any]:
    return work.client.delete_custom_image_version(
        operation.account.owner, operation.target_github_id, operation.target_version
    )


def _version_state(operation: Operation, work: Work) -> str:
    """The version's state at GitHub, published if its image is stored. Raises GitHubError."""
    account = operation.account
    version = work.client.get_custom_image_version(
        account.owner, operation.target_github_id, operation.target_version
    ).data
    image = _images(operation, Image.objects.all()).first()
    if image is not None:
        scope = {"account": account, "image": image}
        values = image_version_values(version)
        rows = RowSet(ImageVersion, scope, "version", {version.version: values}, complete=False)
        publish_fresh(rows, account=account, lease=work.lease, resource=R.IMAGE_VERSIONS)
    return version.state


def _images(operation: Operation, images: Any) -> Any:
    return images.filter(
        account=operation.account,
        source=Image.Source.CUSTOM,
        github_id=str(operation.target_github_id),
    )


def _image_is_listed(operation: Operation) -> bool:
    return bool(_images(operation, Image.objects.present()).exists())


def _version_is_listed(operation: Operation) -> bool:
    images = _images(operation, Image.objects.present())
    versions = ImageVersion.objects.present().filter(version=operation.target_version)
    return versions.filter(image__in=images).exists()


def _read_lists_again(operation: Operation) -> None:
    Reading.objects.schedule_now(operation.account, R.LIMITS, R.CUSTOM_IMAGES, R.IMAGE_VERSIONS)


IMAGE_DELETION = Deletion(
    R.CUSTOM_IMAGES, _delete_image, _image_state, _image_is_listed, on_gone=_read_lists_again
)
VERSION_DELETION = Deletion(
    R.IMAGE_VERSIONS, _delete_version, _version_state, _version_is_listed, on_gone=_read_lists_again
)
