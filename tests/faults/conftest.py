"""Waiting times of a fraction of a second, and a worker that runs until nothing is left to wait
for.
"""

import time
from collections.abc import Callable

import pytest
from pytest_django import Settings

from runners_app.models import Account, Operation
from runners_app.worker.work import work_credential
from tests.faults.proof_chunks import chunks
from tests.faults.proof_table import table, write_page
from tests.faults.verbs import Github
from tests.simulator_handle import SimulatorHandle

Settle = Callable[[Operation], Operation]
SIMULATED_SECONDS_PER_SECOND = 600
MOST_ROUNDS = 400


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """After `make proof`, print the results of this run and earlier ones."""
    if config.option.markexpr == "proof":
        terminalreporter.section("faults")
        for line in table(chunks()):
            terminalreporter.write_line(line)
        write_page(chunks())
        terminalreporter.write_line("Written: docs/reliability.md")


@pytest.fixture(autouse=True)
def _short_waits(settings: Settings) -> None:
    settings.LOST_ANSWER_SPACING_SECONDS = 0.2
    settings.LOST_CREATE_SECONDS = 0.6
    settings.ABSENCE_PROOF_SECONDS = 0.3
    settings.OBSERVE_INTERVAL_SECONDS = 0.05
    settings.RETRY_SECONDS = 0.05
    settings.GITHUB_DEADLINE = 1.0


@pytest.fixture
def github(acme: Account, simulator: SimulatorHandle) -> Github:
    """Direct access to GitHub for acme, where deleting a runner takes a tenth of a second."""
    simulator.set_speed(SIMULATED_SECONDS_PER_SECOND)
    simulator.clear_requests()
    return Github(simulator.base_url, acme, simulator.account("acme").token)


@pytest.fixture
def settle() -> Settle:
    """Run the worker until an operation is final or waits for a person."""

    def run(operation: Operation) -> Operation:
        for _ in range(MOST_ROUNDS):
            operation.refresh_from_db()
            if operation.state not in Operation.CARRIED_BY_WORKER or operation.waits_for_person:
                return operation
            work_once(operation.account)
            time.sleep(0.02)
        raise AssertionError(f"{operation} still is {operation.state}: {operation.reason}")

    return run


def applied(simulator: SimulatorHandle, method: str) -> int:
    """The number of writes with this method that changed the simulated world."""
    return sum(request["applied"] for request in simulator.requests(method))


def work_once(account: Account) -> None:
    """Run the work that is due now."""
    work_credential(account.credential_id, holder="a worker in a test")
