"""Part 1: reading 50 organizations × 200 runners at 120 ms a request, beside other clients."""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import requests

from bench.common import Part, Servers, Table, run_child
from tests.simulator_handle import SimulatorHandle, start_simulator

ORGANIZATIONS, RUNNERS, LATENCY_MS, CONNECTIONS, ROUNDS = 50, 200, 120, 16, 3
PAGES = math.ceil(RUNNERS / 100)
LIMIT_SECONDS = math.ceil(ORGANIZATIONS / CONNECTIONS) * PAGES * LATENCY_MS / 1000
WRITTEN = ("runners_app_runner", "runners_app_fieldchange", "runners_app_account")
Contenders = dict[str, tuple[str, bool]]  # name → role of the child, whether it runs in every round
PEERS: Contenders = {
    "PyGithub without pause, update_or_create": ("pygithub", True),
    "PyGithub with its pause of .25 s, update_or_create": ("pygithub_paused", False),
    "githubkit, one after another, nothing stored": ("githubkit", True),
    "requests, one after another, nothing stored": ("requests_one", True),
    "requests, 16 threads, nothing stored": ("requests_threads", True),
}


def run(servers: Servers) -> Part:
    size = (
        "--organizations",
        ORGANIZATIONS,
        "--enterprises",
        0,
        "--runners",
        RUNNERS,
        "--latency-ms",
        LATENCY_MS,
    )
    with start_simulator(*map(str, size), "--speed", "0") as simulator:
        return _report(_measure(servers, simulator))


def _measure(servers: Servers, simulator: SimulatorHandle) -> dict[str, list[dict[str, float]]]:
    world = {"BENCH_ACCOUNTS": json.dumps([vars(account) for account in simulator.accounts])}
    world |= {"BENCH_URL": simulator.base_url, "DEMO_API_ORIGINS": simulator.base_url}
    found: dict[str, list[dict[str, float]]] = {}
    for number in range(ROUNDS):
        ours = {**servers.database(f"sync_{number}"), **world}
        theirs = {**servers.database(f"peer_{number}"), **world}
        run_child(ours, "bench.sync", "connect")
        run_child(theirs, "bench.sync", "connect")
        goes: Contenders = {
            "Trackside, first reading": ("ours", True),
            "Trackside, nothing changed (304)": ("ours_again", True),
            "Trackside, nothing changed, no ETags": ("ours_without_etags", True),
            **PEERS,
        }
        for name, (role, always) in goes.items():
            if always or number == 0:
                environment = ours if role.startswith("ours") else theirs
                found.setdefault(name, []).append(_go(environment, role, simulator))
    return found


def _go(environment: Mapping[str, str], role: str, simulator: SimulatorHandle) -> dict[str, float]:
    simulator.clear_requests()
    before = _written(environment)
    result: dict[str, float] = run_child(environment, "bench.sync", role)
    received, times = simulator.requests(), 2 if role == "ours_again" else 1
    result["requests"] = len(received) / times
    result["paid"] = sum(entry["status"] != 304 for entry in received) / times
    result["rows"] = _written(environment) - before
    return result


def _written(environment: Mapping[str, str]) -> int:
    """The number of rows of runners, their history and versions inserted, updated or deleted so
    far.
    """
    time.sleep(1.2)  # PostgreSQL publishes its counters after a second
    statement = (
        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables "
        "WHERE relname = ANY(%s)"
    )
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        row = connection.execute(statement, [list(WRITTEN)]).fetchone()
    return int(row[0]) if row else 0


def _report(found: dict[str, list[dict[str, float]]]) -> Part:
    thousands = ORGANIZATIONS * RUNNERS / 1000
    rows = []
    for name, goes in found.items():
        wall = [go["wall"] for go in goes]
        cpu = statistics.median(go["cpu"] for go in goes) / thousands
        rows.append(
            [
                name,
                f"{min(wall):.2f}",
                f"{statistics.median(wall):.2f}",
                f"{min(wall) / LIMIT_SECONDS:.2f}",
                f"{cpu:.4f}",
                f"{goes[0]['paid']:.0f}",
                f"{goes[0]['requests'] - goes[0]['paid']:.0f}",
                f"{goes[-1]['rows']:,.0f}",
            ]
        )
    table = Table(
        f"Sync: {ORGANIZATIONS} organizations × {RUNNERS} runners, {LATENCY_MS} ms a request; "
        f"the limit is {LIMIT_SECONDS:.2f} s at {CONNECTIONS} connections",
        [
            "client",
            "wall s, fastest",
            "median",
            "÷ limit",
            "CPU s per 1,000 runners",
            "paid",
            "304",
            "rows written",
        ],
        rows,
        [
            "Rows of runners, history and versions. CPU is of the client's process, without "
            "setting up Django. For 304, the process of Trackside has read before, as a worker has."
        ],
    )
    unchanged = found["Trackside, nothing changed (304)"]
    peer = found["PyGithub without pause, update_or_create"]
    figures = {
        "wall ÷ limit, unchanged": min(go["wall"] for go in unchanged) / LIMIT_SECONDS,
        "wall ÷ limit, first": min(go["wall"] for go in found["Trackside, first reading"])
        / LIMIT_SECONDS,
        "times faster than PyGithub": min(go["wall"] for go in peer)
        / min(go["wall"] for go in unchanged),
        "times less CPU than PyGithub": statistics.median(go["cpu"] for go in peer)
        / statistics.median(go["cpu"] for go in unchanged),
        "rows written, unchanged": max(go["rows"] for go in unchanged),
        "paid requests, unchanged": max(go["paid"] for go in unchanged),
    }
    return Part("sync", [table], figures)


