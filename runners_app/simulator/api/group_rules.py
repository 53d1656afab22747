"""The rules for runner groups, and the names of their members in requests."""

from typing import Any

from runners_app.simulator.api import rules
from runners_app.simulator.api.call import Call
from runners_app.simulator.api.wire import Body, problem
from runners_app.simulator.world.state import Account, Group, World

DOCS = "/actions/self-hosted-runner-groups"
RESOURCE = "RunnerGroup"


def enterprise_group(world: World, account: Account, group: Group) -> Group | None:
    enterprise = world.enterprise_of(account)
    return (
        enterprise.groups.get(group.inherited_from)
        if enterprise and group.inherited_from is not None
        else None
    )


def members_noun(account: Account) -> str:
    return "repositories" if account.kind == "organization" else "organizations"


def member_noun(account: Account) -> str:
    return "repository" if account.kind == "organization" else "organization"


def possible_members(call: Call) -> set[int]:
    if call.account.kind == "organization":
        return set(call.account.repositories)
    return {account.id for account in call.world.members_of(call.account)}


def name_problems(call: Call, name: str, own: Group | None = None) -> list[Body]:
    if not name.strip():
        return [problem(RESOURCE, "name", "missing_field")]
    enterprise = call.world.enterprise_of(call.account)
    others = [*call.account.groups.values(), *(enterprise.groups.values() if enterprise else [])]
    taken = {
        group.name.lower() for group in others if group is not own and group.inherited_from is None
    }
    if own is not None and own.default:
        taken.discard(own.name.lower())  # the enterprise's Default has the same name
    return [problem(RESOURCE, "name", "already_exists")] if name.lower() in taken else []


def workflow_problems(workflows: list[str]) -> list[Body]:
    wrong = [workflow for workflow in workflows if not rules.WORKFLOW.fullmatch(workflow)]
    rule = "must look like owner/repo/.github/workflows/file.yaml@ref"
    return [
        problem(RESOURCE, "selected_workflows", "invalid", f'"{workflow}" {rule}')
        for workflow in wrong
    ]


def member_problems(call: Call, members: list[int], *, field: str = "") -> list[Body]:
    """Unknown members. Public repositories are taken even by a group that does not allow them:
    GitHub refuses their jobs instead.
    """
    field = field or f"selected_{member_noun(call.account)}_ids"
    possible = possible_members(call)
    return [
        problem(RESOURCE, field, "invalid", f"There is no {each}.")
        for each in members
        if each not in possible
    ]


def machine_problems(account: Account, machines: list[Any]) -> list[Body]:
    missing = [each for each in machines if each not in account.machines]
    return [
        problem(RESOURCE, "runners", "invalid", f"There is no self-hosted runner {each}.")
        for each in missing
    ]
