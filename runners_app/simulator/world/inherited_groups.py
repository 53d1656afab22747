"""How an enterprise's runner groups appear in its organizations: as inherited groups with ids of
their own.
"""

from runners_app.simulator.world.state import Account, Group, World


def mirror_enterprise_groups(world: World, enterprise: Account) -> None:
    """Give every member organization a mirror of each group it may use, and take away the others.
    Idempotent.
    """
    if enterprise.kind == "enterprise":
        for organization in world.members_of(enterprise):
            _mirror(enterprise, organization)


def _mirror(enterprise: Account, organization: Account) -> None:
    shared = {
        group.id: group
        for group in enterprise.groups.values()
        if not group.default
        and (group.visibility == "all" or organization.id in group.selected_ids)
    }
    for mirror in list(organization.groups.values()):
        if mirror.inherited_from is not None and mirror.inherited_from not in shared:
            del organization.groups[mirror.id]
    mirrored = {group.inherited_from for group in organization.groups.values()}
    for group in shared.values():
        if group.id not in mirrored:
            new = Group(organization.next_id("group"), group.name, "all", inherited_from=group.id)
            # Whom an organization lets use an enterprise's restricted group is for the organization
            # to say.
            new.visibility = "selected" if group.restricted_to_workflows else "all"
            organization.groups[new.id] = new
