"""Runner groups of organizations and enterprises, who may use them, and what is in them."""

import random
from typing import Any

from runners_app.simulator import lifecycle, rules
from runners_app.simulator.around import describe_organization, describe_repository
from runners_app.simulator.call import Call, wrapped_page
from runners_app.simulator.machines import describe_machine
from runners_app.simulator.mirrors import mirror_enterprise_groups
from runners_app.simulator.state import Account, Group, World
from runners_app.simulator.wire import Answer, Body, conflict, not_found, problem, refuse, validation_failed

DOCS = "/actions/self-hosted-runner-groups"
RESOURCE = "RunnerGroup"


def describe(call: Call, group: Group, place: str = "one") -> Body:
    """A group as GitHub answers it; ``place`` (one or list) makes the order of workflows vary, as it does there."""
    source = _enterprise_group(call.world, call.account, group) or group
    path = f"{call.account_path()}/actions/runner-groups/{group.id}"
    answer: Body = {
        "id": group.id,
        "name": source.name,
        "visibility": group.visibility,
        "default": group.default,
        "runners_url": call.url(f"{path}/runners"),
        "hosted_runners_url": call.url(f"{path}/hosted-runners"),
        "allows_public_repositories": source.allows_public_repositories,
        "restricted_to_workflows": source.restricted_to_workflows,
        "selected_workflows": _shuffled(source, place),
        "workflow_restrictions_read_only": source is not group and source.restricted_to_workflows,
    }
    if call.account.kind == "organization":
        answer["inherited"] = group.inherited_from is not None
        if source is not group:
            answer["inherited_allows_public_repositories"] = source.allows_public_repositories
    if group.visibility == "selected":
        noun = _members_noun(call.account)
        answer[f"selected_{noun}_url"] = call.url(f"{path}/{noun}")
    if source.network_configuration_id is not None:
        answer["network_configuration_id"] = source.network_configuration_id
    return answer


def _enterprise_group(world: World, account: Account, group: Group) -> Group | None:
    enterprise = world.enterprise_of(account)
    return enterprise.groups.get(group.inherited_from) if enterprise and group.inherited_from is not None else None


def _shuffled(group: Group, place: str) -> list[str]:
    dice = random.Random(f"{group.id}/{place}/{group.writes}")  # noqa: S311 - reproducible on purpose
    return dice.sample(group.selected_workflows, len(group.selected_workflows))


def _members_noun(account: Account) -> str:
    return "repositories" if account.kind == "organization" else "organizations"


def list_groups(call: Call) -> Answer:
    """``visible_to_repository`` (a name) and ``visible_to_organization`` (a slug) leave the groups these may use."""
    groups = list(call.account.groups.values())
    if name := call.request.query.get("visible_to_repository"):
        groups = [group for group in groups if _serves_repository(call, group, name)]
    if slug := call.request.query.get("visible_to_organization"):
        groups = [group for group in groups if _serves_organization(call, group, slug)]
    answer = wrapped_page(call, "runner_groups", groups)
    answer.body["runner_groups"] = [describe(call, group, "list") for group in answer.body["runner_groups"]]
    return answer


def _serves_repository(call: Call, group: Group, name: str) -> bool:
    wanted = name.rpartition("/")[2].lower()
    for repository in call.account.repositories.values():
        if repository.name.lower() == wanted:
            source = _enterprise_group(call.world, call.account, group) or group
            if not repository.private and not source.allows_public_repositories:
                return False
            if group.visibility == "private":
                return repository.private
            return group.visibility == "all" or repository.id in group.selected_ids
    return False


def _serves_organization(call: Call, group: Group, slug: str) -> bool:
    members = {account.slug.lower(): account.id for account in call.world.members_of(call.account)}
    organization_id = members.get(slug.lower())
    return organization_id is not None and (group.visibility == "all" or organization_id in group.selected_ids)


def get_group(call: Call) -> Answer:
    return Answer(200, describe(call, call.group()))


