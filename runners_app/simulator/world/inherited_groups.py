"""An enterprise's runner groups in its organizations: inherited groups with ids of their own."""

from runners_app.simulator.world.state import Account, Group, World


def update_inherited_groups(world: World, enterprise: Account) -> None:
    """Give each member organization an inherited group for every enterprise group it may use, and
    delete the others. Idempotent; does nothing for an organization.
    """
    if enterprise.kind == "enterprise":
        for organization in world.members_of(enterprise):
            _update_organization(enterprise, organization)


def _update_organization(enterprise: Account, organization: Account) -> None:
    shared = {
        group.id: group
        for group in enterprise.groups.values()
        if (group.visibility == "all" or organization.id in group.selected_ids)
        and (not group.default or enterprise.shares_default)
    }
    for group in list(organization.groups.values()):
        if group.inherited_from is not None and group.inherited_from not in shared:
            del organization.groups[group.id]

    inherited = {group.inherited_from for group in organization.groups.values()}
    for group in shared.values():
        if group.id not in inherited:
            # At first none of the organization's repositories may use it; its owners decide.
            new = Group(
                organization.next_id("group"), group.name, "selected", inherited_from=group.id
            )
            organization.groups[new.id] = new
