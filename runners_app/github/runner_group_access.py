"""Calls about who may use a runner group: repositories of an organization's, organizations of an
enterprise's.

GitHub keeps an access list for groups whose visibility is `selected`, and refuses to change that of
others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from . import parsing
from .caller import Caller
from .meta import Answer
from .pages import Known, Page, none_known
from .runner_groups import group_path, nothing
from .shapes import Organization, Owner, Repository


class RunnerGroupAccessCalls(Caller):
    def list_repositories_with_access(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        *,
        known: Known = none_known,
        per_page: int = 100,
    ) -> Iterator[Page[Repository]]:
        """The repositories that may use a group of an organization.

        actions/list-repo-access-to-self-hosted-runner-group-in-org: GET
        /orgs/{org}/actions/runner-groups/{id}/repositories.
        """
        path = _repositories(owner, id)
        return self._pages(path, "repositories", parsing.repository, known, per_page=per_page)

    def set_repositories_with_access(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        repository_ids: Iterable[int],
    ) -> Answer[None]:
        """Replace the whole list.

        actions/set-repo-access-to-self-hosted-runner-group-in-org: PUT
        /orgs/{org}/actions/runner-groups/{id}/repositories.
        """
        body = {"selected_repository_ids": sorted(set(repository_ids))}
        return self._one("PUT", _repositories(owner, id), nothing, json=body)

    def add_repository_with_access(self, owner: Owner, id: int, repository_id: int) -> Answer[None]:  # noqa: A002
        """Add one repository; harmless when it is there.

        actions/add-repo-access-to-self-hosted-runner-group-in-org: PUT
        /orgs/{org}/actions/runner-groups/{id}/repositories/{repository_id}.
        """
        return self._one("PUT", _repositories(owner, id, repository_id), nothing)

    def remove_repository_with_access(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        repository_id: int,
    ) -> Answer[None]:
        """Take one repository away.

        actions/remove-repo-access-to-self-hosted-runner-group-in-org: DELETE
        /orgs/{org}/actions/runner-groups/{id}/repositories/{repository_id}.
        """
        return self._one("DELETE", _repositories(owner, id, repository_id), nothing)

    def list_organizations_with_access(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        *,
        known: Known = none_known,
        per_page: int = 100,
    ) -> Iterator[Page[Organization]]:
        """The organizations that may use a group of an enterprise.

        enterprise-admin/list-org-access-to-self-hosted-runner-group-in-enterprise: GET
        /enterprises/{enterprise}/actions/runner-groups/{id}/organizations.
        """
        path = _organizations(owner, id)
        return self._pages(path, "organizations", parsing.organization, known, per_page=per_page)

    def set_organizations_with_access(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        organization_ids: Iterable[int],
    ) -> Answer[None]:
        """Replace the whole list.

        enterprise-admin/set-org-access-to-self-hosted-runner-group-in-enterprise: PUT
        /enterprises/{enterprise}/actions/runner-groups/{id}/organizations.
        """
        body = {"selected_organization_ids": sorted(set(organization_ids))}
        return self._one("PUT", _organizations(owner, id), nothing, json=body)

    def add_organization_with_access(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        organization_id: int,
    ) -> Answer[None]:
        """Add one organization; harmless when it is there.

        enterprise-admin/add-org-access-to-self-hosted-runner-group-in-enterprise: PUT
        /enterprises/{enterprise}/actions/runner-groups/{id}/organizations/{org_id}.
        """
        return self._one("PUT", _organizations(owner, id, organization_id), nothing)

    def remove_organization_with_access(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        organization_id: int,
    ) -> Answer[None]:
        """Take one organization away.

        enterprise-admin/remove-org-access-to-self-hosted-runner-group-in-enterprise: DELETE
        /enterprises/{enterprise}/actions/runner-groups/{id}/organizations/{org_id}.
        """
        return self._one("DELETE", _organizations(owner, id, organization_id), nothing)

    def list_organization_repositories(
        self, owner: Owner, *, known: Known = none_known, per_page: int = 100
    ) -> Iterator[Page[Repository]]:
        """All repositories of an organization the credential may see, by name, in pages of a bare
        array.

        repos/list-for-org: GET /orgs/{org}/repos. ValueError for an enterprise, which has none.
        """
        _require("organization", owner)
        query: dict[str, int | str] = {"type": "all", "sort": "full_name", "per_page": per_page}
        return self._pages(f"{owner.path}/repos", None, parsing.repository, known, **query)


def _repositories(owner: Owner, *segments: int) -> str:
    _require("organization", owner)
    return group_path(owner, segments[0], "repositories", *segments[1:])


def _organizations(owner: Owner, *segments: int) -> str:
    _require("enterprise", owner)
    return group_path(owner, segments[0], "organizations", *segments[1:])


def _require(kind: str, owner: Owner) -> None:
    """ValueError: an organization's groups are open to repositories, an enterprise's to
    organizations.
    """
    if owner.kind != kind:
        raise ValueError(f"Only an {kind} has this")
