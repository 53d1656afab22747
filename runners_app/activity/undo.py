"""Undo confirmed edits of runners and groups, one or a batch.

An undo is another edit. It sets back only the fields that the operation changed and that still
have its value; a field that moved on is a conflict, and stays as it is. So an undo can be undone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from runners_app.groups.requests import request_update_group
from runners_app.groups.settings import GroupSettings
from runners_app.models import Operation, Runner, RunnerGroup
from runners_app.operations.batch import BatchItem, request_batch
from runners_app.operations.requests import OperationRequest
from runners_app.operations.settings import Settings
from runners_app.runners.bulk import seconds_of
from runners_app.runners.requests import request_update
from runners_app.runners.settings import LATEST, RunnerSettings

if TYPE_CHECKING:
    from django.contrib.auth.models import User

K = Operation.Kind
UNDOABLE = (K.UPDATE_RUNNER, K.UPDATE_GROUP)
DELETIONS = (
    K.DELETE_RUNNER,
    K.DELETE_GROUP,
    K.DELETE_IMAGE,
    K.DELETE_IMAGE_VERSION,
    K.DELETE_SELF_HOSTED_RUNNER,
)
# Undos that ended so changed nothing: the operation can be undone again.
WITHOUT_EFFECT = (Operation.State.REJECTED, Operation.State.CANCELLED)

AnySettings = TypeVar("AnySettings", bound=Settings)
Lines = dict[str, str]
Key = tuple[int, int | None]  # account, GitHub's id


@dataclass(frozen=True)
class UndoItem:
    """One edit to undo: the settings now (`base`), and those after the undo (`wanted`).

    `conflicts` are the fields that stay: field → [now, set by the operation, before it]. `add` and
    `remove` are lines of a group's access list: GitHub's id → name.
    """

    operation: Operation
    target: Runner | RunnerGroup
    base: Settings
    wanted: Settings
    conflicts: dict[str, list[object]]
    add: Lines = field(default_factory=dict)
    remove: Lines = field(default_factory=dict)

    @property
    def changes_something(self) -> bool:
        return bool(self.wanted != self.base or self.add or self.remove)

    @property
    def gets_new_addresses(self) -> bool:
        """Whether static IPs are switched on again: GitHub then assigns other ranges."""
        changes = self.wanted.changes_from(self.base)
        return changes.get("enable_static_ip") is True


@dataclass
class UndoPlan:
    """What undoing some operations means, and why it is impossible for others."""

    items: list[UndoItem] = field(default_factory=list)
    impossible: list[tuple[Operation, str]] = field(default_factory=list)

    @cached_property
    def digest(self) -> str:
        """Differs as soon as the changes are not the ones the user was shown."""
        shown = [
            (item.operation.pk, item.base.stored(), item.wanted.stored(), item.add, item.remove)
            for item in self.items
        ]
        return sha256(repr(shown).encode()).hexdigest()[:20]

    @property
    def seconds(self) -> int:
        """How long GitHub takes at least: each credential sends one write a second."""
        return seconds_of(item.target for item in self.items)


def can_undo(operation: Operation) -> bool:
    """Whether the operation is a confirmed edit."""
    return operation.kind in UNDOABLE and operation.state == Operation.State.CONFIRMED


def plan_undo(operations: Sequence[Operation]) -> UndoPlan:
    """Plan the undo of operations whose `account` comes from `visible_to`.

    The number of queries does not depend on the number of runners.
    """
    runners = {_key(row): row for row in _targets(Runner.objects.present(), operations)}
    groups = {_key(row): row for row in _targets(RunnerGroup.objects.present(), operations)}
    accounts = {operation.account_id for operation in operations}
    known_groups = RunnerGroup.objects.present().filter(account__in=accounts)
    offered: set[Key] = set(known_groups.values_list("account_id", "github_id"))

    plan = UndoPlan()
    for operation in operations:
        key = (operation.account_id, operation.target_id)
        item: UndoItem | None = None
        if operation.kind == K.UPDATE_RUNNER and key in runners:
            item = _of_runner(operation, runners[key])
        elif operation.kind == K.UPDATE_GROUP and key in groups:
            item = _of_group(operation, groups[key])

        if reason := _why_impossible(operation, item, offered):
            plan.impossible.append((operation, reason))
        elif item is not None:
            item.target.account = operation.account
            plan.items.append(item)
    return plan


def _targets(rows: Any, operations: Iterable[Operation]) -> Any:
    accounts = {operation.account_id for operation in operations}
    ids = {operation.target_id for operation in operations if operation.target_id is not None}
    return rows.filter(account__in=accounts, github_id__in=ids)


def _key(row: Runner | RunnerGroup) -> Key:
    return (row.account_id, row.github_id)


def _why_impossible(operation: Operation, item: UndoItem | None, offered: set[Key]) -> str:
    if reason := operation.account.why_unchangeable:
        return reason
    if not can_undo(operation):
        return "Only confirmed edits can be undone."
    if item is None:
        return "It is gone from GitHub."
    if not item.changes_something and item.conflicts:
        return "All its values were changed again since."
    if not item.changes_something:
        return "It has the values from before already."
    group = item.wanted.changes_from(item.base).get("runner_group_id")
    has_groups = any(account == operation.account_id for account, _ in offered)
    if group is not None and has_groups and (operation.account_id, group) not in offered:
        return "The runner group it was in is gone."
    return ""


def _of_runner(operation: Operation, runner: Runner) -> UndoItem:
    now = RunnerSettings.of(runner)
    wanted, conflicts = _set_back(operation, now)
    return UndoItem(operation, runner, now, wanted, conflicts)


def _of_group(operation: Operation, group: RunnerGroup) -> UndoItem:
    now = GroupSettings.of(group)
    wanted, conflicts = _set_back(operation, now)
    add, remove = _lists_back(operation, group) if wanted.visibility == "selected" else ({}, {})
    return UndoItem(operation, group, now, wanted, conflicts, add, remove)


def _set_back(
    operation: Operation, now: AnySettings
) -> tuple[AnySettings, dict[str, list[object]]]:
    """The settings with the operation's changes taken back, and the fields that moved on."""
    before = type(now).from_stored(operation.base)
    changes = type(now).from_stored(operation.wanted).changes_from(before)
    stored, current = before.stored(), now.stored()

    moved_on = {name for name, value in changes.items() if not _same(name, current[name], value)}
    if moved_on & set(now.TOGETHER):
        moved_on |= changes.keys() & set(now.TOGETHER)
    back = {name: getattr(before, name) for name in changes if name not in moved_on}
    conflicts = {
        name: [current[name], changes[name], stored[name]]
        for name in changes
        if name in moved_on and current[name] != stored[name]
    }
    return replace(now, **back), conflicts


