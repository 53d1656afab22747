"""What the forms of an account may offer, from our tables: images with versions, sizes, groups,
static IPs left.
"""

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
    """`groups` are (id, name); where groups may not be read, the ids seen on runners stand in for
    them.
    """

    images: list[Image] = field(default_factory=list)
    versions: dict[str, list[str]] = field(default_factory=dict)
    sizes: list[MachineSize] = field(default_factory=list)
    groups: list[tuple[int, str]] = field(default_factory=list)
    groups_are_readable: bool = True
    limits: Limits | None = None

    def image(self, source: str, image_id: str) -> Image | None:
        return next(
            (row for row in self.images if (row.source, row.github_id) == (source, image_id)), None
        )

    def sizes_for(self, image: Image | None) -> list[MachineSize]:
        return [size for size in self.sizes if image is None or fits(size, image)]


def choices_for(account: Account) -> Choices:
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
    return [
        (group_id, f"Group {group_id}")
        for group_id in sorted(group_id for group_id in ids if group_id)
    ]
