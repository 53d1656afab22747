"""Custom images and their versions, and the choice of an image for a runner."""

from dataclasses import dataclass, replace

from runners_app.simulator.api.call import Call
from runners_app.simulator.api.wire import Body, Response, conflict, not_found, problem
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.catalog import find_curated_image
from runners_app.simulator.world.state import (
    LATEST,
    Account,
    CustomImage,
    ImageDetails,
    ImageVersion,
    find_version,
)

DOCS = "/actions/hosted-runners"


@dataclass(frozen=True)
class ChosenImage:
    details: ImageDetails
    platform: str
    small_windows: bool = True


def choose_image(
    account: Account,
    image_id: str | None,
    source: str,
    version: str | None,
    field: str,
    *,
    flat: bool = False,
) -> ChosenImage | list[Body]:
    """The image that a request names, or the problems with it.

    ``flat`` names the fields in problems as an update does (``image_version``).
    """
    if not image_id:
        return [problem("HostedRunner", field, "missing_field")]
    version_field = "image_version" if flat else f"{field}.version"
    if source == "custom":
        return _choose_custom(account, image_id, version, field, version_field)
    curated = find_curated_image(image_id, source)
    if curated is None:
        return [
            problem(
                "HostedRunner",
                field,
                "invalid",
                f"There is no image {image_id} of source {source}.",
            )
        ]
    if version not in (None, LATEST):
        return [
            problem("HostedRunner", version_field, "invalid", "Only custom images have versions.")
        ]
    details = ImageDetails(curated.id, curated.size_gb, curated.display_name, source, LATEST)
    return ChosenImage(details, curated.platform, curated.small_windows)


def current_image(details: ImageDetails, platform: str) -> ChosenImage:
    """The image a runner already has, even if GitHub no longer offers it."""
    curated = find_curated_image(details.id, details.source)
    return ChosenImage(replace(details), platform, curated is None or curated.small_windows)


def _choose_custom(
    account: Account, image_id: str, version: str | None, field: str, version_field: str
) -> ChosenImage | list[Body]:
    image = account.images.get(int(image_id)) if image_id.isascii() and image_id.isdigit() else None
    if image is None:
        return [problem("HostedRunner", field, "invalid", f"There is no custom image {image_id}.")]
    if image.state != "Ready" or not image.versions:
        return [
            problem("HostedRunner", field, "unprocessable", f"The image {image.name} is not ready.")
        ]
    wanted = version or LATEST
    built = image.versions[-1] if wanted == LATEST else find_version(image, wanted)
    if built is None:
        return [
            problem(
                "HostedRunner", version_field, "invalid", f"{image.name} has no version {wanted}."
            )
        ]
    if built.state != "Ready":
        return [
            problem(
                "HostedRunner", version_field, "unprocessable", f"Version {wanted} is not ready."
            )
        ]
    return ChosenImage(
        ImageDetails(str(image.id), built.size_gb, image.name, "custom", wanted), image.platform
    )


def describe_image(image: CustomImage) -> Body:
    return {
        "id": image.id,
        "platform": image.platform,
        "name": image.name,
        "source": "custom",
        "versions_count": len(image.versions),
        "total_versions_size": sum(built.size_gb for built in image.versions),
        "latest_version": image.versions[-1].version if image.versions else "",
        "state": image.state,
    }


def describe_version(built: ImageVersion) -> Body:
    return {
        "version": built.version,
        "state": built.state,
        "size_gb": built.size_gb,
        "created_on": lifecycle.timestamp(built.created_on),
        "state_details": built.state_details,
    }


def list_custom_images(call: Call) -> Response:
    images = [describe_image(image) for image in call.account.images.values()]
    return Response(200, {"total_count": len(images), "images": images})


def get_custom_image(call: Call) -> Response:
    return Response(200, describe_image(_image(call)))


def delete_custom_image(call: Call) -> Response:
    """204, or 409 if the image is in use. What GitHub does in that case is not documented."""
    image = _image(call)
    if users := _users(call, image):
        raise conflict(f"The image is used by {', '.join(users)}.", DOCS)
    del call.account.images[image.id]
    return Response(204)


def list_custom_image_versions(call: Call) -> Response:
    """Newest first."""
    versions = [describe_version(built) for built in reversed(_image(call).versions)]
    return Response(200, {"total_count": len(versions), "image_versions": versions})


def get_custom_image_version(call: Call) -> Response:
    return Response(200, describe_version(_version(call, _image(call))))


def delete_custom_image_version(call: Call) -> Response:
    """204, or 409 if in use. The version built before a deleted latest becomes the latest."""
    image = _image(call)
    built = _version(call, image)
    followers = _users(call, image, LATEST) if len(image.versions) == 1 else []
    if users := [*_users(call, image, built.version), *followers]:
        raise conflict(f"The version is used by {', '.join(users)}.", DOCS)
    image.versions.remove(built)
    return Response(204)


def _image(call: Call) -> CustomImage:
    image = call.account.images.get(int(call.params["image_definition_id"]))
    if image is None:
        raise not_found(DOCS)
    return image


def _version(call: Call, image: CustomImage) -> ImageVersion:
    built = image.versions[-1] if call.params["version"] == LATEST and image.versions else None
    built = built or find_version(image, call.params["version"])
    if built is None:
        raise not_found(DOCS)
    return built


def _users(call: Call, image: CustomImage, version: str | None = None) -> list[str]:
    """Names of the runners that use this image, or only this version of it."""
    lifecycle.remove_gone_runners(call.account, call.at)
    return [
        runner.name
        for runner in call.account.runners.values()
        if runner.image
        and (runner.image.source, runner.image.id) == ("custom", str(image.id))
        and version in (None, runner.image.version)
    ]
