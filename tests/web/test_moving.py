"""Move from SQLite to PostgreSQL with one command, and restore everything from a backup."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.processes import ROOT, PostgreSQL, manage, postgres_binary, start_postgresql
from tests.simulator_handle import SimulatorHandle

pytestmark = pytest.mark.processes

PASSWORD = "a password for tests"
LOOK = """
import django, hashlib, json
django.setup()
from django.apps import apps
from runners_app.models import Session
def rows(model):
    names = [field.attname for field in model._meta.local_concrete_fields]
    rows = model._base_manager.order_by("pk").values_list(*names)
    listed = [json.dumps(row, default=str, sort_keys=True) for row in rows]
    return [len(listed), hashlib.sha256("".join(listed).encode()).hexdigest()]
models = apps.get_models(include_auto_created=True)
print(json.dumps({model._meta.db_table: rows(model) for model in models if model is not Session}))
"""
FORGE = """
import django
django.setup()
from django.db import DatabaseError
from runners_app.models import AuditEntry
try:
    AuditEntry.objects.update(subject="forged")
except DatabaseError as error:
    print(str(error).splitlines()[0])
"""


def found(pattern: str) -> re.Match[str]:
    """A command that operating.md documents."""
    match = re.search(pattern, (ROOT / "docs/operating.md").read_text(), re.S)
    assert match, f"{pattern} is not in operating.md"
    return match


def run_python(environment: Mapping[str, str], code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def content(environment: Mapping[str, str]) -> dict[str, list[object]]:
    """The number of rows of each table, and a hash of their content."""
    found: dict[str, list[object]] = json.loads(run_python(environment, LOOK))
    return found


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with start_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def installation(
    simulator_process: SimulatorHandle, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The environment of an embedded Trackside with an administrator and one read organization."""
    simulator_process.reset()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "TRACKSIDE_DATA_DIR": str(tmp_path_factory.mktemp("installation")),
        "DEMO_API_ORIGINS": simulator_process.base_url,
    }
    manage(environment, "migrate", "--verbosity", "0")
    manage(
        environment,
        "createsuperuser",
        "--noinput",
        "--username",
        "ada",
        "--email",
        "ada@example.com",
    )
    connect(environment, simulator_process, "acme")
    return environment


