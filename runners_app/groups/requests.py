"""Asking for writes to runner groups and self-hosted runners: operations like those on runners.

An access list is changed by what is added and removed, not replaced: what others change meanwhile stays.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runners_app.models import Account, Operation, RunnerGroup, SelfHostedRunner
from runners_app.operations.requests import Asked, CannotSendAgain, ask, wanted_on_top_of
from runners_app.readings.rows import Values

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import User

K = Operation.Kind
SETTINGS = (
    "name", "visibility", "allows_public_repositories", "restricted_to_workflows", "selected_workflows",
    "network_configuration_id",
)  # fmt: skip
OF_WORKFLOWS = ("restricted_to_workflows", "selected_workflows")
# Id of a repository or organization → its name. Ids are text, as JSON has them; where only the name of an organization
# is known, UNKNOWN and the name stand for the id, which a worker looks up.
Lines = Mapping[str, str]
UNKNOWN = "@"


def values_of_group(group: RunnerGroup) -> Values:
    """A group in the words of GitHub's update body: what an edit starts from and is compared with."""
    return {
        "name": group.name,
        "visibility": group.visibility,
        "allows_public_repositories": group.allows_public_repositories,
        "restricted_to_workflows": group.restricted_to_workflows,
        "selected_workflows": sorted(group.selected_workflows),
        "network_configuration_id": group.network_configuration_id or None,
    }


def request_create_group(
    account: Account, wanted: Values, *, add: Lines, by: "User", nonce: str, again_from: Operation | None = None
) -> Operation:
    """Ask for a new group; `add` are the repositories or organizations of one whose visibility is `selected`."""
    whole = {**wanted, **({"add": dict(add)} if add else {})}
    return ask(account, K.CREATE_GROUP, Asked(by, nonce, None, again_from), wanted=whole, target_name=wanted["name"])


def request_update_group(
    group: RunnerGroup,
    wanted: Values,
    *,
    base: Values,
    add: Lines | None = None,
    remove: Lines | None = None,
    by: "User",
    nonce: str,
    batch: "UUID | None" = None,
    again_from: Operation | None = None,
) -> Operation:
    """Ask for other settings, other lines on the access list, or both: one operation with a step for each."""
    lists = {"add": dict(add or {}), "remove": dict(remove or {})}
    whole = {**wanted, **{name: lines for name, lines in lists.items() if lines}}
    return ask(
        group.account, K.UPDATE_GROUP, Asked(by, nonce, batch, again_from), wanted=whole, base=base,
        target_id=group.github_id, target_name=group.name,
    )  # fmt: skip


def request_delete_group(
    group: RunnerGroup, *, by: "User", nonce: str, batch: "UUID | None" = None, again_from: Operation | None = None
) -> Operation:
    return ask(
        group.account, K.DELETE_GROUP, Asked(by, nonce, batch, again_from), base=values_of_group(group),
        target_id=group.github_id, target_name=group.name,
    )  # fmt: skip


def request_move_self_hosted(
    runner: SelfHostedRunner,
    group_id: int,
    *,
    by: "User",
    nonce: str,
    batch: "UUID | None" = None,
    again_from: Operation | None = None,
) -> Operation:
    """Ask for another group; `group_id` is GitHub's."""
    return ask(
        runner.account, K.MOVE_SELF_HOSTED_RUNNER, Asked(by, nonce, batch, again_from),
        wanted={"runner_group_id": group_id}, base={"runner_group_id": runner.group_id},
        target_id=runner.github_id, target_name=runner.name,
    )  # fmt: skip


def request_delete_self_hosted(
    runner: SelfHostedRunner,
    *,
    by: "User",
    nonce: str,
    batch: "UUID | None" = None,
    again_from: Operation | None = None,
) -> Operation:
    return ask(
        runner.account, K.DELETE_SELF_HOSTED_RUNNER, Asked(by, nonce, batch, again_from),
        target_id=runner.github_id, target_name=runner.name,
    )  # fmt: skip


def send_again(operation: Operation, asked: Values) -> Operation:
    """The same once more, from how things are now. Raises CannotSendAgain when the target is gone."""
    which = {"account": operation.account, "github_id": operation.target_id}
    if operation.target == Operation.Target.SELF_HOSTED_RUNNER:
        runner = SelfHostedRunner.objects.present().filter(**which).first()
        if runner is None:
            raise CannotSendAgain(f"{operation.target_name} is gone, so there is nothing to send.")
        if operation.kind == K.DELETE_SELF_HOSTED_RUNNER:
            return request_delete_self_hosted(runner, **asked)
        return request_move_self_hosted(runner, operation.wanted["runner_group_id"], **asked)
    group = RunnerGroup.objects.present().filter(**which).first()
    if group is None:
        raise CannotSendAgain(f"{operation.target_name} is gone, so there is nothing to send.")
    if operation.kind == K.DELETE_GROUP:
        return request_delete_group(group, **asked)
    now = values_of_group(group)
    wanted = wanted_on_top_of(now, base=operation.base, wanted=settings_in(operation.wanted))
    lists = {name: operation.wanted.get(name) for name in ("add", "remove")}
    return request_update_group(group, wanted, base=now, **lists, **asked)


def settings_in(wanted: Values) -> Values:
    """What an operation wants of the group itself, without its access list."""
    return {name: value for name, value in wanted.items() if name in SETTINGS}


def shown_fields(operation: Operation) -> list[tuple[str, object, object]]:
    """What was asked for, as a page shows it: (field, before, after)."""
    noun = "repositories" if operation.account.kind == Account.Kind.ORGANIZATION else "organizations"
    shown: list[tuple[str, Any, Any]] = []
    for field, value in operation.changed_fields.items():
        if field in ("add", "remove"):
            shown.append((f"{noun}_to_{field}", None, sorted(dict(str_pairs(value)).values())))
        else:
            shown.append((field, operation.base.get(field), value))
    return shown


def str_pairs(lines: object) -> list[tuple[str, str]]:
    """The (id, name) of lines as they were stored."""
    return [(str(key), str(name)) for key, name in lines.items()] if isinstance(lines, dict) else []
