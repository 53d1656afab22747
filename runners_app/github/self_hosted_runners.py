"""Calls about self-hosted runners: those of an account and those in a runner group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from . import parsing
from .caller import Caller
from .meta import Answer
from .pages import Known, Page, none_known
from .runner_groups import group_path, nothing
from .shapes import Owner, SelfHostedRunner


class SelfHostedRunnerCalls(Caller):
    def list_self_hosted_runners(
        self,
        owner: Owner,
        *,
        name: str | None = None,
        known: Known = none_known,
        per_page: int = 100,
    ) -> Iterator[Page[SelfHostedRunner]]:
        """All self-hosted runners of the account, or those of one name, with their labels.

        actions/list-self-hosted-runners-for-org: GET /orgs/{org}/actions/runners;
        enterprise-admin/list-self-hosted-runners-for-enterprise.
        """
        query = {} if name is None else {"name": name}
        return self._pages(
            _path(owner), "runners", parsing.self_hosted_runner, known, per_page=per_page, **query
        )

    def get_self_hosted_runner(self, owner: Owner, id: int) -> Answer[SelfHostedRunner]:  # noqa: A002
        """One self-hosted runner.

        actions/get-self-hosted-runner-for-org: GET /orgs/{org}/actions/runners/{id};
        enterprise-admin/get-self-hosted-runner-for-enterprise.
        """
        return self._one("GET", f"{_path(owner)}/{id}", parsing.self_hosted_runner)

    def delete_self_hosted_runner(self, owner: Owner, id: int) -> Answer[None]:  # noqa: A002
        """Remove a self-hosted runner from the account; refused (Invalid) while it runs a job.

        actions/delete-self-hosted-runner-from-org: DELETE /orgs/{org}/actions/runners/{id};
        enterprise-admin/delete-self-hosted-runner-from-enterprise.
        """
        return self._one("DELETE", f"{_path(owner)}/{id}", nothing)

    def list_self_hosted_runners_in_group(
        self, owner: Owner, group_id: int, *, known: Known = none_known, per_page: int = 100
    ) -> Iterator[Page[SelfHostedRunner]]:
        """The self-hosted runners in a group.

        actions/list-self-hosted-runners-in-group-for-org: GET
        /orgs/{org}/actions/runner-groups/{id}/runners;
        enterprise-admin/list-self-hosted-runners-in-group-for-enterprise.
        """
        path = group_path(owner, group_id, "runners")
        return self._pages(path, "runners", parsing.self_hosted_runner, known, per_page=per_page)

    def set_self_hosted_runners_in_group(
        self, owner: Owner, group_id: int, runner_ids: Iterable[int]
    ) -> Answer[None]:
        """Replace the whole list: those left out go to the default group.

        actions/set-self-hosted-runners-in-group-for-org: PUT
        /orgs/{org}/actions/runner-groups/{id}/runners;
        enterprise-admin/set-self-hosted-runners-in-group-for-enterprise.
        """
        body = {"runners": sorted(set(runner_ids))}
        return self._one("PUT", group_path(owner, group_id, "runners"), nothing, json=body)

    def add_self_hosted_runner_to_group(
        self, owner: Owner, group_id: int, runner_id: int
    ) -> Answer[None]:
        """Move a self-hosted runner into a group.

        actions/add-self-hosted-runner-to-group-for-org: PUT
        /orgs/{org}/actions/runner-groups/{id}/runners/{runner_id};
        enterprise-admin/add-self-hosted-runner-to-group-for-enterprise.
        """
        return self._one("PUT", group_path(owner, group_id, "runners", runner_id), nothing)

    def remove_self_hosted_runner_from_group(
        self, owner: Owner, group_id: int, runner_id: int
    ) -> Answer[None]:
        """Move a self-hosted runner back to the default group.

        actions/remove-self-hosted-runner-from-group-for-org: DELETE
        /orgs/{org}/actions/runner-groups/{id}/runners/{runner_id};
        enterprise-admin/remove-self-hosted-runner-from-group-for-enterprise.
        """
        return self._one("DELETE", group_path(owner, group_id, "runners", runner_id), nothing)


def _path(owner: Owner) -> str:
    return f"{owner.path}/actions/runners"
