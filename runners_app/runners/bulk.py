"""Bulk changes: one wish for many runners, worked out runner by runner before anything is asked of
GitHub.

Groups, images and sizes differ from account to account, so a wish names them and each account
resolves the name to its own id. Runners for which that cannot be done are listed with the reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from django.db import transaction

from runners_app.models import (
    Account,
    Image,
    ImageVersion,
    Limits,
    MachineSize,
    Operation,
    Runner,
    RunnerGroup,
)
from runners_app.runners.requests import (
    request_create,
    request_delete_runner,
    request_update,
)
from runners_app.runners.settings import RunnerSettings
from runners_app.runners.sizes import fits

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True)
class DesiredChange:
    """What is to become of every runner; what is None stays. Image and group by name,
    `image_version` "" is latest.
    """

    maximum_runners: int | None = None
    group: str | None = None
    size: str | None = None
    enable_static_ip: bool | None = None
    image: tuple[str, str] | None = None  # source, name
    image_version: str = ""


@dataclass(frozen=True)
class Item:
    """One runner that would change: the settings it has and those it would get."""

    runner: Runner
    base: RunnerSettings
    wanted: RunnerSettings

    @property
    def changes(self) -> dict[str, tuple[object, object]]:
        before = self.base.stored()
        return {
            name: (before[name], value)
            for name, value in self.wanted.changes_from(self.base).items()
            if value != before[name]
        }


@dataclass
class BulkPlan:
    """What a wish means for a set of runners."""

    items: list[Item] = field(default_factory=list)
    impossible: list[tuple[Runner, str]] = field(default_factory=list)
    unchanged: list[Runner] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Tells whether the set and its changes are still those a person was shown."""
        shown = [(item.runner.pk, sorted(item.changes.items(), key=str)) for item in self.items]
        return sha256(repr(shown).encode()).hexdigest()[:20]


class NotApplicable(Exception):
    """The wish does not fit this runner; the message says why."""


class Catalog:
    """What the accounts of some runners are offered, read with one query per kind."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        rows = list(accounts)
        self.groups = {
            (account, name.lower()): github_id
            for account, name, github_id in RunnerGroup.objects.present()
            .filter(account__in=rows)
            .values_list("account_id", "name", "github_id")
        }
        self.images: dict[tuple[int, str, str], list[Image]] = {}
        for image in Image.objects.present().filter(account__in=rows):
            self.images.setdefault((image.account_id, image.source, image.name.lower()), []).append(
                image
            )
        self.by_id = {
            (i.account_id, i.source, i.github_id): i
            for images in self.images.values()
            for i in images
        }
        versions = ImageVersion.objects.present().filter(account__in=rows)
        self.versions = set(versions.values_list("image_id", "version"))
        self.sizes = {
            (size.account_id, size.github_id): size
            for size in MachineSize.objects.present().filter(account__in=rows)
        }
        limits = Limits.objects.current().filter(account__in=rows)
        self.static_ips_left = {row.account_id: row.left for row in limits}


def make_plan(runners: Sequence[Runner], wish: DesiredChange) -> BulkPlan:
    """Work a wish out for runners read with the account as `visible_to` gives it. A constant number
    of queries.
    """
    catalog = Catalog({runner.account.pk: runner.account for runner in runners}.values())
    plan = BulkPlan()
    for runner in runners:
        base = RunnerSettings.of(runner)
        try:
            wanted = _wanted(runner, base, wish, catalog)
        except NotApplicable as error:
            plan.impossible.append((runner, str(error)))
            continue
        if wanted == base:
            plan.unchanged.append(runner)
        else:
            plan.items.append(Item(runner, base, wanted))
    return plan


def why_not(runner: Runner) -> str:
    """Why nothing may be written to a runner's account; empty when it may."""
    account = runner.account
    if account.may_be_changed:
        return ""
    if account.observe_only:
        return f"{account} is set to observe only."
    if account.paused:
        return f"{account} is paused."
    return f"You may look at {account} but not change it."


def _wanted(
    runner: Runner, base: RunnerSettings, wish: DesiredChange, catalog: Catalog
) -> RunnerSettings:
    """Raises NotApplicable."""
    if reason := why_not(runner):
        raise NotApplicable(reason)
    wanted: dict[str, Any] = {}
    if wish.maximum_runners is not None:
        wanted["maximum_runners"] = wish.maximum_runners
    if wish.group is not None:
        wanted["runner_group_id"] = _group(runner, wish.group, catalog)
    image = catalog.by_id.get((runner.account_id, runner.image_source, runner.image_id))
    if wish.image is not None:
        image, version = _image(runner, wish, catalog)
        wanted |= {
            "image_source": image.source,
            "image_id": image.github_id,
            "image_version": version,
        }
    if wish.size is not None or wish.image is not None:
        wanted["size"] = _size(runner, wish.size or runner.size, image, catalog)
    if wish.enable_static_ip is not None:
        wanted["enable_static_ip"] = wish.enable_static_ip
        _count_static_ip(runner, wish.enable_static_ip, catalog)
    return replace(base, **wanted)


