"""The argument of every operation: one authorized call."""

from dataclasses import dataclass
from typing import Any, TypeVar

from runners_app.simulator.api.wire import Request, Response, not_found, page_of
from runners_app.simulator.world import lifecycle
from runners_app.simulator.world.state import (
    Account,
    Group,
    Installation,
    Machine,
    Runner,
    Token,
    World,
)


@dataclass(frozen=True)
class Call:
    """An authorized call. ``at`` is its simulated time, ``wall`` its wall-clock time (seconds)."""

    world: World
    request: Request
    params: dict[str, str]
    at: float
    wall: float
    version: str
    token: Token | None = None
    target: Account | None = None
    enterprise_server: bool = False
    courier: Any = None
    """``server.courier.Courier``: the jobs, and the log of deliveries."""

    @property
    def account(self) -> Account:
        """The organization or enterprise that the path names."""
        if self.target is None:
            raise not_found()
        return self.target

    @property
    def newest_version(self) -> bool:
        return self.version >= "2026-03-10"

    def url(self, path: str) -> str:
        return self.request.base_url + path

    def account_path(self) -> str:
        kind = "orgs" if self.account.kind == "organization" else "enterprises"
        return f"/{kind}/{self.account.slug}"

    def runner(self) -> Runner:
        lifecycle.remove_gone_runners(self.account, self.at)
        return _found(self.account.runners, self.params["hosted_runner_id"])

    def group(self) -> Group:
        return _found(
            self.account.groups,
            self.params["runner_group_id"],
            "/actions/self-hosted-runner-groups",
        )

    def machine(self) -> Machine:
        return _found(
            self.account.machines, self.params["runner_id"], "/actions/self-hosted-runners"
        )

    def installation(self) -> Installation:
        return _found(self.world.app.installations, self.params["installation_id"], "/apps/apps")


T = TypeVar("T")


def _found(things: dict[int, T], number: str, docs: str = "/actions/hosted-runners") -> T:
    found = things.get(int(number))
    if found is None:
        raise not_found(docs)
    return found


def wrapped_page(call: Call, key: str, items: list[Any], **fields: Any) -> Response:
    """The page of ``items`` that was requested, under ``key``, with their total number."""
    page, headers = page_of(call.request, items)
    return Response(200, {"total_count": len(items), **fields, key: page}, headers)
