"""Runs one scenario on real processes and prints its results as a line of JSON.

    python -m tests.faults.drive SCENARIO --database sqlite|postgresql --seed N --count N

It is a separate process, because its Django uses the database of the scenario.
"""

import argparse
import importlib
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.faults import stack

# scenario → how the stack is made for it
SCENARIOS: dict[str, dict[str, Any]] = {
    "matrix": {"organizations": 65, "workers": 2},
    "kills": {"organizations": 16},
    "outages": {"organizations": 6, "web": True},
    "crowd": {"organizations": 6, "workers": 10, "beats": 2, "latency_ms": 30},
    "editors": {"organizations": 4, "web": True},
    "embedded": {"organizations": 4, "workers": 0},
    "stops": {"organizations": 4, "workers": 0},
    "github_down": {"organizations": 4, "web": True},
}
SAMPLE = 2  # with at most so many rounds, fewer organizations and workers are enough


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--scale", type=float, default=stack.SCALE)
    parser.add_argument("--keep-logs", type=Path)
    asked = parser.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("ended from outside")
    )  # so that all it started ends too
    folder = Path(tempfile.mkdtemp(prefix="trackside-faults-"))
    try:
        results = run(asked, folder)
    finally:
        if asked.keep_logs:
            shutil.copytree(folder, asked.keep_logs, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    json.dump(results, sys.stdout)


def run(asked: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    options = dict(SCENARIOS[asked.scenario])
    if 0 < asked.count <= SAMPLE:
        options.update(
            {
                name: min(options[name], 4)
                for name in ("organizations", "workers")
                if name in options
            }
        )
    with stack.start(
        asked.database, folder, seed=asked.seed, scale=asked.scale, **options
    ) as running:
        scenario = importlib.import_module(f"tests.faults.{asked.scenario}")
        results: list[dict[str, Any]] = scenario.run(running, asked.count)
        return results


if __name__ == "__main__":
    main()