def _same(name: str, now: object, value: object) -> bool:
    is_latest = name == "image_version" and now in LATEST and value in LATEST
    return now == value or is_latest


def _lists_back(operation: Operation, group: RunnerGroup) -> tuple[Lines, Lines]:
    """Lines of the access list to add and to remove; what others changed since stays."""
    before: Mapping[str, str] = operation.base.get("list") or {}
    listed = {str(key): name for key, name in group.access.values_list("github_id", "name")}
    added = {name.lower() for name in (operation.wanted.get("add") or {}).values()}
    added -= {name.lower() for name in before.values()}
    add = dict(operation.wanted.get("remove") or {})
    if operation.changed_fields.get("visibility", "selected") != "selected":
        add |= before
    return (
        {key: name for key, name in add.items() if key not in listed},
        {key: name for key, name in listed.items() if name.lower() in added},
    )


def request_undo(item: UndoItem, *, by: "User", nonce: str) -> Operation:
    """Request the undo of one operation."""
    request: OperationRequest = {"by": by, "nonce": nonce, "undoes": item.operation}
    match item:
        case UndoItem(target=Runner() as runner, base=RunnerSettings() as now):
            wanted = RunnerSettings.from_stored(item.wanted.stored())
            return request_update(runner, wanted, base=now, **request)
        case UndoItem(target=RunnerGroup() as group, base=GroupSettings() as settings):
            return request_update_group(
                group,
                GroupSettings.from_stored(item.wanted.stored()),
                base=settings,
                add=item.add,
                remove=item.remove,
                **request,
            )
    raise TypeError("Only edits of runners and groups can be undone.")


def request_undos(items: Sequence[UndoItem], *, by: "User", batch: UUID) -> None:
    """Request the undo of a batch of runners, as another batch."""
    request_batch(
        K.UPDATE_RUNNER,
        [
            BatchItem(
                item.target.account,
                str(item.operation.pk),
                {
                    "wanted": item.wanted.stored(),
                    "base": item.base.stored(),
                    "target_id": item.target.github_id,
                    "target_name": item.target.name,
                    "undoes_id": item.operation.pk,
                },
            )
            for item in items
        ],
        by=by,
        batch=batch,
        subject=f"Undo for {len(items):,} runners",
    )


def undo_of(operation: Operation) -> Operation | None:
    """The last undo of the operation that was not in vain."""
    return operation.undone_by.exclude(state__in=WITHOUT_EFFECT).order_by("-pk").first()
