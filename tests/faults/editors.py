"""Twenty people edit the same twenty runners at the same time through real web processes."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from runners_app.models import Operation
from tests.faults.ground import PASSWORD, Ground, prepare, runner_rows, wait_until
from tests.faults.person import Person
from tests.faults.stack import Stack

EDITORS, RUNNERS = 20, 20
FINISHED_WITHIN = 600.0


def run(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Let each editor save `count` times; one result for all of them."""
    ground = prepare(stack)
    runners = [
        runner.pk for account in ground.accounts for runner in runner_rows(account)[: RUNNERS // 2]
    ][:RUNNERS]
    with ThreadPoolExecutor(EDITORS) as pool:
        seeds = [stack.dice.random() for _ in range(EDITORS)]
        done = list(pool.map(lambda seed: _edit(ground, runners, count, seed), seeds))
    responses = [status for statuses in done for status in statuses]
    finished = wait_until(lambda: not Operation.objects.unfinished().exists(), FINISHED_WITHIN)
    states = list(Operation.objects.values_list("state", flat=True))
    logs = stack.logs()
    return [
        {
            "saves": len(responses),
            "responses": {str(status): responses.count(status) for status in set(responses)},
            "states": {state: states.count(state) for state in set(states)},
            "unfinished": 0 if finished else Operation.objects.unfinished().count(),
            "lost": _lost_updates(ground),
            "doubled": _doubled(ground),
            "locked": logs.count("database is locked"),
            "errors": logs.count("Internal Server Error"),
        }
    ]


def _edit(ground: Ground, runners: list[int], saves: int, seed: float) -> list[int]:
    """Repeatedly open a form, wait, and save a number that no other editor uses; the response
    statuses.
    """
    assert ground.stack.web
    dice = random.Random(seed)  # noqa: S311 - to be the same for the same seed
    person, statuses = Person(ground.stack.web.url, "ada", PASSWORD), []
    for _ in range(saves):
        runner = dice.choice(runners)
        form = person.open_edit(runner)
        time.sleep(dice.uniform(0, 0.2))
        statuses.append(
            person.save(runner, form, maximum_runners=dice.randrange(1, 1000)).status_code
        )
    return statuses


def _lost_updates(ground: Ground) -> int:
    """The number of confirmed changes that did not start from the value just before them."""
    confirmed = Operation.objects.filter(state=Operation.State.CONFIRMED).order_by(
        "account", "target_id", "sent_at"
    )
    lost = 0
    for one, following in pairwise(confirmed):
        same = (one.account_id, one.target_id) == (following.account_id, following.target_id)
        lost += same and following.base["maximum_runners"] != one.wanted["maximum_runners"]
    return lost


def _doubled(ground: Ground) -> int:
    applied = sum(request["applied"] for request in ground.simulator.requests("PATCH"))
    return int(applied) - Operation.objects.filter(state=Operation.State.CONFIRMED).count()
