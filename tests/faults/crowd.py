"""P4: two beats, several workers, and every wake-up delivered several times, sometimes with the
same id.
"""

from itertools import pairwise
from typing import Any
from uuid import uuid4

from celery import current_app

from runners_app.models import Account
from tests.faults.ground import AFTER_THE_FAULT, Ground, outcome, prepare, verdict
from tests.faults.stack import Stack
from tests.faults.verbs import CREATE, DELETE_RUNNER, UPDATE

DELIVERIES = 6


def run(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Run `count` rounds of writes. The last result counts overlapping requests of a credential."""
    ground = prepare(stack)
    results = [result for _ in range(count) for result in _round(ground)]
    spacing = stack.scaled(1.0)
    return [*results, {"overlaps": _overlaps(ground), "too_close": _too_close(ground, spacing)}]


def _round(ground: Ground) -> list[dict[str, Any]]:
    requested = []
    for account in ground.accounts:
        for verb in (CREATE, UPDATE, DELETE_RUNNER):
            requested.append((verb, verb.request(account, ground.person)))
            _deliver_many(account)
    results = []
    for verb, operation in requested:
        outcome(ground, operation, ground.stack.scaled(AFTER_THE_FAULT) + 20)
        results.append(verdict(ground, verb, operation))
    return results


def _deliver_many(account: Account) -> None:
    task_id = str(uuid4())
    for number in range(DELIVERIES):
        twin = task_id if number % 2 else str(uuid4())
        current_app.send_task(
            "runners_app.tasks.work_credential", args=[account.credential_id], task_id=twin
        )


def _overlaps(ground: Ground) -> int:
    """The number of requests of a credential that began before the previous one was answered."""
    count = 0
    for requests in _by_credential(ground).values():
        for one, following in pairwise(
            sorted(requests, key=lambda request: float(request["began"]))
        ):
            count += following["began"] < one["began"] + one["seconds"] - 0.002  # both are rounded
    return count


def _too_close(ground: Ground, spacing: float) -> int:
    """The number of writes of a credential that began too soon after the previous one ended."""
    count = 0
    for requests in _by_credential(ground).values():
        writes = [request for request in requests if request["method"] != "GET"]
        for one, following in pairwise(sorted(writes, key=lambda request: float(request["began"]))):
            count += following["began"] - (one["began"] + one["seconds"]) < spacing - 0.002
    return count


def _by_credential(ground: Ground) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for request in ground.simulator.requests():
        if request["authorization"] and str(request["user_agent"]).startswith("trackside"):
            found.setdefault(request["authorization"], []).append(request)
    return found
