"""Shared by all scenarios on real processes: connect accounts, await outcomes, and compare with
GitHub.

Imported once Django is set up.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import connections

from runners_app.accounts.accounts import connect_with_token
from runners_app.models import Account, Operation, Runner
from tests.faults.stack import Stack
from tests.faults.verbs import Github, Verb
from tests.simulator_handle import SimulatorHandle

PASSWORD = "a password for tests"
READ_WITHIN, POLL = 60.0, 0.05
AFTER_THE_FAULT = 120.0  # seconds of production within which nothing may be unfinished


@dataclass
class Ground:
    """Accounts that have been read, a person, and direct access to GitHub by account."""

    stack: Stack
    person: User
    accounts: list[Account]
    github: dict[int, Github]

    @property
    def simulator(self) -> SimulatorHandle:
        return self.stack.simulator


def prepare(stack: Stack) -> Ground:
    """Connect every organization of the simulator with a token of its own and wait until all are
    read.
    """
    person = User.objects.create_superuser("ada", password=PASSWORD)
    accounts, github = [], {}
    for simulated in stack.simulator.accounts:
        url, token = stack.simulator.base_url, simulated.token
        account = connect_with_token(
            simulated.slug, kind=simulated.kind, api_url=url, token=token, by=person
        )
        accounts.append(account)
        github[account.pk] = Github(url, account, token)
    assert wait_until(lambda: all(_is_read(account) for account in accounts), READ_WITHIN), (
        "not all accounts were read"
    )
    stack.simulator.clear_requests()
    return Ground(stack, person, accounts, github)


def _is_read(account: Account) -> bool:
    return not account.readings.filter(last_good_at=None).exists()


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether `done` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():
            return True
        time.sleep(POLL)
    return done()


def outcome(ground: Ground, operation: Operation, seconds: float) -> Operation:
    """Wait until an operation is out of the worker's hands, at most `seconds`."""

    def rests() -> bool:
        operation.refresh_from_db()
        return operation.state not in Operation.CARRIED_BY_WORKER

    wait_until(rests, seconds)
    return operation


def verdict(ground: Ground, verb: Verb, operation: Operation) -> dict[str, Any]:
    """The fate of an operation by GitHub's ledger: lost, doubled, unfinished, or as intended."""
    writes = [
        request
        for request in ground.simulator.requests(verb.method)
        if request["applied"] and _is_about(request, verb, operation)
    ]
    took_effect = ground.github[operation.account_id].has_taken_effect(operation)
    confirmed = operation.state == Operation.State.CONFIRMED
    return {
        "verb": verb.name,
        "state": str(operation.state),
        "reason": operation.reason,
        "applied": len(writes),
        "doubled": len(writes) > 1,
        "unfinished": not operation.is_finished,
        "lost": operation.is_finished and not (confirmed and took_effect),
    }


def _is_about(request: dict[str, Any], verb: Verb, operation: Operation) -> bool:
    if not request["path"].startswith(f"/orgs/{operation.account.slug}/"):
        return False
    if operation.kind == Operation.Kind.CREATE_RUNNER:
        return bool(request["body"]["name"] == operation.wanted["name"])
    version = f"/versions/{operation.target_version}" if operation.target_version else ""
    ends = f"/{operation.target_id}{version}"
    same = (
        operation.kind != Operation.Kind.UPDATE_RUNNER
        or request["body"] == operation.changed_fields
    )
    return bool(request["path"].endswith(ends) and same)


def runner_rows(account: Account) -> list[Runner]:
    return list(
        Runner.objects.present()
        .filter(account=account, status="Ready")
        .exclude(image_id="")
        .order_by("pk")
    )


def close_connections() -> None:
    """Close the database connections of a thread at its end."""
    connections.close_all()
