"""P2 and P3: Redis or PostgreSQL stop during writes and come back, empty or as they were."""

import time
from typing import Any

import requests

from runners_app.models import Operation
from tests.faults.ground import (
    AFTER_THE_FAULT,
    PASSWORD,
    Ground,
    outcome,
    prepare,
    verdict,
    wait_until,
)
from tests.faults.person import Person
from tests.faults.stack import Stack
from tests.faults.verbs import CREATE, UPDATE

AT_ONCE = 3
WORKING_WITHIN = 10.0


def run(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Stop Redis `count` times, then PostgreSQL once for every five of them."""
    ground = prepare(stack)
    assert stack.web
    person = Person(stack.web.url, "ada", PASSWORD)
    results = [
        result for number in range(count) for result in _redis_outage(ground, person, number)
    ]
    for _ in range(max(1, count // 5)):
        results += _database_outage(ground, person)
    return results


def _redis_outage(ground: Ground, person: Person, number: int) -> list[dict[str, Any]]:
    dice, redis = ground.stack.dice, ground.stack.redis
    assert redis
    accounts = dice.sample(ground.accounts, AT_ONCE)
    requested = [(UPDATE, UPDATE.request(account, ground.person)) for account in accounts[:-1]]
    time.sleep(dice.uniform(0, 0.3))
    if number % 4 == 3:
        redis.client().flushall()
    else:
        redis.kill()
    began = time.monotonic()
    pages = [
        person.get(path).status_code
        for path in ("/runners/", "/operations/", "/", "/livez", "/readyz")
    ]
    requested.append((CREATE, CREATE.request(accounts[-1], ground.person)))  # its wake-up is lost
    slowest = round(time.monotonic() - began, 2)
    if not redis.is_running:
        redis.start()  # empty: it keeps nothing on disk
    back = time.monotonic()
    fresh = CREATE.request(accounts[0], ground.person)
    outcome(ground, fresh, 60)
    working = round(time.monotonic() - back, 2)
    results = []
    for verb, operation in [*requested, (CREATE, fresh)]:
        outcome(ground, operation, ground.stack.scaled(AFTER_THE_FAULT) + 5)
        results.append(
            {
                "outage": "redis",
                "pages": pages,
                "page_seconds": slowest,
                "working_again": working,
                **verdict(ground, verb, operation),
            }
        )
    return results


def _database_outage(ground: Ground, person: Person) -> list[dict[str, Any]]:
    from django.db import connections

    database = ground.stack.postgresql
    assert database
    requested = [
        (verb, verb.request(account, ground.person))
        for verb in (CREATE, UPDATE)
        for account in ground.accounts[:2]
    ]
    time.sleep(ground.stack.dice.uniform(0, 0.5))
    connections.close_all()
    database.stop()
    shown = {path: _open(person, path) for path in ("/runners/", "/livez", "/readyz")}
    time.sleep(1)
    database.start()
    back = time.monotonic()
    assert wait_until(lambda: person.get("/runners/").status_code == 200, 30), (
        "pages did not come back"
    )
    recovered = round(time.monotonic() - back, 2)
    results = []
    for verb, operation in requested:
        outcome(
            ground,
            Operation.objects.get(pk=operation.pk),
            ground.stack.scaled(AFTER_THE_FAULT) + 20,
        )
        operation.refresh_from_db()
        results.append(
            {
                "outage": "postgresql",
                "shown": shown,
                "recovered": recovered,
                **verdict(ground, verb, operation),
            }
        )
    return results


def _open(person: Person, path: str) -> dict[str, Any]:
    began = time.monotonic()
    try:
        answer = person.get(path, seconds=15)
    except requests.RequestException as error:
        return {
            "status": type(error).__name__,
            "seconds": round(time.monotonic() - began, 2),
            "plain": False,
        }
    plain = "Trackside is not ready" in answer.text
    return {
        "status": answer.status_code,
        "seconds": round(time.monotonic() - began, 2),
        "plain": plain,
    }
