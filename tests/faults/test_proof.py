"""The full counts of all faults, for `make proof`: in resumable chunks of a minute or two, on both
databases.

Finished chunks are kept in `test-output/proof`; delete it to start over. PROOF_SECONDS limits a
run: later chunks are skipped, and the next `make proof` continues with them. A table at the end has
the counts.
"""

import os
import subprocess
import sys
import time

import pytest

from tests.faults.driven import Results, drive, went_wrong
from tests.faults.proof_chunks import (
    ANSWERS_AT_A_TIME,
    KILLS_AT_A_TIME,
    MATRIX_SEEDS,
    OUTAGES_AT_A_TIME,
    ROUNDS,
    chunks,
)
from tests.faults.proof_table import keep, read_finished
from tests.processes import ROOT, start_postgresql

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]
BEGAN = time.monotonic()


@pytest.mark.parametrize(
    ("scenario", "database", "seed"), chunks(), ids=lambda value: str(value).replace(" ", "-")
)
def test_chunk(scenario: str, database: str, seed: int) -> None:
    key = f"{scenario}/{database}/{seed}"
    if key in read_finished():
        pytest.skip("finished in an earlier run")
    if time.monotonic() - BEGAN > float(os.environ.get("PROOF_SECONDS", "1e9")):
        pytest.skip("PROOF_SECONDS are over; `make proof` once more goes on here")
    results = run_chunk(scenario, database, seed)
    keep(key, results)
    assert not went_wrong(results)


def run_chunk(scenario: str, database: str, seed: int) -> Results:
    match scenario:
        case "matrix":
            return drive("matrix", database, seed=seed, count=MATRIX_SEEDS)
        case "kills":
            return drive("kills", database, seed=seed, count=KILLS_AT_A_TIME)
        case "kills unscaled":
            return drive("kills", database, seed=seed, count=5, scale=1.0)
        case "outages":
            return drive("outages", database, seed=seed, count=OUTAGES_AT_A_TIME)
        case "crowd" | "embedded" | "stops":
            return drive(scenario, database, seed=seed, count=ROUNDS)
        case "editors":
            return drive("editors", database, seed=seed, count=50)
        case "github_down":
            return drive("github_down", database, seed=seed, count=30)
        case "answers":
            known = {"MUTATED_ANSWERS": str(ANSWERS_AT_A_TIME), "MUTATED_ANSWERS_SEED": str(seed)}
            return in_tests(database, "tests/faults/test_answers.py", **known)
    files = (
        "tests/faults/test_writes.py",
        "tests/faults/test_reads.py",
        "tests/security/test_audit_guard.py",
    )
    return in_tests(database, *files)


def in_tests(database: str, *files: str, **environment: str) -> Results:
    """Run tests in a separate process on the given database."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    if database == "sqlite":
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    else:
        keys = {
            "SECRET_KEY": "a secret key for tests that is long enough",
            "CREDENTIAL_KEYS": FERNET,
            "WEB_KEYS": FERNET,
        }
        with start_postgresql() as server:
            known = {**os.environ, **environment, **keys, "DATABASE_URL": server.url}
            done = subprocess.run(
                command, cwd=ROOT, env=known, capture_output=True, text=True, check=False
            )
    assert done.returncode == 0, done.stdout[-4000:]
    return [{"cases": int(environment.get("MUTATED_ANSWERS", "1")), "lost": False}]


FERNET = "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="
