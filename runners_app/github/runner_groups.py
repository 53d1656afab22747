"""Calls about runner groups: `{owner}/actions/runner-groups`. Plans without groups answer a
refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import parsing
from .caller import Caller
from .meta import Answer
from .pages import Known, Page, none_known
from .shapes import HostedRunner, NewRunnerGroup, Owner, RunnerGroup

CHANGEABLE = frozenset(
    {
        "name",
        "visibility",
        "allows_public_repositories",
        "restricted_to_workflows",
        "selected_workflows",
        "network_configuration_id",
    }
)


class RunnerGroupCalls(Caller):
    def list_runner_groups(
        self,
        owner: Owner,
        *,
        visible_to_repository: str | None = None,
        visible_to_organization: str | None = None,
        known: Known = none_known,
        per_page: int = 100,
    ) -> Iterator[Page[RunnerGroup]]:
        """All runner groups, page by page; an organization's list holds those its enterprise shares
        as `inherited`.

        `visible_to_repository` (a name without its owner; organizations only) and
        `visible_to_organization` (a login; enterprises only) leave those that it may use.
        ValueError for the filter of the other kind.

        actions/list-self-hosted-runner-groups-for-org: GET /orgs/{org}/actions/runner-groups;
        enterprise-admin/list-self-hosted-runner-groups-for-enterprise.
        """
        filters = {
            "organization": {"visible_to_repository": visible_to_repository},
            "enterprise": {"visible_to_organization": visible_to_organization},
        }[owner.kind]
        asked = {
            "visible_to_repository": visible_to_repository,
            "visible_to_organization": visible_to_organization,
        }
        if wrong := [
            name for name, value in asked.items() if value is not None and name not in filters
        ]:
            raise ValueError(f"An {owner.kind} has no {wrong[0]}")
        query = {name: value for name, value in filters.items() if value is not None}
        return self._pages(
            group_path(owner),
            "runner_groups",
            parsing.runner_group,
            known,
            per_page=per_page,
            **query,
        )

    def create_runner_group(self, owner: Owner, new: NewRunnerGroup) -> Answer[RunnerGroup]:
        """Create a group, with its access list and workflows.

        actions/create-self-hosted-runner-group-for-org: POST /orgs/{org}/actions/runner-groups;
        enterprise-admin/create-self-hosted-runner-group-for-enterprise.
        """
        return self._one("POST", group_path(owner), parsing.runner_group, json=new.body(owner.kind))

    def get_runner_group(self, owner: Owner, id: int) -> Answer[RunnerGroup]:  # noqa: A002
        """One runner group.

        actions/get-self-hosted-runner-group-for-org: GET /orgs/{org}/actions/runner-groups/{id};
        enterprise-admin/get-self-hosted-runner-group-for-enterprise.
        """
        return self._one("GET", group_path(owner, id), parsing.runner_group)

    def update_runner_group(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        changes: Mapping[str, object],
    ) -> Answer[RunnerGroup]:
        """Change the given fields (those in `CHANGEABLE`); the access list has calls of its own.

        An organization's needs the `name` every time, and GitHub's description names defaults for
        the flags: whoever leaves one out may reset it. ValueError for any other field, or a missing
        name.

        actions/update-self-hosted-runner-group-for-org: PATCH
        /orgs/{org}/actions/runner-groups/{id};
        enterprise-admin/update-self-hosted-runner-group-for-enterprise.
        """
        if not_changeable := set(changes) - CHANGEABLE:
            raise ValueError(
                f"GitHub cannot change {', '.join(sorted(not_changeable))} of a runner group"
            )
        if owner.kind == "organization" and not changes.get("name"):
            raise ValueError(
                "GitHub wants the name with every change of an organization's runner group"
            )
        return self._one("PATCH", group_path(owner, id), parsing.runner_group, json=dict(changes))

    def delete_runner_group(self, owner: Owner, id: int) -> Answer[None]:  # noqa: A002
        """Delete a group, which must be empty and neither the default one nor inherited.

        actions/delete-self-hosted-runner-group-from-org: DELETE
        /orgs/{org}/actions/runner-groups/{id};
        enterprise-admin/delete-self-hosted-runner-group-from-enterprise.
        """
        return self._one("DELETE", group_path(owner, id), nothing)

    def list_hosted_runners_in_group(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        *,
        known: Known = none_known,
        per_page: int = 100,
    ) -> Iterator[Page[HostedRunner]]:
        """The larger runners in a group of an organization; of an inherited group the enterprise's.

        ValueError for an enterprise, which has no such call: its members are those with the group's
        id.

        actions/list-github-hosted-runners-in-group-for-org: GET
        /orgs/{org}/actions/runner-groups/{id}/hosted-runners.
        """
        if owner.kind != "organization":
            raise ValueError("Only organizations can be asked for the larger runners in a group")
        path = group_path(owner, id, "hosted-runners")
        return self._pages(path, "runners", parsing.hosted_runner, known, per_page=per_page)


def group_path(owner: Owner, *segments: str | int) -> str:
    """The path of an owner's groups, or of something in one."""
    return "/".join([f"{owner.path}/actions/runner-groups", *map(str, segments)])


def nothing(payload: object) -> None:
    """An answer without a body; another one is of no use either."""
