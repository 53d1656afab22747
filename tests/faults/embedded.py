"""The embedded default as `make run` starts it, killed with all its processes and restarted."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.faults.ground import AFTER_THE_FAULT, Ground, outcome, prepare, verdict, wait_until
from tests.faults.stack import Stack
from tests.faults.verbs import CREATE, DELETE_RUNNER, UPDATE
from tests.processes import Process, free_port, responds

HELD_OPEN = 1.5


def run(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Kill everything during writes `count` times, and check that no process is left and the writes
    finish.
    """
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--no-demo", "--port", str(port)]
    serve = Process(command, environment=stack.environment(), log=stack.folder / "serve.log")
    serve.start()
    try:
        serve.wait_until(lambda: responds(f"http://127.0.0.1:{port}/livez"))
        ground = prepare(stack)
        return [result for _ in range(count) for result in _kill_all(ground, serve, port)]
    finally:
        serve.stop()


def _kill_all(ground: Ground, serve: Process, port: int) -> list[dict[str, Any]]:
    requested = []
    for account, verb in zip(ground.accounts, (CREATE, UPDATE, DELETE_RUNNER), strict=False):
        path = verb.path_in(account)
        ground.simulator.add_fault(verb.method, path, "delay", seconds=HELD_OPEN, after_apply=True)
        requested.append((verb, verb.request(account, ground.person)))
    time.sleep(ground.stack.dice.uniform(0.2, HELD_OPEN))
    children = _children(serve.pid)
    os.kill(serve.pid, 9)
    serve.wait()
    ended = wait_until(
        lambda: not any(Path(f"/proc/{child}/exe").exists() for child in children), 15
    )
    serve.start()
    serve.wait_until(lambda: responds(f"http://127.0.0.1:{port}/livez"))
    results = []
    for verb, operation in requested:
        outcome(ground, operation, ground.stack.scaled(AFTER_THE_FAULT) + 10)
        results.append({"left_behind": not ended, **verdict(ground, verb, operation)})
    ground.simulator.clear_faults()
    return results


def _children(pid: int) -> list[int]:
    """Direct and indirect child processes."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # ended just now
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents.items() if its_parent == parent]
    return found[1:]
