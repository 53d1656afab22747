"""What starting a process does, and that importing the settings does none of it."""

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.processes import ROOT

pytestmark = pytest.mark.processes

IMPORT = """
import os, sys
before = os.umask(0o022)
excepthook = sys.excepthook
import dashboard.settings
assert os.umask(0o022) == 0o022, "the umask was changed"
assert sys.excepthook is excepthook, "an excepthook was installed"
assert "sentry_sdk" not in sys.modules, "Sentry was started"
"""
START = """
import django
django.setup()
from django.conf import settings
print(settings.SECRET_KEY, *settings.CREDENTIAL_KEYS, *settings.WEB_KEYS)
"""


def run(folder: Path, script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "TRACKSIDE_DATA_DIR": str(folder),
            **environment,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_settings_has_no_effects(tmp_path: Path) -> None:
    data, metrics = tmp_path / "var", tmp_path / "metrics"
    run(data, IMPORT, PROMETHEUS_MULTIPROC_DIR=str(metrics), SENTRY_DSN="http://k@127.0.0.1:1/1")
    assert not data.exists()
    assert not metrics.exists()


def test_the_first_start_makes_folders_and_keys_for_the_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "var"
    printed = run(data, START).split()
    kept = json.loads((data / "keys.json").read_text())
    assert printed == [kept["secret_key"], *kept["credential_keys"], *kept["web_keys"]]
    assert {path.name for path in data.iterdir()} == {"keys.json", "broker", "broker-control"}
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (data, *data.iterdir())]
    assert not any(mode & 0o077 for mode in modes)
    assert run(data, START).split() == printed


def test_processes_that_start_together_use_the_same_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        printed = list(pool.map(lambda _: run(tmp_path / "var", START), range(4)))
    assert len(set(printed)) == 1
