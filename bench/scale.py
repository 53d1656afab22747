"""Part 6: accounts read per second by 1, 2 and 4 worker processes on Redis and PostgreSQL."""

import json
import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack

import psycopg
import redis

from bench.common import Part, Servers, Table, run_child
from tests.processes import start_beat, start_worker
from tests.simulator_handle import SimulatorHandle, start_simulator

ORGANIZATIONS, RUNNERS, LATENCY_MS, THREADS, SECONDS, ROUNDS = 300, 100, 120, 4, 12.0, 2
WORKERS = (1, 2, 4)


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
    found: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    with start_simulator(*map(str, size), "--speed", "0") as simulator:
        environment = servers.database("scale")
        environment |= {
            "BENCH_ACCOUNTS": json.dumps([vars(account) for account in simulator.accounts])
        }
        environment |= {"BENCH_URL": simulator.base_url, "DEMO_API_ORIGINS": simulator.base_url}
        run_child(environment, "bench.sync", "connect")
        for _ in range(ROUNDS):
            for workers in WORKERS:
                found[workers].append(_rate(environment, simulator, workers))
    best = {workers: max(rates) for workers, rates in found.items()}
    table = Table(
        f"Scaling out: accounts read per second, {LATENCY_MS} ms a request, "
        f"{THREADS} threads a worker",
        ["worker processes", "accounts per second", "median", "÷ one"],
        [
            [
                str(workers),
                f"{rate:.1f}",
                f"{statistics.median(found[workers]):.1f}",
                f"{rate / best[1]:.2f}",
            ]
            for workers, rate in best.items()
        ],
        [
            f"One request per account; {ORGANIZATIONS} accounts with a token each, always due, "
            f"nothing changed. The better of {ROUNDS} runs, and their median. The latency limits "
            f"a worker to {THREADS * 1000 / LATENCY_MS:.0f} accounts a second."
        ],
    )
    return Part(
        "scale", [table], {f"× with {workers}": best[workers] / best[1] for workers in WORKERS}
    )


def _rate(environment: Mapping[str, str], simulator: SimulatorHandle, workers: int) -> float:
    """Readings per second once all workers are busy."""
    with redis.Redis.from_url(environment["REDIS_URL"]) as client:
        client.flushall()
    _make_due(environment, runs=True)
    with ExitStack() as processes:
        pool = ("--pool", "threads", "--concurrency", str(THREADS), "--loglevel", "ERROR")
        for number in range(workers):
            name = ("--hostname", f"w{number}@bench", "--without-gossip", "--without-mingle")
            processes.enter_context(start_worker(environment, *pool, *name))
        processes.enter_context(start_beat(environment))
        time.sleep(5)
        _make_due(environment, runs=True)
        before, started = len(simulator.requests("GET")), time.monotonic()
        while time.monotonic() - started < SECONDS:
            time.sleep(0.5)
            _make_due(environment)
        read = len(simulator.requests("GET")) - before
        seconds = time.monotonic() - started
        simulator.clear_requests()
    return read / seconds


def _make_due(environment: Mapping[str, str], *, runs: bool = False) -> None:
    """Make runners due again at once; nothing else is read here."""
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            "UPDATE runners_app_reading SET due_at = now() "
            "WHERE resource = 'runners' AND due_at > now()"
        )
        if runs:
            connection.execute(
                "UPDATE runners_app_reading SET due_at = NULL WHERE resource <> 'runners'"
            )
            connection.execute(
                "UPDATE runners_app_credential SET lease_token = '', lease_expires_at = NULL"
            )
