"""Runs a scenario of `tests.faults.drive` from a test."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.processes import ROOT, find_binary, postgres_binary

MOST_SECONDS = 1500
Results = list[dict[str, Any]]


def drive(
    scenario: str, database: str, *, seed: int, count: int, scale: float | None = None
) -> Results:
    """The results of a run. Skipped, or failed under CI, if a server is not installed."""
    if database == "postgresql":
        find_binary("redis-server")
        postgres_binary("postgres")
    command = [sys.executable, "-m", "tests.faults.drive", scenario, "--database", database]
    command += [
        "--seed",
        str(seed),
        "--count",
        str(count),
        *(["--scale", str(scale)] if scale else []),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    results: Results = json.loads(done.stdout)
    return results


def _environment() -> dict[str, str]:
    """The environment without the settings of the tests' own Django."""
    ours = (
        "DJANGO_",
        "DATABASE_",
        "REDIS_",
        "TRACKSIDE_",
        "PYTEST_",
        "SECRET_KEY",
        "CREDENTIAL_KEYS",
        "WEB_KEYS",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


WRONG = (
    "lost",
    "doubled",
    "unfinished",
    "left_behind",
    "overlaps",
    "too_close",
    "locked",
    "errors",
)


def went_wrong(results: Results) -> Results:
    """The results with something lost, doubled or unfinished, or a conflict between processes."""
    return [each for each in results if any(each.get(name) for name in WRONG)]