def _group(runner: Runner, name: str, catalog: Catalog) -> int:
    found = catalog.groups.get((runner.account_id, name.lower()))
    if found is None:
        raise NotApplicable(f"{runner.account} has no group named {name}.")
    return found


def _image(runner: Runner, wish: DesiredChange, catalog: Catalog) -> tuple[Image, str | None]:
    source, name = wish.image or ("", "")
    offered = catalog.images.get((runner.account_id, source, name.lower()), [])
    same_platform = [image for image in offered if image.platform == runner.platform]
    if not offered:
        raise NotApplicable(f"{runner.account} is not offered the image {name}.")
    if not same_platform:
        raise NotApplicable(
            f"{name} is for {offered[0].platform}, the runner is {runner.platform}."
        )
    image = same_platform[0]
    if source != Image.Source.CUSTOM or not wish.image_version:
        return image, None
    if (image.pk, wish.image_version) not in catalog.versions:
        raise NotApplicable(f"{name} has no version {wish.image_version} in {runner.account}.")
    return image, wish.image_version


def _size(runner: Runner, name: str, image: Image | None, catalog: Catalog) -> str:
    size = catalog.sizes.get((runner.account_id, name))
    if size is None and name != runner.size:
        raise NotApplicable(f"{runner.account} is not offered the size {name}.")
    if size is not None and image is not None and not fits(size, image):
        raise NotApplicable(f"The size {name} does not fit the image {image.name}.")
    return name


def _count_static_ip(runner: Runner, wanted: bool, catalog: Catalog) -> None:
    left = catalog.static_ips_left.get(runner.account_id)
    if not wanted or runner.static_ip or left is None:
        return
    if left == 0:
        raise NotApplicable(f"{runner.account} has no static IPs left.")
    catalog.static_ips_left[runner.account_id] = left - 1


def values_of_clone(runner: Runner, account: Account) -> dict[str, Any]:
    """Initial form values for a runner like this one, in its own or another account, where names
    find their ids.
    """
    catalog = Catalog([runner.account, account])
    image = catalog.images.get(
        (account.pk, runner.image_source, runner.image_name.lower()), [None]
    )[0]
    old_group = next(
        (
            n
            for (a, n), g in catalog.groups.items()
            if (a, g) == (runner.account_id, runner.group_id)
        ),
        "",
    )
    return {
        "name": f"{runner.name}-copy"[:64].replace(" ", "-"),
        "image": f"{image.source}:{image.github_id}" if image else "",
        "image_version": runner.fixed_image_version or "",
        "size": runner.size,
        "group": catalog.groups.get((account.pk, old_group)),
        "maximum_runners": runner.maximum_runners,
        "enable_static_ip": runner.static_ip,
        "image_gen": runner.image_gen,
    }


@transaction.atomic
def request_updates(
    items: Sequence[Item], *, by: "User", batch: UUID, first: int | None = None
) -> None:
    """One operation per item, as one batch. With `first`, the others are held until somebody says
    go on.
    """
    asked = [
        request_update(
            item.runner,
            item.wanted,
            base=item.base,
            by=by,
            nonce=str(uuid5(batch, str(item.runner.pk))),
            batch=batch,
        )
        for item in items
    ]
    if first is not None:
        hold([operation.pk for operation in asked[first:]])


@transaction.atomic
def request_creates(wanted: Mapping[Account, RunnerSettings], *, by: "User", batch: UUID) -> None:
    """The same runner in several accounts: one operation each."""
    for account, values in wanted.items():
        request_create(
            account, values, by=by, nonce=str(uuid5(batch, f"account {account.pk}")), batch=batch
        )


@transaction.atomic
def request_deletes(runners: Sequence[Runner], *, by: "User", batch: UUID) -> None:
    for runner in runners:
        request_delete_runner(runner, by=by, nonce=str(uuid5(batch, str(runner.pk))), batch=batch)


def hold(operation_ids: Sequence[int]) -> None:
    """Keep operations from being sent until `go_on`: they are requested, and have no time to look
    at them.
    """
    Operation.objects.filter(pk__in=operation_ids, state=Operation.State.REQUESTED).update(
        next_step_at=None
    )
