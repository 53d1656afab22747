"""The `trackside` command, against a Trackside that runs as for users."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import ROOT, Process, free_port, responds, run
from tests.simulator_handle import SimulatorHandle

START_SECONDS = 300
# In one process, because each start of manage.py takes seconds. Prints two tokens last.
SETUP = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("createsuperuser", interactive=False, username="ada", email="ada@example.com")
address = dict(kind="organization", api_url="{url}", token_stdin=True)
call_command("connect_account", "acme", **address)
call_command("sync", "acme")
call_command("create_api_token", "ada", name="a script", scope="read")
call_command("create_api_token", "ada", name="a script", scope="read,write,export")
"""


@dataclass(frozen=True)
class Shell:
    """A shell with the command, and a token of the administrator."""

    environment: dict[str, str]

    def __call__(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture(scope="module")
def shell(
    simulator_process: SimulatorHandle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    simulator_process.reset()
    simulator_process.set_speed(100_000)
    folder, port = tmp_path_factory.mktemp("installation"), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "DJANGO_SUPERUSER_PASSWORD": "a password for tests",
        "TRACKSIDE_DATA_DIR": str(folder),
        "DEMO_API_ORIGINS": simulator_process.base_url,
        "WRITE_SPACING_SECONDS": "0",
        "OBSERVE_INTERVAL_SECONDS": "0.5",
    }
    script = SETUP.format(url=simulator_process.base_url)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=ROOT,
        input=simulator_process.account("acme").token,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reader, token = done.stdout.split()[-2:]
    command = folder / "trackside"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m runners_app.api.cli "$@"\n')
    command.chmod(0o700)
    serve = [sys.executable, "manage.py", "serve", "--port", str(port), "--no-demo"]
    url = f"http://127.0.0.1:{port}"
    with run(Process(serve, environment=environment, log=folder / "serve.log")) as server:
        server.wait_until(lambda: responds(f"{url}/livez"), START_SECONDS)
        yield Shell(
            {
                "PATH": f"{folder}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "TRACKSIDE_URL": url,
                "TRACKSIDE_TOKEN": token,
                "READER": reader,
            }
        )


@pytest.mark.timeout(900)  # it starts a whole Trackside
def test_the_script_of_the_documentation_works(shell: Shell) -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    script = next(
        each for each in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "set -eu" in each
    )
    done = shell(script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "create_runner nightly-large: confirmed" in done.stdout
    assert "update_runner nightly-large: confirmed" in done.stdout
    assert re.search(
        r"organization:acme +nightly-large +Ready +8-core +gpu-research +5", done.stdout
    )
    assert "delete_runner nightly-large: confirmed" in done.stdout


def test_lists_are_tables_or_json(shell: Shell) -> None:
    table = shell("trackside runners list org:acme").stdout.splitlines()
    rows = json.loads(shell("trackside runners list org:acme --json").stdout)
    assert len(table) == len(rows) + 1 == 13
    assert table[0].split()[:3] == ["pk", "account", "name"]
    assert {row["account"] for row in rows} == {"organization:acme"}


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("trackside runners show 999999", 4, "does not exist"),
        ("trackside runners list --colour", 2, "usage"),
        ("TRACKSIDE_TOKEN=ts_x trackside runners list", 3, "unknown"),
        ("TRACKSIDE_URL=http://127.0.0.1:1 trackside runners list", 6, "cannot be reached"),
        ("TRACKSIDE_TOKEN= trackside runners list", 2, "TRACKSIDE_TOKEN"),
        ("TRACKSIDE_TOKEN=$READER trackside export yaml", 3, "scope export"),
        ("trackside operation 999999", 4, "does not exist"),
        ("trackside explain organization:acme 'no such name'", 2, "repository"),
        ("trackside ips --account organization:nobody", 4, "does not exist"),
        ("echo no | trackside runners delete $FIRST", 2, "Nothing was deleted"),
        ("trackside runners create organization:acme x --image no --size 1 --group 1", 4, "no"),
    ],
)
def test_exit_codes_tell_scripts_what_happened(
    shell: Shell, command: str, code: int, words: str
) -> None:
    if "$FIRST" in command:
        first = json.loads(shell("trackside runners list --json").stdout)[0]
        command = command.replace("$FIRST", str(first["pk"]))
    done = shell(command)
    assert done.returncode == code, done.stderr
    assert words in done.stderr


def test_a_dry_run_shows_the_change(shell: Shell) -> None:
    rows = json.loads(shell("trackside runners list 'org:acme status:ready' --json").stdout)
    done = shell(f"trackside runners edit {rows[0]['pk']} --maximum 77 --dry-run")
    assert done.stdout == f"maximum_runners: {rows[0]['maximum_runners']} -> 77\n"
    operations = shell("trackside runners show nothing").returncode
    assert operations == 4


def test_explanations_and_ranges_are_printed(shell: Shell) -> None:
    explained = shell("trackside explain organization:acme web").stdout
    assert re.search(r"^(yes|no|unknown) ", explained, re.MULTILINE)
    ranges = shell("trackside ips --account organization:acme").stdout.split()
    assert ranges
    assert all("/" in each for each in ranges)


def test_a_rejected_write_is_told_in_githubs_words(
    shell: Shell, simulator_process: SimulatorHandle
) -> None:
    body = {"message": "Validation Failed", "errors": [{"message": "Too many machines"}]}
    path = "/hosted-runners/"
    simulator_process.add_fault("PATCH", path, "status", status=422, body=body)
    first = json.loads(shell("trackside runners list status:ready --json").stdout)[0]
    done = shell(f"trackside runners edit {first['pk']} --maximum 66 --wait 60 --json")
    operation = json.loads(done.stdout)
    assert (done.returncode, operation["state"]) == (1, "rejected")
    assert "Too many machines" in operation["refusal"]["message"]
    again = shell(f"trackside operation {operation['id']}")
    assert again.returncode == 1
    assert "rejected" in again.stdout


def test_a_write_that_is_not_finished_in_time_has_an_exit_code(
    shell: Shell, simulator_process: SimulatorHandle
) -> None:
    simulator_process.add_fault("PATCH", "/hosted-runners/", "delay", seconds=8)
    first = json.loads(shell("trackside runners list status:ready --json").stdout)[0]
    done = shell(f"trackside runners edit {first['pk']} --maximum 65 --wait 1 --json")
    assert done.returncode == 5, done.stdout
    number = json.loads(done.stdout)["id"]
    later = shell(f"trackside operation {number} --wait 60")
    assert later.returncode == 0, later.stdout
    assert "confirmed" in later.stdout


def test_settings_are_exported_as_text(shell: Shell, tmp_path: Path) -> None:
    assert 'resource "github_actions_hosted_runner"' in shell("trackside export terraform").stdout
    written = shell(f"trackside export terraform --into {tmp_path}").stdout.split()
    assert [Path(each).name for each in written] == ["versions.tf", "acme.tf"]
    assert 'resource "github_actions_hosted_runner"' in Path(written[1]).read_text()
    rows = json.loads(shell("trackside export json org:acme").stdout)
    assert len(shell("trackside export csv org:acme").stdout.splitlines()) == len(rows) + 1
