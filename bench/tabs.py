"""Part 4: 500 tabs of signed-in people that poll every five seconds, over HTTP to gunicorn."""

import threading
import time
from pathlib import Path
from typing import Any

import requests

from bench.common import Part, Servers, Table, make_world, run_child
from tests.processes import Web, start_web

RUNNERS, TABS, EVERY_SECONDS, REQUESTS, THREADS, ROUNDS = 10_000, 500, 5.0, 600, 4, 4


def run(servers: Servers) -> Part:
    environment = {**servers.database("tabs"), "DJANGO_SETTINGS_MODULE": "bench.settings"}
    make_world(environment, RUNNERS)
    servers.settle("tabs")
    cookie = run_child(environment, "bench.tabs")
    with start_web(environment) as web:
        headers = {"Cookie": cookie, "HX-Request": "true"}
        page = requests.get(f"{web.url}/runners/", headers={"Cookie": cookie}, timeout=30).text
        version = page.partition('data-version="')[2].partition('"')[0]
        assert version, page[:500]
        addresses = {
            "unchanged poll": f"{web.url}/runners/?version={version}",
            "bare view": f"{web.url}/bare/nothing/",
        }
        cpu: dict[str, list[float]] = {name: [] for name in addresses}
        for _ in range(ROUNDS):
            for name, address in addresses.items():
                cpu[name].append(_cpu_per_request(web, address, headers))
    poll, bare = min(cpu["unchanged poll"]), min(cpu["bare view"])
    share = 100 * poll * TABS / EVERY_SECONDS
    table = Table(
        f"{TABS} tabs polling every {EVERY_SECONDS:.0f} s, gunicorn gthread, PostgreSQL, signed in",
        ["answer", "CPU ms per request", f"% of a core for {TABS} tabs"],
        [
            ["unchanged poll (204)", f"{1000 * poll:.2f}", f"{share:.1f}"],
            ["bare view (204)", f"{1000 * bare:.2f}", f"{100 * bare * TABS / EVERY_SECONDS:.1f}"],
        ],
        [f"CPU of gunicorn's processes. The poll costs {poll / bare:.2f} times the bare view."],
    )
    return Part("tabs", [table], {"% of a core": share, "poll ÷ bare view": poll / bare})


def _cpu_per_request(web: Web, address: str, headers: dict[str, str]) -> float:
    before = _cpu_seconds(web.pid)
    threads = [threading.Thread(target=_poll, args=(address, headers)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (_cpu_seconds(web.pid) - before) / REQUESTS


def _poll(address: str, headers: dict[str, str]) -> None:
    with requests.Session() as session:
        for _ in range(REQUESTS // THREADS):
            answer = session.get(address, headers=headers, timeout=30)
            assert answer.status_code == 204, (address, answer.status_code)
            time.sleep(0.001)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children so far."""
    total = 0.0
    for each in (pid, *_children(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / 100
    return total


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def main() -> None:
    """Print a signed-in person's cookie as JSON."""
    import json
    import sys

    import django

    django.setup()
    from bench.pages import Visitor

    visitor: Any = Visitor()
    sys.stdout.write(json.dumps(visitor.cookie) + "\n")


if __name__ == "__main__":
    main()
