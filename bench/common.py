"""Shared by all parts: servers, child processes with their own settings, interleaved rounds,
tables.
"""

import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from runners_app.security.keys import new_key
from tests.processes import ROOT, PostgreSQL, Redis, manage, start_postgresql, start_redis

_numbers = itertools.count()
# As docker-compose.yml starts PostgreSQL.
POSTGRESQL = ("shared_buffers = '256MB'", "random_page_cost = 1.1")


@dataclass
class Table:
    """A table of the report. Cells are shown as they are; `notes` come below it."""

    title: str
    head: list[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Part:
    """The results of a part: its tables, and the figures that goals refer to by name."""

    name: str
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Servers:
    """PostgreSQL and Redis of this run; `environment` has Trackside's settings for them, without a
    database.
    """

    postgresql: PostgreSQL
    redis: Redis
    environment: dict[str, str]

    def database(self, name: str) -> dict[str, str]:
        """The environment with a new database of that name, migrated and empty."""
        self.postgresql.run(f"CREATE DATABASE {name}")
        # A Redis database of its own, so that no cached page is shared.
        redis_url = f"{self.redis.url.rpartition('/')[0]}/{next(_numbers) % 16}"
        environment = {
            **self.environment,
            "DATABASE_URL": self.postgresql.url_of(name),
            "REDIS_URL": redis_url,
        }
        manage(environment, "migrate", "--verbosity", "0")
        return environment

    def settle(self, name: str) -> None:
        """Update statistics and visibility as autovacuum would."""
        with psycopg.connect(self.postgresql.url_of(name), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")


@contextmanager
def start_servers() -> Iterator[Servers]:
    with (
        TemporaryDirectory() as folder,
        start_postgresql() as postgresql,
        start_redis() as redis_server,
    ):
        for setting in POSTGRESQL:
            postgresql.run(f"ALTER SYSTEM SET {setting}")
        postgresql.stop()
        postgresql.start()
        Path(folder, "static").mkdir()
        yield Servers(
            postgresql,
            redis_server,
            {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "DJANGO_SETTINGS_MODULE": "bench.settings",
                "SECRET_KEY": "a secret key for the benchmark",
                "CREDENTIAL_KEYS": new_key(),
                "WEB_KEYS": new_key(),
                "REDIS_URL": redis_server.url,
                "TRACKSIDE_DATA_DIR": folder,
                "LOG_LEVEL": "ERROR",
            },
        )


def run_child(environment: Mapping[str, str], module: str, *arguments: object) -> Any:
    """Run a module of the benchmark in its own process; the last line of its output, parsed as
    JSON.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=dict(environment),
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def make_world(environment: Mapping[str, str], runners: int) -> None:
    code = (
        f"import django; django.setup(); from bench.world import make_world; make_world({runners})"
    )
    subprocess.run([sys.executable, "-c", code], env=dict(environment), cwd=ROOT, check=True)


@dataclass
class Timing:
    """Wall-clock and processor seconds of each run."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def fastest(self) -> float:
        return min(self.wall)

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    times: int = 1,
    seed: int = 1,
    warm_up: bool = True,
) -> dict[str, Timing]:
    """Run all contenders once per round in random order, so that a noisy moment hits all of them
    alike.
    """
    chance = random.Random(seed)
    timings = {name: Timing() for name in contenders}
    if warm_up:
        for contender in contenders.values():
            contender()
    for _ in range(rounds):
        names = list(contenders)
        chance.shuffle(names)
        for name in names:
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(times):
                contenders[name]()
            timings[name].wall.append((time.perf_counter() - wall) / times)
            timings[name].cpu.append((time.process_time() - cpu) / times)
    return timings


def print_table(table: Table) -> str:
    """The table as aligned Markdown."""
    rows = [table.head, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.head))]
    lines = [f"### {table.title}", ""]
    for number, row in enumerate(rows):
        lines.append(
            "| "
            + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            + " |"
        )
        if number == 0:
            lines.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    lines += ["", *table.notes] if table.notes else []
    return "\n".join(lines) + "\n"


def write_json(parts: list[Part], path: Path, **facts: Any) -> None:
    path.write_text(
        json.dumps({**facts, "parts": [part.as_json() for part in parts]}, indent=2) + "\n"
    )
