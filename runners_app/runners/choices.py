"""Choices for an account's runner forms, from our tables."""

from dataclasses import dataclass, field

from runners_app.models import (
    Account,
    Image,
    ImageVersion,
    Limits,
    MachineSize,
    Runner,
    RunnerGroup,
)
from runners_app.runners.sizes import fits


@dataclass(frozen=True)
class Choices:
    """`versions` are by image id, newest first; `groups` are (id, name).

    If the credential cannot read groups, the group ids seen on runners are offered instead.
    """

    images: list[Image] = field(default_factory=list)
    versions: dict[str, list[str]] = field(default_factory=dict)
    sizes: list[MachineSize] = field(default_factory=list)
    groups: list[tuple[int, str]] = field(default_factory=list)
    groups_are_readable: bool = True
    limits: Limits | None = None

    def image(self, source: str, image_id: str) -> Image | None:
        """The offered image with this id, if there is one."""
        for image in self.images:
            if (image.source, image.github_id) == (source, image_id):
                return image
        return None

    def sizes_for(self, image: Image | None) -> list[MachineSize]:
        """The sizes that fit an image; all of them while no image is chosen."""
        return [size for size in self.sizes if image is None or fits(size, image)]


def choices_for(account: Account) -> Choices:
    """Read an account's choices: six queries."""
    images = list(Image.objects.present().filter(account=account).order_by("source", "name", "pk"))
    versions: dict[str, list[str]] = {}
    rows = ImageVersion.objects.present().filter(account=account).order_by("-created_on", "-pk")
    for github_id, version in rows.values_list("image__github_id", "version"):
        versions.setdefault(github_id, []).append(version)
    sizes = (
        MachineSize.objects.present()
        .filter(account=account)
        .order_by("cpu_cores", "memory_gb", "github_id")
    )
    groups = _groups(account)
    return Choices(
        images=images,
        versions=versions,
        sizes=list(sizes),
        groups=groups or _groups_on_runners(account),
        groups_are_readable=bool(groups),
        limits=Limits.objects.current().filter(account=account).first(),
    )


def _groups(account: Account) -> list[tuple[int, str]]:
    rows = RunnerGroup.objects.present().filter(account=account).order_by("-default", "name", "pk")
    return list(rows.values_list("github_id", "name"))


def _groups_on_runners(account: Account) -> list[tuple[int, str]]:
    ids = (
        Runner.objects.filter(account=account, group_id__isnull=False)
        .values_list("group_id", flat=True)
        .distinct()
    )
    return [(group_id, f"Group {group_id}") for group_id in sorted(filter(None, ids))]
