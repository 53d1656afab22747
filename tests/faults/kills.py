"""P1: `kill -9` of the worker at any step of several concurrent writes."""

import time
from typing import Any

from runners_app.models import Account, Credential, Operation
from tests.faults.ground import AFTER_THE_FAULT, POLL, Ground, outcome, prepare, verdict
from tests.faults.stack import Stack
from tests.faults.verbs import CREATE, UPDATE, VERBS, Verb

AT_ONCE = 4
STEP_SECONDS = 2.0  # how long each step is held open, so that the kill falls into it
TAKEN_UP_WITHIN = 45.0  # seconds of production, at the 95th percentile

# step → its requests; the worst moment is an applied write without a response
STEPS: dict[str, dict[str, Any]] = {
    "reading first": {"method": "GET"},
    "the write, before it is applied": {},
    "the write, after it is applied": {"after_apply": True},
    "reading afterwards": {"method": "GET", "skip": 1},
}


def run(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Kill the worker `count` times. Each result is an operation, with the seconds until another
    worker took over its credential.
    """
    ground = prepare(stack)
    return [result for _ in range(count) for result in _one_kill(ground)]


def _one_kill(ground: Ground) -> list[dict[str, Any]]:
    dice, simulator = ground.stack.dice, ground.simulator
    requested = [_request(ground, account) for account in dice.sample(ground.accounts, AT_ONCE)]
    deadline = time.monotonic() + STEP_SECONDS
    while time.monotonic() < deadline and len(simulator.faults()) == AT_ONCE:
        time.sleep(POLL)
    time.sleep(dice.uniform(0, STEP_SECONDS / 2))
    held = dict(Credential.objects.exclude(lease_token="").values_list("pk", "lease_token"))
    worker = ground.stack.workers[0]
    worker.kill()
    killed_at = time.monotonic()
    worker.start()  # as a supervisor does
    taken_up = _takeover_times(ground, held, killed_at)
    simulator.clear_faults()
    results = []
    for step, verb, operation in requested:
        outcome(ground, operation, ground.stack.scaled(AFTER_THE_FAULT) + 5)
        seconds = taken_up.get(operation.account.credential_id)
        results.append({"step": step, "taken_up": seconds, **verdict(ground, verb, operation)})
    return results


def _request(ground: Ground, account: Account) -> tuple[str, Verb, Operation]:
    dice = ground.stack.dice
    verb, step = dice.choice(VERBS), dice.choice(list(STEPS))
    options = {"method": verb.method, **STEPS[step]}
    path = verb.path_in(account) if options["method"] == verb.method else f"^/orgs/{account.slug}/"
    ground.simulator.add_fault(
        options.pop("method"), path, "delay", seconds=STEP_SECONDS, **options
    )
    try:
        return step, verb, verb.request(account, ground.person)
    except IndexError:  # no image is left to delete
        other = CREATE if verb.name.endswith(("image", "version")) else UPDATE
        return step, other, other.request(account, ground.person)


def _takeover_times(ground: Ground, held: dict[int, str], killed_at: float) -> dict[int, float]:
    """Seconds from the kill until another worker held each credential."""
    taken_up: dict[int, float] = {}
    deadline = killed_at + 2 * ground.stack.scaled(TAKEN_UP_WITHIN)
    while len(taken_up) < len(held) and time.monotonic() < deadline:
        for pk, token in Credential.objects.filter(pk__in=held).values_list("pk", "lease_token"):
            if token != held[pk]:
                taken_up.setdefault(pk, round(time.monotonic() - killed_at, 2))
        time.sleep(POLL)
    return {pk: taken_up.get(pk, float(deadline - killed_at)) for pk in held}
