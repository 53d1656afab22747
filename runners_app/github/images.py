"""Calls about images: `{owner}/actions/hosted-runners/images`. None of these lists is paged by
GitHub.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import parsing
from .caller import Caller
from .meta import Answer
from .pages import Known, Page, none_known
from .shapes import CuratedImage, CustomImage, ImageVersion, Owner, path_segment


class ImageCalls(Caller):
    def list_github_owned_images(
        self, owner: Owner, *, known: Known = none_known
    ) -> Iterator[Page[CuratedImage]]:
        """GitHub's own images; their ids change over time.

        actions/get-hosted-runners-github-owned-images-for-org: GET
        /orgs/{org}/actions/hosted-runners/images/github-owned; enterprises alike.
        """
        return self._pages(_path(owner, "github-owned"), "images", parsing.curated_image, known)

    def list_partner_images(
        self, owner: Owner, *, known: Known = none_known
    ) -> Iterator[Page[CuratedImage]]:
        """Images of GitHub's partners.

        actions/get-hosted-runners-partner-images-for-org: GET
        /orgs/{org}/actions/hosted-runners/images/partner; enterprises alike.
        """
        return self._pages(_path(owner, "partner"), "images", parsing.curated_image, known)

    def list_custom_images(
        self, owner: Owner, *, known: Known = none_known
    ) -> Iterator[Page[CustomImage]]:
        """Images the owner's jobs built.

        actions/list-custom-images-for-org: GET /orgs/{org}/actions/hosted-runners/images/custom;
        enterprises alike.
        """
        return self._pages(_path(owner, "custom"), "images", parsing.custom_image, known)

    def get_custom_image(self, owner: Owner, id: int) -> Answer[CustomImage]:  # noqa: A002
        """One custom image.

        actions/get-custom-image-for-org: GET /orgs/{org}/actions/hosted-runners/images/custom/{id};
        enterprises alike.
        """
        return self._one("GET", _path(owner, "custom", id), parsing.custom_image)

    def delete_custom_image(self, owner: Owner, id: int) -> Answer[None]:  # noqa: A002
        """Delete a custom image with all its versions.

        actions/delete-custom-image-from-org: DELETE
        /orgs/{org}/actions/hosted-runners/images/custom/{id}; enterprises alike.
        """
        return self._one("DELETE", _path(owner, "custom", id), _nothing)

    def list_custom_image_versions(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        *,
        known: Known = none_known,
    ) -> Iterator[Page[ImageVersion]]:
        """The versions of a custom image.

        actions/list-custom-image-versions-for-org: GET
        /orgs/{org}/actions/hosted-runners/images/custom/{id}/versions; enterprises alike.
        """
        return self._pages(
            _path(owner, "custom", id, "versions"), "image_versions", parsing.image_version, known
        )

    def get_custom_image_version(self, owner: Owner, id: int, version: str) -> Answer[ImageVersion]:  # noqa: A002
        """One version of a custom image.

        actions/get-custom-image-version-for-org: GET
        /orgs/{org}/actions/hosted-runners/images/custom/{id}/versions/{version}; enterprises alike.
        """
        return self._one(
            "GET", _path(owner, "custom", id, "versions", version), parsing.image_version
        )

    def delete_custom_image_version(self, owner: Owner, id: int, version: str) -> Answer[None]:  # noqa: A002
        """Delete one version of a custom image.

        actions/delete-custom-image-version-from-org: DELETE
        /orgs/{org}/actions/hosted-runners/images/custom/{id}/versions/{version}; enterprises alike.
        """
        return self._one("DELETE", _path(owner, "custom", id, "versions", version), _nothing)


def _path(owner: Owner, *segments: str | int) -> str:
    quoted = (path_segment(str(segment)) for segment in segments)
    return "/".join([f"{owner.path}/actions/hosted-runners/images", *quoted])


def _nothing(payload: object) -> None:
    """A deletion answers with an empty body; another one is of no use either."""
