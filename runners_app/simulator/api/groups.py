"""Runner groups of organizations and enterprises."""

import random

from runners_app.simulator.api import rules
from runners_app.simulator.api.call import Call, wrapped_page
from runners_app.simulator.api.group_rules import (
    DOCS,
    enterprise_group,
    machine_problems,
    member_noun,
    member_problems,
    members_noun,
    name_problems,
    workflow_problems,
)
from runners_app.simulator.api.wire import Body, Response, refuse, validation_failed
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.inherited_groups import update_inherited_groups
from runners_app.simulator.world.state import Group


def describe(call: Call, group: Group, place: str = "one") -> Body:
    """A group as GitHub returns it. ``place`` is one or list: as at GitHub, the order of workflows
    differs between the two.
    """
    source = enterprise_group(call.world, call.account, group) or group
    read_only = source is not group and source.restricted_to_workflows
    restricting = source if read_only else group
    path = f"{call.account_path()}/actions/runner-groups/{group.id}"
    response: Body = {
        "id": group.id,
        "name": source.name,
        "visibility": group.visibility,
        "default": group.default,
        "runners_url": call.url(f"{path}/runners"),
        "allows_public_repositories": group.allows_public_repositories,
        "restricted_to_workflows": restricting.restricted_to_workflows,
        "selected_workflows": _shuffled(restricting, place),
        "workflow_restrictions_read_only": read_only,
    }
    if not call.enterprise_server:
        response["hosted_runners_url"] = call.url(f"{path}/hosted-runners")
    if call.account.kind == "organization":
        response["inherited"] = group.inherited_from is not None
        if source is not group:
            response["inherited_allows_public_repositories"] = source.allows_public_repositories
    if group.visibility == "selected":
        noun = members_noun(call.account)
        response[f"selected_{noun}_url"] = call.url(f"{path}/{noun}")
    if source.network_configuration_id is not None:
        response["network_configuration_id"] = source.network_configuration_id
    return response


def _shuffled(group: Group, place: str) -> list[str]:
    dice = random.Random(f"{group.id}/{place}/{group.writes}")  # noqa: S311 - reproducible on purpose
    return dice.sample(group.selected_workflows, len(group.selected_workflows))


def list_groups(call: Call) -> Response:
    """GET of all groups, or of those that the repository ``visible_to_repository`` (a name) or the
    organization ``visible_to_organization`` (a slug) may use.
    """
    groups = list(call.account.groups.values())
    if name := call.request.query.get("visible_to_repository"):
        groups = [group for group in groups if _serves_repository(call, group, name)]
    if slug := call.request.query.get("visible_to_organization"):
        groups = [group for group in groups if _serves_organization(call, group, slug)]
    response = wrapped_page(call, "runner_groups", groups)
    response.body["runner_groups"] = [
        describe(call, group, "list") for group in response.body["runner_groups"]
    ]
    return response


def _serves_repository(call: Call, group: Group, name: str) -> bool:
    wanted = name.rpartition("/")[2].lower()
    for repository in call.account.repositories.values():
        if repository.name.lower() == wanted:
            if not repository.private and not group.allows_public_repositories:
                return False
            if group.visibility == "private":
                return repository.private
            return group.visibility == "all" or repository.id in group.selected_ids
    return False


def _serves_organization(call: Call, group: Group, slug: str) -> bool:
    members = {account.slug.lower(): account.id for account in call.world.members_of(call.account)}
    organization_id = members.get(slug.lower())
    return organization_id is not None and (
        group.visibility == "all" or organization_id in group.selected_ids
    )


def get_group(call: Call) -> Response:
    return Response(200, describe(call, call.group()))


def create_group(call: Call) -> Response:
    account = call.account
    body = rules.read_body(call.request, rules.group_shape(account.kind, creating=True))
    members = body.get(f"selected_{member_noun(account)}_ids", [])
    errors = [
        *name_problems(call, body["name"]),
        *workflow_problems(body.get("selected_workflows", [])),
        *member_problems(call, members),
        *machine_problems(account, body.get("runners", [])),
    ]
    if errors:
        raise validation_failed(errors, DOCS)
    group = Group(
        account.next_id("group"),
        body["name"],
        body.get("visibility", "all"),
        selected_ids=sorted(members),
    )
    _apply(group, body)
    account.groups[group.id] = group
    for machine_id in body.get("runners", []):
        account.machines[machine_id].group_id = group.id
    update_inherited_groups(call.world, account)
    return Response(201, describe(call, group))


def update_group(call: Call) -> Response:
    """Change the given fields.

    An organization's owners set who may use an inherited group; its name and the restrictions that
    its enterprise has set are not theirs to change: 422.
    """
    account, group = call.account, call.group()
    body = rules.read_body(call.request, rules.group_shape(account.kind, creating=False))
    source = enterprise_group(call.world, account, group)
    if source is not None:
        _refuse_enterprise_fields(source, body)
    errors = [
        *(name_problems(call, body["name"], group) if "name" in body and source is None else []),
        *workflow_problems(body.get("selected_workflows", [])),
    ]
    if errors:
        raise validation_failed(errors, DOCS)
    if source is None:
        group.name = body.get("name", group.name)
    group.visibility = body.get("visibility", group.visibility)
    _apply(group, body)
    update_inherited_groups(call.world, account)
    return Response(200, describe(call, group))


def _refuse_enterprise_fields(source: Group, body: Body) -> None:
    workflows = body.keys() & {"restricted_to_workflows", "selected_workflows"}
    renames = body.get("name", source.name) != source.name
    if renames or "network_configuration_id" in body:
        raise refuse(422, "Inherited runner groups can only be changed by the enterprise.", DOCS)
    if workflows and source.restricted_to_workflows:
        raise refuse(422, "The enterprise has restricted the workflows of this group.", DOCS)


def _apply(group: Group, body: Body) -> None:
    group.allows_public_repositories = body.get(
        "allows_public_repositories", group.allows_public_repositories
    )
    group.restricted_to_workflows = body.get(
        "restricted_to_workflows", group.restricted_to_workflows
    )
    group.selected_workflows = body.get("selected_workflows", group.selected_workflows)
    group.network_configuration_id = body.get(
        "network_configuration_id", group.network_configuration_id
    )
    group.writes += 1


def delete_group(call: Call) -> Response:
    """204; 422 for the default group, an inherited group and a group that contains runners."""
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
    update_inherited_groups(call.world, account)
    return Response(204)
