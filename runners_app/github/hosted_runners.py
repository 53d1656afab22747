"""Calls about runners, limits, machine sizes and platforms: `{owner}/actions/hosted-runners`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import parsing
from .caller import Caller
from .meta import Answer
from .pages import Known, Page, none_known
from .shapes import HostedRunner, Limits, MachineSize, NewHostedRunner, Owner

CHANGEABLE = frozenset(
    {
        "name",
        "runner_group_id",
        "maximum_runners",
        "enable_static_ip",
        "size",
        "image_id",
        "image_source",
        "image_version",
        "image_gen",
    }
)


class HostedRunnerCalls(Caller):
    def list_hosted_runners(
        self, owner: Owner, *, known: Known = none_known, per_page: int = 100
    ) -> Iterator[Page[HostedRunner]]:
        """All runners, page by page.

        actions/list-hosted-runners-for-org: GET /orgs/{org}/actions/hosted-runners; enterprises
        alike.
        """
        return self._pages(_path(owner), "runners", parsing.hosted_runner, known, per_page=per_page)

    def create_hosted_runner(self, owner: Owner, new: NewHostedRunner) -> Answer[HostedRunner]:
        """Create a runner; it starts as `Provisioning` and is `Ready` minutes later.

        actions/create-hosted-runner-for-org: POST /orgs/{org}/actions/hosted-runners; enterprises
        alike.
        """
        return self._one("POST", _path(owner), parsing.hosted_runner, json=new.body())

    def get_hosted_runner(self, owner: Owner, id: int) -> Answer[HostedRunner]:  # noqa: A002
        """One runner; NotFound once it is deleted.

        actions/get-hosted-runner-for-org: GET /orgs/{org}/actions/hosted-runners/{id}; enterprises
        alike.
        """
        return self._one("GET", _path(owner, id), parsing.hosted_runner)

    def update_hosted_runner(
        self,
        owner: Owner,
        id: int,  # noqa: A002
        changes: Mapping[str, object],
    ) -> Answer[HostedRunner]:
        """Change the given fields (those in `CHANGEABLE`) and no others. ValueError for any other
        field.

        actions/update-hosted-runner-for-org: PATCH /orgs/{org}/actions/hosted-runners/{id};
        enterprises alike.
        """
        if not_changeable := set(changes) - CHANGEABLE:
            raise ValueError(
                f"GitHub cannot change {', '.join(sorted(not_changeable))} of a runner"
            )
        return self._one("PATCH", _path(owner, id), parsing.hosted_runner, json=dict(changes))

    def delete_hosted_runner(self, owner: Owner, id: int) -> Answer[HostedRunner | None]:  # noqa: A002
        """Begin to delete a runner (202): it stays readable, as `Deleting`, until
        `get_hosted_runner` is NotFound.

        actions/delete-hosted-runner-for-org: DELETE /orgs/{org}/actions/hosted-runners/{id};
        enterprises alike.
        """
        return self._one("DELETE", _path(owner, id), _runner_or_nothing, success=202)

    def get_hosted_runner_limits(self, owner: Owner, *, known: Known = none_known) -> Page[Limits]:
        """How many runners may have static IPs and how many do, in a page of one.

        actions/get-hosted-runners-limits-for-org: GET /orgs/{org}/actions/hosted-runners/limits;
        enterprises alike.
        """
        return self._page_of_one(_path(owner, "limits"), parsing.limits, known)

    def list_machine_sizes(
        self, owner: Owner, *, known: Known = none_known
    ) -> Iterator[Page[MachineSize]]:
        """All machine sizes, in one page.

        actions/get-hosted-runners-machine-specs-for-org: GET
        /orgs/{org}/actions/hosted-runners/machine-sizes; enterprises alike.
        """
        return self._pages(
            _path(owner, "machine-sizes"), "machine_specs", parsing.machine_size, known
        )

    def list_platforms(self, owner: Owner, *, known: Known = none_known) -> Iterator[Page[str]]:
        """All platforms, such as `linux-x64`, in one page.

        actions/get-hosted-runners-platforms-for-org: GET
        /orgs/{org}/actions/hosted-runners/platforms; enterprises alike.
        """
        return self._pages(_path(owner, "platforms"), "platforms", parsing.platform, known)


def _path(owner: Owner, *segments: str | int) -> str:
    return "/".join([f"{owner.path}/actions/hosted-runners", *map(str, segments)])


def _runner_or_nothing(payload: object) -> HostedRunner | None:
    """GitHub answers with the runner; its absence is no reason to doubt a deletion that was
    accepted.
    """
    return None if payload is None else parsing.hosted_runner(payload)
