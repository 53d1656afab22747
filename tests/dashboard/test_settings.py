"""Settings from variables and from files, read by a separate process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT

pytestmark = pytest.mark.processes

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


FIND_PROXY = """
import django
from django.conf import settings
django.setup()
from runners_app.security.redaction import redact
proxy = settings.OUTGOING_PROXY
print(proxy, proxy.serves("api.github.com", 443), proxy.serves("127.0.0.1", 8001))
print(proxy.serves("127.0.0.1", 8002), proxy.serves("github.corp.test", 443))
print(redact("it said canary-p@ss"))
"""


def read_with(folder: Path, code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "TRACKSIDE_DATA_DIR": str(folder / "var"),
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_outgoing_proxy_is_read_with_what_needs_none(tmp_path: Path) -> None:
    file = tmp_path / "proxy"
    file.write_text("http://trackside:canary-p%40ss@proxy.corp.test:3128\n")
    done = read_with(
        tmp_path,
        FIND_PROXY,
        OUTGOING_PROXY_FILE=str(file),
        OUTGOING_NO_PROXY="corp.test, 10.0.0.0/8",
        DEMO_API_ORIGINS="http://127.0.0.1:8001",
        HTTPS_PROXY="http://not.this.one:1",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ProxySettings('proxy.corp.test:3128', "
        "no_proxy=('corp.test', '10.0.0.0/8', '127.0.0.1:8001')) True False",
        "True False",
        "it said [hidden]",
    ]


def test_without_the_setting_there_is_no_proxy(tmp_path: Path) -> None:
    code = "from django.conf import settings; print(settings.OUTGOING_PROXY)"
    done = read_with(tmp_path, code, HTTPS_PROXY="http://not.this.one:1")
    assert done.stdout.strip() == "None"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"OUTGOING_PROXY": "https://u:canary-p%40ss@proxy.test"},
            "a proxy's address looks like http://HOST:PORT",
        ),
        (
            {"OUTGOING_PROXY": "http://proxy.test", "OUTGOING_NO_PROXY": "http://corp.test"},
            "'http://corp.test' is no host name",
        ),
    ],
)
def test_a_proxy_that_cannot_be_used_is_said_at_start(
    tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    done = read_with(tmp_path, "from django.conf import settings; settings.DEBUG", **variables)
    assert done.returncode != 0
    assert "OUTGOING_PROXY or OUTGOING_NO_PROXY cannot be used" in done.stderr
    assert words in done.stderr
    assert "canary" not in done.stderr