def create_group(call: Call) -> Answer:
    account = call.account
    body = rules.read_body(call.request, rules.group_shape(account.kind, creating=True))
    members = body.get(f"selected_{_member_noun(account)}_ids", [])
    errors = [
        *_name_problems(call, body["name"]),
        *_workflow_problems(body.get("selected_workflows", [])),
        *_member_problems(call, members, allows_public=body.get("allows_public_repositories", False)),
        *_machine_problems(account, body.get("runners", [])),
    ]
    if errors:
        raise validation_failed(errors, DOCS)
    group = Group(account.next_id("group"), body["name"], body.get("visibility", "all"), selected_ids=sorted(members))
    _apply(group, body)
    account.groups[group.id] = group
    for machine_id in body.get("runners", []):
        account.machines[machine_id].group_id = group.id
    mirror_enterprise_groups(call.world, account)
    return Answer(201, describe(call, group))


def update_group(call: Call) -> Answer:
    """Changes the fields given. A group inherited from the enterprise is not changed here: 422."""
    account, group = call.account, call.group()
    body = rules.read_body(call.request, rules.group_shape(account.kind, creating=False))
    if group.inherited_from is not None:
        raise refuse(422, "Inherited runner groups can only be changed by the enterprise.", DOCS)
    allows_public = body.get("allows_public_repositories", group.allows_public_repositories)
    errors = [
        *(_name_problems(call, body["name"], group) if "name" in body else []),
        *_workflow_problems(body.get("selected_workflows", [])),
        *(_member_problems(call, group.selected_ids, allows_public=allows_public) if not allows_public else []),
    ]
    if errors:
        raise validation_failed(errors, DOCS)
    group.name = body.get("name", group.name)
    group.visibility = body.get("visibility", group.visibility)
    _apply(group, body)
    mirror_enterprise_groups(call.world, account)
    return Answer(200, describe(call, group))


def _apply(group: Group, body: Body) -> None:
    group.allows_public_repositories = body.get("allows_public_repositories", group.allows_public_repositories)
    group.restricted_to_workflows = body.get("restricted_to_workflows", group.restricted_to_workflows)
    group.selected_workflows = body.get("selected_workflows", group.selected_workflows)
    group.network_configuration_id = body.get("network_configuration_id", group.network_configuration_id)
    group.writes += 1


def delete_group(call: Call) -> Answer:
    """204; 422 for the default group, an inherited one and one with runners in it."""
    account, group = call.account, call.group()
    lifecycle.remove_gone_runners(account, call.at)
    if group.default:
        raise refuse(422, "The default runner group cannot be deleted.", DOCS)
    if group.inherited_from is not None:
        raise refuse(422, "Inherited runner groups can only be deleted by the enterprise.", DOCS)
    inside = {runner.group_id for runner in account.runners.values()}
    inside |= {machine.group_id for machine in account.machines.values()}
    if group.id in inside:
        raise refuse(422, "The runner group has runners in it; move or delete them first.", DOCS)
    del account.groups[group.id]
    mirror_enterprise_groups(call.world, account)
    return Answer(204)


# --- Who may use a group: repositories of an organization's, organizations of an enterprise's.


def list_members(call: Call) -> Answer:
    """GET .../runner-groups/{id}/repositories or /organizations; empty when all may use the group."""
    group, noun = call.group(), _members_noun(call.account)
    ids = group.selected_ids if group.visibility == "selected" else []
    if call.account.kind == "organization":
        repositories = [call.account.repositories[each] for each in ids if each in call.account.repositories]
        answer = wrapped_page(call, noun, repositories)
        answer.body[noun] = [describe_repository(call, call.account, each) for each in answer.body[noun]]
        return answer
    organizations = [account for account in call.world.organizations() if account.id in ids]
    answer = wrapped_page(call, noun, organizations)
    answer.body[noun] = [describe_organization(call, each) for each in answer.body[noun]]
    return answer


def set_members(call: Call) -> Answer:
    """PUT of the whole list. 409 for a list with something in it when the group is not for selected ones."""
    field = f"selected_{_member_noun(call.account)}_ids"
    body = rules.read_body(call.request, {field: rules.Field("integer[]", required=True)})
    group = call.group()
    if body[field]:
        _require_selected(group)
    _replace_members(call, group, body[field], field)
    return Answer(204)


def add_member(call: Call) -> Answer:
    group, member_id = call.group(), int(call.params["member_id"])
    _require_selected(group)
    if member_id not in _possible_members(call):
        raise not_found(DOCS)
    _replace_members(call, group, [*group.selected_ids, member_id], f"{_member_noun(call.account)}_id")
    return Answer(204)


