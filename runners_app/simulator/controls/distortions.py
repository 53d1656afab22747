"""What lists show under the faults ``lag``, ``omit`` and ``slip``."""

import pickle
from collections import deque
from dataclasses import replace

from runners_app.simulator.controls.changes import create_runner
from runners_app.simulator.controls.faults import Fault
from runners_app.simulator.world.state import Account, World

COLLECTIONS = {
    "list_hosted_runners": "runners",
    "list_hosted_runners_in_group": "runners",
    "list_custom_images": "images",
    "list_groups": "groups",
    "list_machines": "machines",
    "list_repositories": "repositories",
}
"""Which collection of an account an operation lists."""


class History:
    """Copies of all accounts, taken after each change while a ``lag`` fault is active."""

    def __init__(self) -> None:
        self._copies: deque[tuple[float, bytes]] = deque()

    def record(self, world: World, wall: float) -> None:
        self._copies.append((wall, pickle.dumps(world.accounts)))

    def clear(self) -> None:
        self._copies.clear()

    def world_at(self, world: World, wall: float) -> World:
        """The world as it was at ``wall``, or as early as it was recorded."""
        if not self._copies:
            return world
        accounts = self._copies[0][1]
        for recorded, copy in self._copies:
            if recorded <= wall:
                accounts = copy
        return replace(world, accounts=pickle.loads(accounts))  # noqa: S301 - our own copy


def without(world: World, operation: str, ids: list[int]) -> World:
    """The world without the listed items that have these ids; without any item if none is given."""
    collection = COLLECTIONS.get(operation)
    if collection is None:
        return world
    accounts = {}
    for key, account in world.accounts.items():
        items = getattr(account, collection)
        kept = {number: item for number, item in items.items() if ids and number not in ids}
        fields = {collection: kept}
        accounts[key] = replace(account, **fields)  # type: ignore[arg-type] # one of COLLECTIONS
    return replace(world, accounts=accounts)


def slip(world: World, account: Account, fault: Fault, at: float) -> None:
    """Delete runners and create as many, so that later pages begin elsewhere."""
    for runner_id in fault.ids or sorted(account.runners)[:1]:
        if account.runners.pop(runner_id, None) is not None:
            create_runner(world, account, {}, at)