@pytest.fixture
def embedded(installation: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A copy of the installation that a test may change."""
    shutil.copytree(installation["TRACKSIDE_DATA_DIR"], tmp_path / "var")
    return {**installation, "TRACKSIDE_DATA_DIR": str(tmp_path / "var")}


@pytest.fixture(scope="module")
def moved(installation: dict[str, str], postgresql: PostgreSQL) -> dict[str, str]:
    """The environment of an installation that the command moved to PostgreSQL."""
    output = manage(installation, "copy_database", "--to", postgresql.url)
    assert "Copied" in output
    return scaled(installation, postgresql.url)


def connect(environment: Mapping[str, str], simulator: SimulatorHandle, slug: str) -> None:
    address = ("--kind", "organization", "--api-url", simulator.base_url, "--token-stdin")
    subprocess.run(
        [sys.executable, "manage.py", "connect_account", slug, *address],
        env=dict(environment),
        cwd=ROOT,
        input=simulator.account(slug).token,
        text=True,
        check=True,
        timeout=60,
    )
    manage(environment, "sync", slug)


def scaled(embedded: Mapping[str, str], url: str) -> dict[str, str]:
    """The same environment on PostgreSQL, with the keys of the embedded installation."""
    keys = json.loads((Path(embedded["TRACKSIDE_DATA_DIR"]) / "keys.json").read_text())
    given = {
        "SECRET_KEY": keys["secret_key"],
        "CREDENTIAL_KEYS": ",".join(keys["credential_keys"]),
        "WEB_KEYS": ",".join(keys["web_keys"]),
    }
    return {**embedded, **given, "DATABASE_URL": url}


def test_one_command_moves_everything_to_postgresql(
    installation: dict[str, str], moved: dict[str, str]
) -> None:
    assert content(moved) == content(installation)
    assert "append-only" in run_python(moved, FORGE)


def test_a_target_with_rows_is_left_unchanged(
    installation: dict[str, str], moved: dict[str, str]
) -> None:
    before = content(moved)
    with pytest.raises(AssertionError, match="people or accounts already"):
        manage(installation, "copy_database", "--to", moved["DATABASE_URL"])
    assert content(moved) == before


def test_a_password_on_the_command_line_is_refused(embedded: dict[str, str]) -> None:
    url = "postgresql://trackside:pass-in-argv@127.0.0.1:1/none"
    with pytest.raises(AssertionError, match="--to-stdin") as failed:
        manage(embedded, "copy_database", "--to", url)
    assert "pass-in-argv" not in str(failed.value).partition("CommandError")[2]


def test_the_url_of_the_target_is_read_from_standard_input(
    installation: dict[str, str], moved: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "copy_database", "--to-stdin"],
        env=installation,
        cwd=ROOT,
        input=moved["DATABASE_URL"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "people or accounts already" in done.stderr  # it was opened


@pytest.mark.parametrize("url", ["nonsense", "", "postgresql://nobody@127.0.0.1:1/none"])
def test_a_target_that_cannot_be_opened_is_reported(embedded: dict[str, str], url: str) -> None:
    with pytest.raises(AssertionError, match=r"not the URL of a database|failed") as failed:
        manage(embedded, "copy_database", "--to", url)
    assert "Traceback" not in str(failed.value)


def test_a_restored_backup_of_postgresql_is_complete_and_works(
    moved: dict[str, str],
    postgresql: PostgreSQL,
    simulator_process: SimulatorHandle,
    tmp_path: Path,
) -> None:
    postgresql.run("CREATE DATABASE restored")
    restored = {**moved, "DATABASE_URL": postgresql.url_of("restored")}
    manage(restored, "migrate", "--verbosity", "0")  # as if the target had been started once
    backup = str(tmp_path / "trackside.dump")
    dump = [
        postgres_binary("pg_dump"),
        "--format",
        "custom",
        "--file",
        backup,
        moved["DATABASE_URL"],
    ]
    subprocess.run(dump, check=True, timeout=60)
    restore = shlex.split(
        found(
            r"pg_restore --username trackside --dbname trackside (.*) < /srv/backup/trackside.dump"
        )[1]
    )
    assert restore[0] == "--clean"
    command = [
        postgres_binary("pg_restore"),
        "--dbname",
        restored["DATABASE_URL"],
        *restore,
        backup,
    ]
    subprocess.run(command, check=True, timeout=60)
    assert content(restored) == content(moved)
    assert "append-only" in run_python(restored, FORGE)
    assert "not modified" in manage(restored, "sync", "acme")  # the token can be decrypted
    connect(restored, simulator_process, "globex")  # new rows get free primary keys


def test_a_restored_backup_of_sqlite_is_complete(embedded: dict[str, str], tmp_path: Path) -> None:
    before = content(embedded)
    commands = found(r"(mkdir -p -m 700 backup keys-backup\n.*?)```")[1].replace(
        ".venv/bin/python", sys.executable
    )
    subprocess.run(["/bin/sh", "-ec", commands], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
    shutil.copy(tmp_path / "keys-backup/keys.json", tmp_path / "backup")
    restored = {**embedded, "TRACKSIDE_DATA_DIR": str(tmp_path / "backup")}
    assert content(restored) == before
    assert "not modified" in manage(restored, "sync", "acme")


def test_a_backup_without_its_keys_is_reported_and_uses_no_token(
    embedded: dict[str, str], tmp_path: Path
) -> None:
    (Path(embedded["TRACKSIDE_DATA_DIR"]) / "keys.json").unlink()
    with pytest.raises(AssertionError, match="acme") as failed:
        manage(embedded, "sync", "acme")
    assert "Traceback" not in str(failed.value)
