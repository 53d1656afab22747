"""P5: GitHub is down. Pages are served from the database, with age and reason."""

import time
from typing import Any

from runners_app.models import Reading
from tests.faults.ground import PASSWORD, prepare, wait_until
from tests.faults.person import Person
from tests.faults.stack import Stack

PAGES = ("/", "/runners/", "/operations/", "/images/", "/groups/", "/static-ips/", "/accounts/")


def run(stack: Stack, count: int) -> list[dict[str, Any]]:
    """Open all pages `count` times."""
    ground = prepare(stack)
    assert stack.web
    person = Person(stack.web.url, "ada", PASSWORD)
    stack.simulator.stop()
    for account in ground.accounts:
        Reading.objects.schedule_now(account)
    failing = Reading.objects.filter(error="unreachable", resource="runners")
    wait_until(lambda: failing.count() == len(ground.accounts), 30)
    for path in PAGES:
        person.get(path)
    seconds, statuses = [], set()
    for _ in range(count):
        for path in PAGES:
            began = time.monotonic()
            statuses.add(person.get(path).status_code)
            seconds.append(time.monotonic() - began)
    page = person.get("/runners/").text
    return [
        {
            "requests": len(seconds),
            "statuses": sorted(statuses),
            "p95_ms": round(sorted(seconds)[int(len(seconds) * 0.95)] * 1000),
            "tells_reason": "could not be reached" in page,
            "tells_age": "<time" in page,
            "runners_shown": "linux-8core-ci" in page,
        }
    ]
