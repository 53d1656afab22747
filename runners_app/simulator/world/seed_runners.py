"""Seeded custom images and runners: first the runners that show something special, then ordinary
ones up to the number requested.
"""

import random
from dataclasses import dataclass

from runners_app.simulator.world import lifecycle, names
from runners_app.simulator.world.catalog import find_curated_image
from runners_app.simulator.world.state import (
    LATEST,
    Account,
    CustomImage,
    ImageDetails,
    ImageVersion,
    Runner,
    World,
    find_version,
)

DAY = 86_400
DEFAULT_GROUP, SECOND_GROUP, THIRD_GROUP = 1, 2, 3


@dataclass(frozen=True)
class Story:
    """A seeded runner.

    ``image`` is a curated id, ``custom:<id>[@version]``, ``gone`` or empty (without an image).
    ``activity`` is busy (a job every few minutes), never, or the number of days since the last job.
    """

    name: str
    image: str
    size: str
    maximum: int
    activity: str
    group_id: int = DEFAULT_GROUP
    status: str = "Ready"
    static_ip: bool = False
    image_gen: bool = False


STORIES = (
    Story("linux-8core-ci", "2306", "8-core", 50, "busy", static_ip=True),
    Story("win-build-16", "1002", "16-core", 10, "busy"),
    Story("gpu-train-t4", "1201", "4-core-gpu", 4, "busy", THIRD_GROUP),
    Story("Old Ubuntu Builder", "2305", "4-core", 10, "210", static_ip=True),
    Story("legacy-ubuntu-20", "gone", "4-core", 5, "130"),
    Story("mystery-8core", "", "8-core", 3, "95"),
    Story(
        "golden-linux-16core", "custom:1@1.2.0", "16-core", 20, "busy", SECOND_GROUP, static_ip=True
    ),
    Story("golden-linux-latest", "custom:1", "8-core", 20, "2", SECOND_GROUP),
    Story("stuck-arm-4core", "2411", "4-core", 8, "6", status="Stuck"),
    Story("paused-win-8core", "1001", "8-core", 6, "30", status="Shutdown"),
    Story("code-scanning", "2306", "4-core", 10, "never"),
    Story("image-builder", "2306", "8-core", 2, "1", image_gen=True),
    Story("fresh-arm-8core", "2411", "8-core", 10, "never", status="Provisioning"),
)
GONE_IMAGE = ImageDetails("2004", 86, "Ubuntu 20.04", "github", LATEST)

# name, platform, state, versions as (version, days since it was built, state); the last is latest
IMAGES: tuple[tuple[str, str, str, tuple[tuple[str, int, str], ...]], ...] = (
    (
        "golden-linux",
        "linux-x64",
        "Ready",
        (
            ("1.0.0", 58, "Ready"),
            ("1.1.0", 44, "Ready"),
            ("1.2.0", 20, "Ready"),
            ("1.3.0", 6, "Ready"),
        ),
    ),
    (
        "golden-windows",
        "win-x64",
        "Ready",
        (("1.0.0", 50, "Ready"), ("2.0.0", 15, "Ready"), ("1.1.0", 3, "Ready")),
    ),
    ("arm-toolchain", "linux-arm64", "Ready", (("1.0.0", 30, "Disabled"), ("1.1.0", 9, "Ready"))),
    ("android-sdk", "linux-x64", "Provisioning", (("1.0.0", 0, "Provisioning"),)),
    ("cuda-12", "linux-x64", "Ready", (("1.0.0", 70, "Deprovisioned"), ("1.1.0", 25, "Ready"))),
    ("broken-build", "linux-x64", "Failed", (("1.0.0", 12, "Failed"),)),
)


def add_images(account: Account, dice: random.Random, wall: float) -> None:
    """Add four to six custom images; an image has the same id in every account."""
    for name, platform, state, versions in IMAGES[: dice.randint(4, 6)]:
        image = CustomImage(account.next_id("image"), name, platform, state, [])
        for version, days, version_state in versions:
            details = (
                "None" if version_state == "Ready" else f"The version is {version_state.lower()}."
            )
            size_gb = dice.randint(40, 110)
            image.versions.append(
                ImageVersion(version, version_state, size_gb, wall - days * DAY, details)
            )
        account.images[image.id] = image


def add_runners(
    world: World, account: Account, count: int, dice: random.Random, wall: float
) -> None:
    stories = [
        *STORIES,
        *(_ordinary(number, account) for number in range(max(0, count - len(STORIES)))),
    ]
    for story in stories[:count]:
        runner = _make(world, account, story, dice, wall)
        account.runners[runner.id] = runner


def _ordinary(number: int, account: Account) -> Story:
    """The usual runners of each team in turn, with a numbered suffix after the last team."""
    name, image, size, maximum = names.RUNNERS[number % len(names.RUNNERS)]
    team = names.TEAMS[number // len(names.RUNNERS) % len(names.TEAMS)]
    turn = number // (len(names.RUNNERS) * len(names.TEAMS)) + 1
    dice = random.Random(f"{account.key}/{number}")  # noqa: S311 - reproducible on purpose
    activity = dice.choice(("busy", "busy", "busy", "busy", "1", "3", "12", "45", "100", "never"))
    status = dice.choices(("Ready", "Shutdown", "Stuck"), (94, 4, 2))[0]
    group_id = dice.choices(
        (DEFAULT_GROUP, SECOND_GROUP, 4 if account.kind == "organization" else 3), (80, 12, 8)
    )[0]
    return Story(
        f"{team}-{name}" + (f"-{turn}" if turn > 1 else ""),
        image,
        size,
        maximum,
        activity,
        group_id,
        status,
    )


def _make(world: World, account: Account, story: Story, dice: random.Random, wall: float) -> Runner:
    image, platform = _image(account, story.image)
    runner = Runner(
        id=account.next_id("runner"),
        name=story.name,
        platform=platform,
        image=image,
        size=story.size,
        group_id=story.group_id,
        maximum_runners=story.maximum,
        image_gen=story.image_gen,
        static_ip=story.static_ip,
    )
    lifecycle.settle_durations(runner, lifecycle.durations(world.seed, account, runner.id))
    if story.status != "Provisioning":
        runner.created_at = runner.static_ip_at = -100 * DAY
        runner.settled_status = story.status
    if story.activity == "busy":
        runner.busy_every = dice.uniform(180, 1800)
        runner.last_active_on = wall - 3600
    elif story.activity != "never":
        runner.last_active_on = wall - float(story.activity) * DAY - dice.uniform(0, 80_000)
    return runner


def _image(account: Account, image: str) -> tuple[ImageDetails | None, str]:
    if image == "":
        return None, "linux-x64"
    if image == "gone":
        return ImageDetails(**vars(GONE_IMAGE)), "linux-x64"
    if image.startswith("custom:"):
        number, _, version = image.removeprefix("custom:").partition("@")
        custom = account.images[int(number)]
        built = find_version(custom, version) or custom.versions[-1]
        return ImageDetails(
            number, built.size_gb, custom.name, "custom", version or LATEST
        ), custom.platform
    for source in ("github", "partner"):
        if curated := find_curated_image(image, source):
            return ImageDetails(
                curated.id, curated.size_gb, curated.display_name, source, LATEST
            ), curated.platform
    raise LookupError(f"No image {image} to seed a runner with.")