def remove_member(call: Call) -> Answer:
    group, member_id = call.group(), int(call.params["member_id"])
    _require_selected(group)
    if member_id not in _possible_members(call):
        raise not_found(DOCS)
    _replace_members(call, group, [each for each in group.selected_ids if each != member_id], "")
    return Answer(204)


def _replace_members(call: Call, group: Group, members: list[int], field: str) -> None:
    source = _enterprise_group(call.world, call.account, group) or group
    if errors := _member_problems(call, members, allows_public=source.allows_public_repositories, field=field):
        raise validation_failed(errors, DOCS)
    group.selected_ids = sorted(set(members))
    group.writes += 1
    mirror_enterprise_groups(call.world, call.account)


def _require_selected(group: Group) -> None:
    if group.visibility != "selected":
        raise conflict("The runner group is not limited to selected ones: its visibility must be selected.", DOCS)


def _member_noun(account: Account) -> str:
    return "repository" if account.kind == "organization" else "organization"


def _possible_members(call: Call) -> set[int]:
    if call.account.kind == "organization":
        return set(call.account.repositories)
    return {account.id for account in call.world.members_of(call.account)}


# --- Self-hosted runners in a group.


def list_machines(call: Call) -> Answer:
    group = call.group()
    inside = [machine for machine in call.account.machines.values() if machine.group_id == group.id]
    answer = wrapped_page(call, "runners", inside)
    answer.body["runners"] = [describe_machine(machine) for machine in answer.body["runners"]]
    return answer


def set_machines(call: Call) -> Answer:
    """PUT of the whole list: those left out go to the default group."""
    body = rules.read_body(call.request, {"runners": rules.Field("integer[]", required=True)})
    account, group = call.account, _own_group(call)
    if errors := _machine_problems(account, body["runners"]):
        raise validation_failed(errors, DOCS)
    for machine in account.machines.values():
        if machine.id in body["runners"]:
            machine.group_id = group.id
        elif machine.group_id == group.id:
            machine.group_id = _default_group(account).id
    return Answer(204)


def add_machine(call: Call) -> Answer:
    call.machine().group_id = _own_group(call).id
    return Answer(204)


def remove_machine(call: Call) -> Answer:
    """The runner goes back to the default group."""
    machine, group = call.machine(), _own_group(call)
    if machine.group_id != group.id:
        raise not_found(DOCS)
    machine.group_id = _default_group(call.account).id
    return Answer(204)


def _own_group(call: Call) -> Group:
    group = call.group()
    if group.inherited_from is not None:
        raise refuse(422, "Inherited runner groups take runners of the enterprise only.", DOCS)
    return group


def _default_group(account: Account) -> Group:
    return next(group for group in account.groups.values() if group.default)


# --- Rules.


def _name_problems(call: Call, name: str, own: Group | None = None) -> list[Body]:
    if not name.strip():
        return [problem(RESOURCE, "name", "missing_field")]
    enterprise = call.world.enterprise_of(call.account)
    others = [*call.account.groups.values(), *(enterprise.groups.values() if enterprise else [])]
    taken = {group.name.lower() for group in others if group is not own and group.inherited_from is None}
    return [problem(RESOURCE, "name", "already_exists")] if name.lower() in taken else []


def _workflow_problems(workflows: list[str]) -> list[Body]:
    wrong = [workflow for workflow in workflows if not rules.WORKFLOW.fullmatch(workflow)]
    form = "must look like owner/repo/.github/workflows/file.yaml@ref"
    return [problem(RESOURCE, "selected_workflows", "invalid", f'"{workflow}" {form}') for workflow in wrong]


def _member_problems(call: Call, members: list[int], *, allows_public: bool, field: str = "") -> list[Body]:
    field = field or f"selected_{_member_noun(call.account)}_ids"
    possible = _possible_members(call)
    errors = [problem(RESOURCE, field, "invalid", f"There is no {each}.") for each in members if each not in possible]
    if call.account.kind == "organization" and not allows_public:
        public = [call.account.repositories[each] for each in members if each in possible]
        errors += [
            problem(RESOURCE, field, "unprocessable", f"{each.name} is public; the group does not allow that.")
            for each in public
            if not each.private
        ]
    return errors


def _machine_problems(account: Account, machines: list[Any]) -> list[Body]:
    missing = [each for each in machines if each not in account.machines]
    return [problem(RESOURCE, "runners", "invalid", f"There is no self-hosted runner {each}.") for each in missing]
