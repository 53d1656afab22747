"""F6: SIGTERM to the embedded default during writes; it ends in time, and work resumes at once."""

import sys
import time
from typing import Any

from tests.faults.ground import AFTER_THE_FAULT, Ground, outcome, prepare, verdict
from tests.faults.stack import Stack
from tests.faults.verbs import CREATE, DELETE_RUNNER, UPDATE
from tests.processes import Process, free_port, responds

HELD_OPEN = 1.0


def run(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Stop and restart `count` times while writes are under way."""
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--no-demo", "--port", str(port)]
    serve = Process(command, environment=stack.environment(), log=stack.folder / "serve.log")
    serve.start()
    try:
        serve.wait_until(lambda: responds(f"http://127.0.0.1:{port}/livez"))
        ground = prepare(stack)
        return [result for _ in range(count) for result in _stop(ground, serve, port)]
    finally:
        serve.stop()


def _stop(ground: Ground, serve: Process, port: int) -> list[dict[str, Any]]:
    requested = []
    for account, verb in zip(ground.accounts, (CREATE, UPDATE, DELETE_RUNNER), strict=False):
        path = verb.path_in(account)
        ground.simulator.add_fault(verb.method, path, "delay", seconds=HELD_OPEN, after_apply=True)
        requested += [(verb, verb.request(account, ground.person)) for _ in range(2)]
    time.sleep(ground.stack.dice.uniform(0, HELD_OPEN))

    began = time.monotonic()
    serve.stop()
    stopped = round(time.monotonic() - began, 2)
    serve.start()
    serve.wait_until(lambda: responds(f"http://127.0.0.1:{port}/livez"))

    back, results = time.monotonic(), []
    for verb, operation in requested:
        outcome(ground, operation, ground.stack.scaled(AFTER_THE_FAULT) + 10)
        seconds = round(time.monotonic() - back, 2)
        results.append({"stopped": stopped, "outcome": seconds, **verdict(ground, verb, operation)})
    ground.simulator.clear_faults()
    return results
