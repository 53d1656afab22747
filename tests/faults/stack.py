"""A complete Trackside on servers of its own: simulator, database, broker, processes.

`tests.faults.drive` runs it in a process without another Django. Import nothing from Django before
`start`.
"""

import os
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runners_app.security.keys import new_key
from tests.processes import (
    PostgreSQL,
    Process,
    Redis,
    Web,
    start_beat,
    start_postgresql,
    start_redis,
    start_web,
    start_worker,
)
from tests.simulator_handle import SimulatorHandle, start_simulator

# Production's waiting times. Here they are shorter by SCALE unless a scenario sets another one.
WAITING_TIMES = {
    "GITHUB_DEADLINE": 15.0,
    "LEASE_SECONDS": 30.0,
    "WRITE_SPACING_SECONDS": 1.0,
    "LOST_ANSWER_SPACING_SECONDS": 15.0,
    "LOST_CREATE_SECONDS": 180.0,
    "UNKNOWN_LIMIT_SECONDS": 900.0,
    "ABSENCE_PROOF_SECONDS": 60.0,
    "OBSERVE_INTERVAL_SECONDS": 5.0,
    "OBSERVE_LIMIT_SECONDS": 900.0,
    "UNSENT_LIMIT_SECONDS": 900.0,
    "RETRY_SECONDS": 5.0,
}
SCALE = 5.0
SIMULATED_SECONDS_PER_SECOND = 120


@dataclass
class Stack:
    """The running processes. In the embedded default, the first of `workers` includes beat."""

    database: str
    folder: Path
    simulator: SimulatorHandle
    dice: random.Random
    scale: float
    redis: Redis | None = None
    postgresql: PostgreSQL | None = None
    workers: list[Process] = field(default_factory=list)
    beats: list[Process] = field(default_factory=list)
    web: Web | None = None

    def logs(self) -> str:
        return "\n".join(
            path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log"))
        )

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def scaled(self, seconds: float) -> float:
        """A waiting time of production, in the scale of this run."""
        return seconds / self.scale


@contextmanager
def start(
    database: str,
    folder: Path,
    *,
    seed: int,
    organizations: int,
    scale: float = SCALE,
    workers: int = 1,
    beats: int = 1,
    web: bool = False,
    latency_ms: int = 0,
) -> Iterator[Stack]:
    """Start everything. `database` is sqlite (the embedded default, with a broker of files) or
    postgresql (with Redis).
    """
    with ExitStack() as running:
        simulator = running.enter_context(
            start_simulator(
                "--organizations",
                str(organizations),
                "--enterprises",
                "0",
                "--runners",
                "12",
                "--seed",
                str(seed),
                "--speed",
                str(SIMULATED_SECONDS_PER_SECOND),
                "--latency-ms",
                str(latency_ms),
            )
        )
        dice = random.Random(seed)  # noqa: S311 - to be the same for the same seed
        stack = Stack(database, folder, simulator, dice, scale)
        if database == "postgresql":
            stack.postgresql = running.enter_context(start_postgresql())
            stack.redis = running.enter_context(start_redis())
        _configure(stack)
        for _ in range(workers):
            stack.workers.append(running.enter_context(worker(stack)))
        for _ in range(beats if database == "postgresql" else 0):
            stack.beats.append(running.enter_context(start_beat(stack.environment())))
        if web:
            stack.web = running.enter_context(start_web(stack.environment()))
        yield stack


def worker(stack: Stack) -> AbstractContextManager[Process]:
    """A worker as each way of running Trackside starts it."""
    beat = ("--beat",) if stack.database == "sqlite" else ()
    quiet = ("--loglevel", "INFO", "--without-gossip", "--without-mingle")
    return start_worker(stack.environment(), *beat, *quiet)


def _configure(stack: Stack) -> None:
    """Set up Django. Settings come from the environment, so it must be complete before."""
    waiting = {name: str(seconds / stack.scale) for name, seconds in WAITING_TIMES.items()}
    os.environ.update(waiting)
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "SECRET_KEY": "a secret key for processes of tests",
            "CREDENTIAL_KEYS": new_key(),
            "WEB_KEYS": new_key(),
            "TRACKSIDE_DATA_DIR": str(stack.folder),
            "GITHUB_API_ORIGINS": stack.simulator.base_url,
            "DATABASE_URL": stack.postgresql.url if stack.postgresql else "",
            "REDIS_URL": stack.redis.url if stack.redis else "",
            "STATUS_PAGES": "",
        }
    )
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
