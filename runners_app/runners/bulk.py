"""Bulk changes: one change for many runners, planned per runner before anything is requested.

Groups, images and sizes have other ids in each account, so a change names them and each account
resolves the name to its own id. Runners to which the change does not apply are listed with the
reason.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import OuterRef, Subquery

from runners_app.models import (
    Account,
    AuditEntry,
    Image,
    ImageVersion,
    Limits,
    MachineSize,
    Operation,
    Runner,
    RunnerGroup,
)
from runners_app.operations.batch import BatchItem, request_batch
from runners_app.runners.settings import NAME, RunnerSettings
from runners_app.runners.sizes import fits

if TYPE_CHECKING:
    from django.contrib.auth.models import User


# Runners of one bulk change; at one write a second, these take 80 minutes.
MOST_AT_ONCE = 5000


@dataclass(frozen=True)
class DesiredChange:
    """The new values for every runner; None leaves a value as it is.

    Image, size and group are names. An `image_version` of "" means the latest.
    """

    maximum_runners: int | None = None
    group: str | None = None
    size: str | None = None
    enable_static_ip: bool | None = None
    image: tuple[str, str] | None = None  # source, name
    image_version: str = ""


@dataclass(frozen=True)
class Item:
    """One runner that would change: its current settings (`base`) and the new ones (`wanted`)."""

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
    """What a desired change means for a set of runners."""

    items: list[Item] = field(default_factory=list)
    impossible: list[tuple[Runner, str]] = field(default_factory=list)
    unchanged: list[Runner] = field(default_factory=list)

    @cached_property
    def digest(self) -> str:
        """Differs as soon as the runners or their changes are not the ones the user was shown."""
        shown = [(item.runner.pk, sorted(item.changes.items(), key=str)) for item in self.items]
        return sha256(repr(shown).encode()).hexdigest()[:20]

    @property
    def seconds(self) -> int:
        """How long GitHub takes at least: each credential sends one write a second."""
        return seconds_of(item.runner for item in self.items)


def seconds_of(runners: Iterable[Runner | RunnerGroup]) -> int:
    """How long one write per runner takes at least, at one a second for each credential."""
    return max(Counter(runner.account.credential_id for runner in runners).values(), default=0)


def digest_of(runners: Iterable[Runner]) -> str:
    """Differs as soon as the runners are not the ones the user was shown."""
    return sha256(repr([runner.pk for runner in runners]).encode()).hexdigest()[:20]


def batch_of(nonce: UUID, digest: str) -> UUID:
    """The batch of a form with a plan: sent twice, both are one; with another plan, another one."""
    return uuid5(nonce, digest)


class NotApplicable(Exception):
    """The change does not apply to this runner; the message says why."""


class Catalog:
    """Everything the accounts are offered, read with one query per kind.

    `groups` maps (account, lower-case name) to GitHub's id; `images` maps (account, source,
    lower-case name) to the images of that name; `by_id` maps (account, source, id) to an image;
    `versions` holds (image pk, version); `sizes` maps (account, size id) to a size.
    """

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


def make_plan(runners: Sequence[Runner], change: DesiredChange) -> BulkPlan:
    """Plan a change for runners whose `account` comes from `visible_to`.

    The number of queries does not depend on the number of runners.
    """
    catalog = Catalog({runner.account.pk: runner.account for runner in runners}.values())
    plan = BulkPlan()
    for runner in runners:
        base = RunnerSettings.of(runner)
        try:
            wanted = _wanted(runner, base, change, catalog)
        except NotApplicable as error:
            plan.impossible.append((runner, str(error)))
            continue
        if wanted == base:
            plan.unchanged.append(runner)
        else:
            plan.items.append(Item(runner, base, wanted))
    return plan


def _wanted(
    runner: Runner, base: RunnerSettings, change: DesiredChange, catalog: Catalog
) -> RunnerSettings:
    """The settings the runner would get. Raises NotApplicable."""
    if reason := runner.account.why_unchangeable:
        raise NotApplicable(reason)
    wanted: dict[str, Any] = {}
    if change.maximum_runners is not None:
        wanted["maximum_runners"] = change.maximum_runners
    if change.group is not None:
        wanted["runner_group_id"] = _group(runner, change.group, catalog)
    image = catalog.by_id.get((runner.account_id, runner.image_source, runner.image_id))
    if change.image is not None:
        image, version = _image(runner, change, catalog)
        wanted |= {
            "image_source": image.source,
            "image_id": image.github_id,
            "image_version": version,
        }
    if change.size is not None or change.image is not None:
        wanted["size"] = _size(runner, change.size or runner.size, image, catalog)
    if change.enable_static_ip is not None:
        wanted["enable_static_ip"] = change.enable_static_ip
        _use_static_ip(runner, change.enable_static_ip, catalog)
    return replace(base, **wanted)


def _group(runner: Runner, name: str, catalog: Catalog) -> int:
    found = catalog.groups.get((runner.account_id, name.lower()))
    if found is None:
        raise NotApplicable(f"{runner.account} has no group named {name}.")
    return found


def _image(runner: Runner, change: DesiredChange, catalog: Catalog) -> tuple[Image, str | None]:
    source, name = change.image or ("", "")
    offered = catalog.images.get((runner.account_id, source, name.lower()), [])
    same_platform = [image for image in offered if image.platform == runner.platform]
    if not offered:
        raise NotApplicable(f"{runner.account} is not offered the image {name}.")
    if not same_platform:
        raise NotApplicable(
            f"{name} is for {offered[0].platform}; the runner is {runner.platform}."
        )
    image = same_platform[0]
    if source != Image.Source.CUSTOM or not change.image_version:
        return image, None
    if (image.pk, change.image_version) not in catalog.versions:
        raise NotApplicable(f"{name} has no version {change.image_version} in {runner.account}.")
    return image, change.image_version


def _size(runner: Runner, name: str, image: Image | None, catalog: Catalog) -> str:
    size = catalog.sizes.get((runner.account_id, name))
    if size is None and name != runner.size:
        raise NotApplicable(f"{runner.account} is not offered the size {name}.")
    if size is not None and image is not None and not fits(size, image):
        raise NotApplicable(f"The size {name} does not fit the image {image.name}.")
    return name


def _use_static_ip(runner: Runner, wanted: bool, catalog: Catalog) -> None:
    left = catalog.static_ips_left.get(runner.account_id)
    if not wanted or runner.static_ip or left is None:
        return
    if left == 0:
        raise NotApplicable(f"{runner.account} has no static IPs left.")
    catalog.static_ips_left[runner.account_id] = left - 1


def values_of_clone(runner: Runner, account: Account) -> dict[str, Any]:
    """Initial form values for a copy of a runner in its own or another account.

    Image and group are matched by name, because their ids differ between accounts.
    """
    catalog = Catalog([runner.account, account])
    images = catalog.images.get((account.pk, runner.image_source, runner.image_name.lower()))
    group = RunnerGroup.objects.filter(
        account=runner.account, github_id=runner.group_id or 0
    ).first()
    return {
        "name": f"{runner.name}-copy"[:64].replace(" ", "-"),
        "image": f"{images[0].source}:{images[0].github_id}" if images else "",
        "image_version": runner.fixed_image_version or "",
        "size": runner.size,
        "group": catalog.groups.get((account.pk, group.name.lower() if group else "")),
        "maximum_runners": runner.maximum_runners,
        "enable_static_ip": runner.static_ip,
        "image_gen": runner.image_gen,
    }


def request_updates(
    items: Sequence[Item], *, by: "User", batch: UUID, first: int | None = None
) -> None:
    """Request one operation per item, as one batch; see `request_batch` for `first`."""
    request_batch(
        Operation.Kind.UPDATE_RUNNER,
        [
            BatchItem(
                item.runner.account,
                str(item.runner.pk),
                {
                    "wanted": item.wanted.stored(),
                    "base": item.base.stored(),
                    "target_id": item.runner.github_id,
                    "target_name": item.runner.name,
                },
            )
            for item in items
        ],
        by=by,
        batch=batch,
        subject=f"{len(items):,} runners",
        first=first,
    )


def request_creates(wanted: Mapping[Account, RunnerSettings], *, by: "User", batch: UUID) -> None:
    """Request the same runner in several accounts: one operation per account."""
    request_batch(
        Operation.Kind.CREATE_RUNNER,
        [
            BatchItem(
                account,
                f"account {account.pk}",
                {"wanted": settings.stored(), "target_name": settings.name},
            )
            for account, settings in wanted.items()
        ],
        by=by,
        batch=batch,
        subject=f"{len(wanted):,} runners",
    )


def plan_recreate(runners: Sequence[Runner]) -> tuple[list[Runner], list[tuple[Runner, str]]]:
    """The Stuck runners that can be deleted and created again, and the others with the reason.

    What GitHub would refuse to create must not be deleted first.
    """
    catalog = Catalog({runner.account.pk: runner.account for runner in runners}.values())
    group_ids = {(account, group_id) for (account, _), group_id in catalog.groups.items()}
    possible, impossible = [], []
    for runner in runners:
        if reason := _why_not_recreated(runner, catalog, group_ids):
            impossible.append((runner, reason))
        else:
            possible.append(runner)
    return possible, impossible


def _why_not_recreated(runner: Runner, catalog: Catalog, group_ids: set[tuple[int, int]]) -> str:
    account = runner.account
    if account.why_unchangeable:
        return account.why_unchangeable
    if runner.status != "Stuck":
        return f"Only Stuck runners are recreated; the status is {runner.status}."
    if not NAME.fullmatch(runner.name):
        return "GitHub would not accept its name again."
    if (account.pk, runner.group_id) not in group_ids:
        return "Its runner group is not known, so it could not be created again."
    if (account.pk, runner.image_source, runner.image_id) not in catalog.by_id:
        return "Its image is no longer offered, so it could not be created again."
    version = runner.fixed_image_version
    image = catalog.by_id[account.pk, runner.image_source, runner.image_id]
    if version and (image.pk, version) not in catalog.versions:
        return "Its image version is no longer offered, so it could not be created again."
    if (account.pk, runner.size) not in catalog.sizes:
        return "Its size is no longer offered, so it could not be created again."
    return ""


@transaction.atomic
def request_recreates(runners: Sequence[Runner], *, by: "User", batch: UUID) -> None:
    """Request deleting runners and creating each again once it is gone, as one batch."""
    items = []
    for runner in runners:
        settings = RunnerSettings.of(runner).stored()
        common = {"target_name": runner.name}
        delete = {**common, "base": settings, "target_id": runner.github_id}
        create = {
            **common,
            "kind": Operation.Kind.CREATE_RUNNER.value,
            "wanted": settings,
            "held_because": Operation.HeldBecause.AFTER.value,
        }
        items.append(BatchItem(runner.account, f"delete {runner.pk}", delete))
        items.append(BatchItem(runner.account, f"create {runner.pk}", create))
    request_batch(
        Operation.Kind.DELETE_RUNNER,
        items,
        by=by,
        batch=batch,
        subject=f"{len(runners):,} runners",
        action=AuditEntry.Action.RUNNERS_RECREATED,
    )
    deletion = Operation.objects.filter(
        batch=batch,
        kind=Operation.Kind.DELETE_RUNNER,
        account=OuterRef("account"),
        target_name=OuterRef("target_name"),
    )
    creates = Operation.objects.filter(batch=batch, kind=Operation.Kind.CREATE_RUNNER, after=None)
    creates.update(after=Subquery(deletion.order_by("pk").values("pk")[:1]))


def request_deletes(runners: Sequence[Runner], *, by: "User", batch: UUID) -> None:
    """Request the deletion of runners: one operation per runner."""
    request_batch(
        Operation.Kind.DELETE_RUNNER,
        [
            BatchItem(
                runner.account,
                str(runner.pk),
                {
                    "base": RunnerSettings.of(runner).stored(),
                    "target_id": runner.github_id,
                    "target_name": runner.name,
                },
            )
            for runner in runners
        ],
        by=by,
        batch=batch,
        subject=f"{len(runners):,} runners",
    )
