"""Calls about runner groups: `{owner}/actions/runner-groups`."""

from __future__ import annotations

from collections.abc import Iterator

from . import parsing
from .caller import Caller
from .meta import Answer
from .pages import Known, Page, none_known
from .shapes import Owner, RunnerGroup


class RunnerGroupCalls(Caller):
    def list_runner_groups(
        self, owner: Owner, *, known: Known = none_known, per_page: int = 100
    ) -> Iterator[Page[RunnerGroup]]:
        """All runner groups, page by page; an organization's list holds those its enterprise shares as `inherited`.

        actions/list-self-hosted-runner-groups-for-org: GET /orgs/{org}/actions/runner-groups;
        enterprise-admin/list-self-hosted-runner-groups-for-enterprise.
        """
        return self._pages(_path(owner), "runner_groups", parsing.runner_group, known, per_page=per_page)

    def get_runner_group(self, owner: Owner, id: int) -> Answer[RunnerGroup]:  # noqa: A002
        """One runner group.

        actions/get-self-hosted-runner-group-for-org: GET /orgs/{org}/actions/runner-groups/{id};
        enterprise-admin/get-self-hosted-runner-group-for-enterprise.
        """
        return self._one("GET", f"{_path(owner)}/{id}", parsing.runner_group)


def _path(owner: Owner) -> str:
    return f"{owner.path}/actions/runner-groups"
