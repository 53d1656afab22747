"""Every network fault with each verb it applies to, concurrently over many organizations."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from runners_app.models import Account
from tests.faults import shapes
from tests.faults.ground import (
    AFTER_THE_FAULT,
    Ground,
    close_connections,
    outcome,
    prepare,
    verdict,
)
from tests.faults.stack import Stack
from tests.faults.verbs import VERBS, Verb

Fault = tuple[str, str, dict[str, Any]]  # row, shape, what the simulator does
AT_ONCE = 24
SCALED_DEADLINE = 3.0  # seconds: production's deadline, five times shorter


def faults() -> list[Fault]:
    rows = {"W1": shapes.APPLIED, "W2": shapes.NOT_APPLIED, "R3": shapes.LIMITED}
    return [
        (row, name, _in_time(fault)) for row, known in rows.items() for name, fault in known.items()
    ]


def _in_time(fault: dict[str, Any]) -> dict[str, Any]:
    return {**fault, "seconds": fault["seconds"] * SCALED_DEADLINE} if "seconds" in fault else fault


def run(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Run `count` rounds. Each gives an account another verb than before, so that none runs out of
    images.

    With an account per fault and verb, a round covers every case once; with fewer it is a sample.
    """
    ground = prepare(stack)
    accounts = stack.dice.sample(ground.accounts, len(ground.accounts))
    return [result for number in range(count) for result in _run_round(ground, accounts, number)]


def _run_round(ground: Ground, accounts: list[Account], number: int) -> list[dict[str, Any]]:
    verbs = [VERBS[(place + number) % len(VERBS)] for place in range(len(accounts))]
    shuffled = {verb: ground.stack.dice.sample(faults(), len(faults())) for verb in VERBS}
    cases = [
        (account, shuffled[verb].pop(), verb) for account, verb in zip(accounts, verbs, strict=True)
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda case: _run_case(ground, *case), cases))


def _run_case(ground: Ground, account: Account, fault: Fault, verb: Verb) -> dict[str, Any]:
    row, name, action = fault
    ground.simulator.add_fault(verb.method, verb.path_in(account), **action)
    began = time.monotonic()
    try:
        operation = outcome(
            ground, verb.request(account, ground.person), ground.stack.scaled(AFTER_THE_FAULT) + 5
        )
        seconds = round(time.monotonic() - began, 2)
        return {"row": row, "fault": name, "seconds": seconds, **verdict(ground, verb, operation)}
    finally:
        close_connections()
