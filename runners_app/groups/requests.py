"""Request operations on runner groups and self-hosted runners.

An access list is changed by lines to add and to remove, so lines that others add stay.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack
from uuid import UUID, uuid5

from django.db import transaction

from runners_app.groups.settings import GroupSettings
from runners_app.models import (
    Account,
    AuditEntry,
    Operation,
    RunnerGroup,
    SelfHostedRunner,
)
from runners_app.operations.batch import audit_batch
from runners_app.operations.requests import CannotSendAgain, OperationRequest, request_operation

if TYPE_CHECKING:
    from django.contrib.auth.models import User

K = Operation.Kind
# Id of a repository or organization → its name. Ids are strings, as JSON keys are. If only the name
# of an organization is known, the key is UNKNOWN + name, and a worker looks the id up.
Lines = Mapping[str, str]
UNKNOWN = "@"


def request_create_group(
    account: Account, wanted: GroupSettings, *, add: Lines, **request: Unpack[OperationRequest]
) -> Operation:
    """Request a new group; `add` are the lines of its access list (visibility `selected`)."""
    lists = {"add": dict(add)} if add else {}
    return request_operation(
        account,
        K.CREATE_GROUP,
        request,
        wanted={**wanted.stored(), **lists},
        target_name=wanted.name,
    )


def request_update_group(
    group: RunnerGroup,
    wanted: GroupSettings,
    *,
    base: GroupSettings,
    add: Lines | None = None,
    remove: Lines | None = None,
    **request: Unpack[OperationRequest],
) -> Operation:
    """Request other settings, other lines on the access list, or both: one step for each.

    The list that it replaces is stored in `base`, so that the edit can be undone.
    """
    lists = {"add": dict(add or {}), "remove": dict(remove or {})}
    replaced: dict[str, object] = {}
    if add or remove or wanted.visibility != base.visibility:
        lines = group.access.values_list("github_id", "name")
        replaced["list"] = {str(key): name for key, name in lines}
    return request_operation(
        group.account,
        K.UPDATE_GROUP,
        request,
        wanted={**wanted.stored(), **{name: lines for name, lines in lists.items() if lines}},
        base={**base.stored(), **replaced},
        target_id=group.github_id,
        target_name=group.name,
    )


def request_delete_group(group: RunnerGroup, **request: Unpack[OperationRequest]) -> Operation:
    """Request the deletion of a group, which must be empty when it is sent."""
    return request_operation(
        group.account,
        K.DELETE_GROUP,
        request,
        base=GroupSettings.of(group).stored(),
        target_id=group.github_id,
        target_name=group.name,
    )


def request_move_self_hosted(
    runner: SelfHostedRunner, group_id: int, **request: Unpack[OperationRequest]
) -> Operation:
    """Request moving a self-hosted runner; `group_id` is GitHub's id of the new group."""
    return request_operation(
        runner.account,
        K.MOVE_SELF_HOSTED_RUNNER,
        request,
        wanted={"runner_group_id": group_id},
        base={"runner_group_id": runner.group_id},
        target_id=runner.github_id,
        target_name=runner.name,
    )


@transaction.atomic
def request_moves_self_hosted(
    runners: Sequence[SelfHostedRunner], group: RunnerGroup, *, by: "User", batch: UUID
) -> None:
    """Request moving self-hosted runners of one account, as one batch with one audit entry."""
    if Operation.objects.filter(batch=batch).exists():
        return
    operations = [
        request_move_self_hosted(
            runner,
            group.github_id,
            by=by,
            nonce=str(uuid5(batch, str(runner.pk))),
            batch=batch,
            audited=False,
        )
        for runner in runners
    ]
    audit_batch(AuditEntry.Action.OPERATION_MOVE_SELF_HOSTED_RUNNER, operations, by=by)


def request_delete_self_hosted(
    runner: SelfHostedRunner, **request: Unpack[OperationRequest]
) -> Operation:
    """Request the removal of a self-hosted runner from GitHub; the machine itself stays."""
    return request_operation(
        runner.account,
        K.DELETE_SELF_HOSTED_RUNNER,
        request,
        target_id=runner.github_id,
        target_name=runner.name,
    )


def resubmit_group(operation: Operation, **request: Unpack[OperationRequest]) -> Operation:
    """Request the same edit or deletion again, based on the group's current settings.

    Raises CannotSendAgain if the group is gone.
    """
    groups = RunnerGroup.objects.present().filter(account=operation.account)
    group = groups.filter(github_id=operation.target_github_id).first()
    if group is None:
        raise CannotSendAgain.gone(operation)
    if operation.kind == K.DELETE_GROUP:
        return request_delete_group(group, **request)

    now = GroupSettings.of(group)
    wanted = GroupSettings.from_stored(operation.wanted)
    base = GroupSettings.from_stored(operation.base)
    return request_update_group(
        group,
        wanted.on_top_of(now, base=base),
        base=now,
        add=operation.wanted.get("add"),
        remove=operation.wanted.get("remove"),
        **request,
    )


def resubmit_self_hosted(operation: Operation, **request: Unpack[OperationRequest]) -> Operation:
    """Request the same move or removal again. Raises CannotSendAgain if the runner is gone."""
    runners = SelfHostedRunner.objects.present().filter(account=operation.account)
    runner = runners.filter(github_id=operation.target_github_id).first()
    if runner is None:
        raise CannotSendAgain.gone(operation)
    if operation.kind == K.DELETE_SELF_HOSTED_RUNNER:
        return request_delete_self_hosted(runner, **request)
    return request_move_self_hosted(runner, operation.wanted["runner_group_id"], **request)


def shown_fields(operation: Operation) -> list[tuple[str, object, object]]:
    """Return the requested changes as a page shows them: (field, before, after)."""
    is_organization = operation.account.kind == Account.Kind.ORGANIZATION
    noun = "repositories" if is_organization else "organizations"
    shown: list[tuple[str, Any, Any]] = []
    for field, value in operation.changed_fields.items():
        if field in ("add", "remove"):
            shown.append((f"{noun}_to_{field}", None, sorted(dict(str_pairs(value)).values())))
        else:
            shown.append((field, operation.base.get(field), value))
    return shown


def str_pairs(lines: object) -> list[tuple[str, str]]:
    """Return (id, name) of stored lines; empty if there are none."""
    if not isinstance(lines, dict):
        return []
    return [(str(key), str(name)) for key, name in lines.items()]
