"""Every fault of the network with each of the verbs it applies to, at once over many organizations."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from runners_app.models import Account
from tests.faults import shapes
from tests.faults.ground import AFTER_THE_FAULT, Ground, close_connections, outcome, prepare, verdict
from tests.faults.stack import Stack
from tests.faults.verbs import VERBS, Verb

Case = tuple[str, str, dict[str, Any], Verb]
AT_ONCE = 8


def cases() -> list[Case]:
    """(row, shape, fault, verb), each once."""
    rows = {"W1": shapes.APPLIED, "W2": shapes.NOT_APPLIED, "R3": shapes.LIMITED}
    return [
        (row, name, _in_time(fault), verb)
        for row, faults in rows.items()
        for name, fault in faults.items()
        for verb in VERBS
    ]


def _in_time(fault: dict[str, Any]) -> dict[str, Any]:
    return {**fault, "seconds": fault["seconds"] * SCALED_DEADLINE} if "seconds" in fault else fault


SCALED_DEADLINE = 3.0  # seconds: production's deadline, five times shorter


def run(stack: Stack, count: int) -> list[dict[str, Any]]:
    """All cases once, or `count` of them, in an order the seed decides."""
    ground = prepare(stack)
    chosen = stack.dice.sample(cases(), min(count or len(cases()), len(cases())))
    queues: list[list[Case]] = [[] for _ in ground.accounts]
    for number, case in enumerate(chosen):
        queues[number % len(queues)].append(case)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = pool.map(lambda pair: _run_queue(ground, *pair), zip(ground.accounts, queues, strict=True))
        return [result for results in done for result in results]


def _run_queue(ground: Ground, account: Account, queue: list[Case]) -> list[dict[str, Any]]:
    try:
        return [_run_case(ground, account, case) for case in queue]
    finally:
        close_connections()


def _run_case(ground: Ground, account: Account, case: Case) -> dict[str, Any]:
    row, name, fault, verb = case
    ground.simulator.add_fault(verb.method, verb.path_in(account), **fault)
    began = time.monotonic()
    operation = outcome(ground, verb.ask(account, ground.person), ground.stack.scaled(AFTER_THE_FAULT) + 5)
    seconds = round(time.monotonic() - began, 2)
    return {"row": row, "fault": name, "seconds": seconds, **verdict(ground, verb, operation)}
