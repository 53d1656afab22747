"""Settings from variables and from files, read by a separate process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.processes import ROOT

READ = """
import json, sys
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))
"""


def settings_with(folder: Path, files: dict[str, str], *names: str) -> dict[str, Any]:
    """The named settings, with a file per variable that holds the given text."""
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    environment["TRACKSIDE_DATA_DIR"] = str(folder / "var")
    for name, text in files.items():
        (folder / name).write_text(text)
        environment[f"{name}_FILE"] = str(folder / name)
    done = subprocess.run(
        [sys.executable, "-c", READ, *names],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_line_break_at_the_end_of_a_file_is_ignored(tmp_path: Path) -> None:
    files = {
        "ALLOWED_HOSTS": "one.example.com,two.example.com\n",
        "PUBLIC_URL": "https://one.example.com/\n",
        "HTTPS": "on\n",
        "SECRET_KEY": "a secret key for this test\r\n",
        "METRICS_TOKEN": "a token\n",
        "EMAIL_URL": "smtp://mail.example.com:2525\n",
    }
    found = settings_with(
        tmp_path, files, *files.keys() - {"EMAIL_URL"}, "EMAIL_HOST", "EMAIL_PORT"
    )
    assert found == {
        "ALLOWED_HOSTS": ["one.example.com", "two.example.com"],
        "PUBLIC_URL": "https://one.example.com",
        "HTTPS": True,
        "SECRET_KEY": "a secret key for this test",
        "METRICS_TOKEN": "a token",
        "EMAIL_HOST": "mail.example.com",
        "EMAIL_PORT": 2525,
    }


def test_keys_may_be_on_separate_lines_with_commas_between(tmp_path: Path) -> None:
    keys = (
        "bmV3IGtleSBmb3IgdGhpcyB0ZXN0IG9ubHkgMDAwMDA=\n,\n"
        "b2xkIGtleSBmb3IgdGhpcyB0ZXN0IG9ubHkgMDAwMDA=\n"
    )
    found = settings_with(tmp_path, {"CREDENTIAL_KEYS": keys}, "CREDENTIAL_KEYS")
    assert found["CREDENTIAL_KEYS"] == keys.replace("\n", "").split(",")


def test_a_secret_that_starts_with_a_dollar_sign_is_literal(tmp_path: Path) -> None:
    files = {"METRICS_TOKEN": "$HOME and $", "SECRET_KEY": r"$a\$secret key for this test"}
    assert settings_with(tmp_path, files, *files) == files
