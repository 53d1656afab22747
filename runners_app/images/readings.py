"""Read images, image versions, machine sizes and platforms from GitHub."""

from functools import partial

from runners_app.github import CuratedImage, CustomImage, NotFound
from runners_app.github import ImageVersion as GitHubImageVersion
from runners_app.github import MachineSize as GitHubMachineSize
from runners_app.models import Image, ImageVersion, MachineSize, Platform
from runners_app.readings.fetcher import Fetcher
from runners_app.readings.publish import RowSet
from runners_app.readings.rows import Values


def fetch_catalog(fetcher: Fetcher) -> None:
    """Collect what GitHub offers an account: its own and partner images, sizes, platforms.

    GitHub: actions/get-hosted-runners-github-owned-images-for-org,
    actions/get-hosted-runners-partner-images-for-org,
    actions/get-hosted-runners-machine-specs-for-org, actions/get-hosted-runners-platforms-for-org.
    """
    client, owner, account = fetcher.client, fetcher.owner, fetcher.account
    for source, pages in (
        (Image.Source.GITHUB, client.list_github_owned_images(owner, known=fetcher.known)),
        (Image.Source.PARTNER, client.list_partner_images(owner, known=fetcher.known)),
    ):
        into = RowSet(Image, {"account": account, "source": source}, "github_id")
        fetcher.collect(pages, into, lambda image: image.id, curated_image_values)
    sizes = RowSet(MachineSize, {"account": account}, "github_id")
    fetcher.collect(
        client.list_machine_sizes(owner, known=fetcher.known),
        sizes,
        lambda size: size.id,
        machine_size_values,
    )
    platforms = RowSet(Platform, {"account": account}, "github_id")
    fetcher.collect(
        client.list_platforms(owner, known=fetcher.known),
        platforms,
        lambda name: name,
        lambda _: {},
    )


def fetch_custom_images(fetcher: Fetcher) -> None:
    """Collect an account's custom images. GitHub: actions/list-custom-images-for-org."""
    into = RowSet(Image, {"account": fetcher.account, "source": Image.Source.CUSTOM}, "github_id")
    pages = fetcher.client.list_custom_images(fetcher.owner, known=fetcher.known)
    fetcher.collect(
        pages,
        into,
        lambda image: str(image.id),
        custom_image_values,
        get=lambda key: fetcher.client.get_custom_image(fetcher.owner, int(key)),
    )


def fetch_image_versions(fetcher: Fetcher) -> None:
    """Collect the versions of every stored custom image.

    An image that is gone by now is left to the next reading of images.
    GitHub: actions/list-custom-image-versions-for-org.
    """
    images = Image.objects.present().filter(account=fetcher.account, source=Image.Source.CUSTOM)
    for image in images.order_by("pk"):
        into = RowSet(ImageVersion, {"account": fetcher.account, "image": image}, "version")
        pages = fetcher.client.list_custom_image_versions(
            fetcher.owner, int(image.github_id), known=fetcher.known
        )
        try:
            fetcher.collect(
                pages,
                into,
                lambda version: version.version,
                image_version_values,
                get=partial(
                    fetcher.client.get_custom_image_version, fetcher.owner, int(image.github_id)
                ),
            )
        except NotFound:
            fetcher.fetched.requests += 1


def curated_image_values(image: CuratedImage) -> Values:
    return {"name": image.display_name, "platform": image.platform, "size_gb": image.size_gb}


def custom_image_values(image: CustomImage) -> Values:
    return {
        "name": image.name,
        "platform": image.platform,
        "size_gb": image.total_versions_size,
        "versions_count": image.versions_count,
        "latest_version": image.latest_version,
        "state": image.state,
    }


def image_version_values(version: GitHubImageVersion) -> Values:
    return {
        "state": version.state,
        "state_details": version.state_details,
        "size_gb": version.size_gb,
        "created_on": version.created_on,
    }


def machine_size_values(size: GitHubMachineSize) -> Values:
    return {"cpu_cores": size.cpu_cores, "memory_gb": size.memory_gb, "storage_gb": size.storage_gb}