# --- The child processes: each prints the cost of one run.


def main(role: str) -> None:
    import os

    import django

    django.setup()
    accounts, base_url = json.loads(os.environ["BENCH_ACCOUNTS"]), os.environ["BENCH_URL"]
    go = ROLES[role](accounts, base_url)
    wall, cpu = time.perf_counter(), time.process_time()
    go()
    result = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    sys.stdout.write(json.dumps(result) + "\n")


Accounts = list[dict[str, str]]


def connect(accounts: Accounts, base_url: str) -> Callable[[], None]:
    from runners_app.accounts.accounts import connect_with_token

    def go() -> None:
        for account in accounts:
            connect_with_token(
                account["slug"],
                kind=account["kind"],
                api_url=base_url,
                token=account["token"],
                by=None,
                demo=True,
            )

    return go


def ours(accounts: Accounts, base_url: str) -> Callable[[], object]:
    from io import StringIO

    from django.core.management import call_command

    return lambda: call_command("sync", "--resource", "runners", stdout=StringIO())


def ours_again(accounts: Accounts, base_url: str) -> Callable[[], object]:
    """As a worker whose process has read before."""
    go = ours(accounts, base_url)
    go()
    return go


def ours_without_etags(accounts: Accounts, base_url: str) -> Callable[[], object]:
    from runners_app.models import CachedResponse

    CachedResponse.objects.update(etag="")
    return ours(accounts, base_url)


def _store(slug: str, runners: list[dict[str, Any]]) -> None:
    """Store rows as most people write it."""
    from django.utils import timezone
    from django.utils.dateparse import parse_datetime

    from runners_app.models import Account, Runner

    account, now = Account.objects.get(slug=slug), timezone.now()
    for runner in runners:
        Runner.objects.update_or_create(
            account=account,
            github_id=runner["id"],
            defaults={
                "name": runner["name"],
                "status": runner["status"],
                "platform": runner["platform"],
                "image_id": (runner["image_details"] or {}).get("id", ""),
                "image_name": (runner["image_details"] or {}).get("display_name", ""),
                "size": runner["machine_size_details"]["id"],
                "cpu_cores": runner["machine_size_details"]["cpu_cores"],
                "group_id": runner["runner_group_id"],
                "maximum_runners": runner["maximum_runners"],
                "static_ip": runner["public_ip_enabled"],
                "public_ips": runner["public_ips"],
                "last_active_on": parse_datetime(runner["last_active_on"])
                if runner["last_active_on"]
                else None,
                "observed_at": now,
                "first_seen_at": now,
                "status_since": now,
            },
        )


def pygithub(accounts: Accounts, base_url: str, pause: float | None = None) -> Callable[[], None]:
    import github
    from github.Auth import Token

    def go() -> None:
        for account in accounts:
            client = github.Github(
                auth=Token(account["token"]),
                base_url=base_url,
                per_page=100,
                seconds_between_requests=pause,
            )
            url = f"/orgs/{account['slug']}/actions/hosted-runners"
            runners: list[dict[str, Any]] = []
            for page in range(1, PAGES + 1):
                _, data = client.requester.requestJsonAndCheck(
                    "GET", url, {"per_page": 100, "page": page}
                )
                runners += data["runners"]
            _store(account["slug"], runners)

    return go


def pygithub_paused(accounts: Accounts, base_url: str) -> Callable[[], None]:
    return pygithub(accounts, base_url, 0.25)


def githubkit(accounts: Accounts, base_url: str) -> Callable[[], None]:
    from githubkit import GitHub, TokenAuthStrategy

    def go() -> None:
        for account in accounts:
            client = GitHub(
                TokenAuthStrategy(account["token"]),
                base_url=base_url,
                http_cache=False,
                auto_retry=False,
            )
            for page in range(1, PAGES + 1):
                answer = client.rest.actions.list_hosted_runners_for_org(
                    account["slug"], per_page=100, page=page
                )
                assert answer.parsed_data.runners

    return go


def _plain(account: dict[str, str], base_url: str) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {account['token']}"
        url = f"{base_url}/orgs/{account['slug']}/actions/hosted-runners"
        for page in range(1, PAGES + 1):
            assert session.get(url, params={"per_page": 100, "page": page}, timeout=30).json()[
                "runners"
            ]


def requests_one(accounts: Accounts, base_url: str) -> Callable[[], None]:
    def go() -> None:
        for account in accounts:
            _plain(account, base_url)

    return go


def requests_threads(accounts: Accounts, base_url: str) -> Callable[[], None]:
    def go() -> None:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for done in [pool.submit(_plain, account, base_url) for account in accounts]:
                done.result()

    return go


ROLES: dict[str, Callable[[Accounts, str], Callable[[], object]]] = {
    "connect": connect,
    "ours": ours,
    "ours_again": ours_again,
    "ours_without_etags": ours_without_etags,
    "pygithub": pygithub,
    "pygithub_paused": pygithub_paused,
    "githubkit": githubkit,
    "requests_one": requests_one,
    "requests_threads": requests_threads,
}

if __name__ == "__main__":
    main(sys.argv[1])
