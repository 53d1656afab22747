"""Who may use a runner group, and the self-hosted runners in it."""

from runners_app.simulator.api import rules
from runners_app.simulator.api.call import Call, wrapped_page
from runners_app.simulator.api.group_rules import (
    DOCS,
    machine_problems,
    member_noun,
    member_problems,
    members_noun,
    possible_members,
)
from runners_app.simulator.api.organizations import describe_organization, describe_repository
from runners_app.simulator.api.self_hosted_runners import describe_machine
from runners_app.simulator.api.wire import Response, conflict, not_found, refuse, validation_failed
from runners_app.simulator.world.inherited_groups import update_inherited_groups
from runners_app.simulator.world.state import Account, Group

# --- Who may use a group: repositories (organization) or organizations (enterprise).


def list_members(call: Call) -> Response:
    """GET .../runner-groups/{id}/repositories or /organizations; empty unless some are selected."""
    group, noun = call.group(), members_noun(call.account)
    ids = group.selected_ids if group.visibility == "selected" else []
    if call.account.kind == "organization":
        repositories = [
            call.account.repositories[each] for each in ids if each in call.account.repositories
        ]
        response = wrapped_page(call, noun, repositories)
        response.body[noun] = [
            describe_repository(call, call.account, each) for each in response.body[noun]
        ]
        return response
    organizations = [account for account in call.world.organizations() if account.id in ids]
    response = wrapped_page(call, noun, organizations)
    response.body[noun] = [describe_organization(call, each) for each in response.body[noun]]
    return response


def set_members(call: Call) -> Response:
    """PUT of the whole list. 409 if it is not empty and the group's visibility is not selected."""
    field = f"selected_{member_noun(call.account)}_ids"
    body = rules.read_body(call.request, {field: rules.Field("integer[]", required=True)})
    group = call.group()
    if body[field]:
        _require_selected(group)
    _replace_members(call, group, body[field], field)
    return Response(204)


def add_member(call: Call) -> Response:
    group, member_id = call.group(), int(call.params["member_id"])
    _require_selected(group)
    if member_id not in possible_members(call):
        raise not_found(DOCS)
    _replace_members(
        call, group, [*group.selected_ids, member_id], f"{member_noun(call.account)}_id"
    )
    return Response(204)


def remove_member(call: Call) -> Response:
    group, member_id = call.group(), int(call.params["member_id"])
    _require_selected(group)
    if member_id not in possible_members(call):
        raise not_found(DOCS)
    _replace_members(call, group, [each for each in group.selected_ids if each != member_id], "")
    return Response(204)


def _replace_members(call: Call, group: Group, members: list[int], field: str) -> None:
    if errors := member_problems(call, members, field=field):
        raise validation_failed(errors, DOCS)
    group.selected_ids = sorted(set(members))
    group.writes += 1
    update_inherited_groups(call.world, call.account)


def _require_selected(group: Group) -> None:
    if group.visibility != "selected":
        raise conflict(
            "The visibility of the runner group must be selected.",
            DOCS,
        )


# --- Self-hosted runners in a group.


def list_machines(call: Call) -> Response:
    group = call.group()
    inside = [machine for machine in call.account.machines.values() if machine.group_id == group.id]
    response = wrapped_page(call, "runners", inside)
    response.body["runners"] = [describe_machine(machine) for machine in response.body["runners"]]
    return response


def set_machines(call: Call) -> Response:
    """PUT of the whole list: runners it leaves out move to the default group."""
    body = rules.read_body(call.request, {"runners": rules.Field("integer[]", required=True)})
    account, group = call.account, _own_group(call)
    if errors := machine_problems(account, body["runners"]):
        raise validation_failed(errors, DOCS)
    for machine in account.machines.values():
        if machine.id in body["runners"]:
            machine.group_id = group.id
        elif machine.group_id == group.id:
            machine.group_id = _default_group(account).id
    return Response(204)


def add_machine(call: Call) -> Response:
    call.machine().group_id = _own_group(call).id
    return Response(204)


def remove_machine(call: Call) -> Response:
    """Move a runner back to the default group."""
    machine, group = call.machine(), _own_group(call)
    if machine.group_id != group.id:
        raise not_found(DOCS)
    machine.group_id = _default_group(call.account).id
    return Response(204)


def _own_group(call: Call) -> Group:
    group = call.group()
    if group.inherited_from is not None:
        raise refuse(422, "Inherited runner groups take runners of the enterprise only.", DOCS)
    return group


def _default_group(account: Account) -> Group:
    return next(group for group in account.groups.values() if group.default)
