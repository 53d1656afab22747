"""The command as a process: how it starts, mounts the API, keeps its state and stops."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.simulator.conftest import GROUPS, NEW_RUNNER, RUNNERS, caller_of
from tests.simulator_handle import ROOT, SimulatorHandle, start_simulator

pytestmark = pytest.mark.processes


def test_the_first_line_is_json_with_address_and_tokens(simulator: SimulatorHandle) -> None:
    assert simulator.base_url.startswith("http://127.0.0.1:")
    assert [(account.kind, account.slug) for account in simulator.accounts] == [
        ("enterprise", "umbrella"),
        ("organization", "acme"),
        ("organization", "globex"),
        ("organization", "initech"),
    ]
    assert len({account.token for account in simulator.accounts}) == 4


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_without_waiting_for_pending_requests(how: signal.Signals) -> None:
    with start_simulator("--runners", "1") as handle, ThreadPoolExecutor(1) as other:
        call = caller_of(handle, handle.account("acme").token)
        call("GET", RUNNERS)
        handle.add_fault("GET", "", "delay", seconds=60)
        waiting = other.submit(call, "GET", RUNNERS)
        time.sleep(0.2)
        os.kill(handle.pid, how)
        assert handle.wait(20) == 0  # long before the minute its answer would have taken
        assert isinstance(waiting.exception(), ConnectionError | OSError)


def test_it_can_be_mounted_under_a_path() -> None:
    with start_simulator("--prefix", "/api/v3", "--runners", "31") as handle:
        assert handle.base_url.endswith("/api/v3")
        call = caller_of(handle, handle.account("acme").token)
        answer = call("GET", RUNNERS)
        assert f"<{handle.base_url}{RUNNERS}?page=2>" in answer.headers["Link"]
        assert (
            call("GET", GROUPS)
            .json()["runner_groups"][0]["runners_url"]
            .startswith(handle.base_url)
        )
        assert call("GET", f"/../..{RUNNERS}").status_code == 404
        assert handle.requests()[0]["path"] == f"/api/v3{RUNNERS}"


def test_an_enterprise_server_has_groups_but_no_larger_runners() -> None:
    with start_simulator("--enterprise-server", "--prefix", "/api/v3", "--runners", "1") as handle:
        call = caller_of(handle, handle.account("acme").token)
        for path in (
            RUNNERS,
            f"{RUNNERS}/limits",
            f"{RUNNERS}/images/custom",
            f"{GROUPS}/1/hosted-runners",
        ):
            assert call("GET", path).status_code == 404
        answer = call("GET", GROUPS)
        assert answer.status_code == 200
        assert "hosted_runners_url" not in answer.json()["runner_groups"][0]
        assert "X-GitHub-Enterprise-Version" in answer.headers
        assert "X-RateLimit-Limit" not in answer.headers
        assert call("GET", "/rate_limit").status_code == 404


def test_it_keeps_its_world_across_a_restart(tmp_path: Path) -> None:
    state = str(tmp_path / "deeper" / "world.json")
    with start_simulator("--state", state, "--seed", "4") as handle:
        accounts, app = handle.accounts, handle.app()
        call = caller_of(handle, handle.account("acme").token)
        created = call("POST", RUNNERS, json=NEW_RUNNER).json()["id"]
        call("DELETE", f"{RUNNERS}/1")
        handle.change_runner("organization", "acme", 2, status="Melting")
        handle.advance(300)
        reset = call("GET", RUNNERS).headers["X-RateLimit-Reset"]
    with start_simulator("--state", state, "--seed", "9", "--runners", "1") as handle:
        assert handle.accounts == accounts
        assert handle.app() == app
        call = caller_of(handle, handle.account("acme").token)
        assert call("GET", f"{RUNNERS}/{created}").json()["status"] == "Ready"
        assert call("GET", f"{RUNNERS}/1").status_code == 404
        answer = call("GET", f"{RUNNERS}/2")
        assert answer.json()["status"] == "Melting"
        assert answer.headers["X-RateLimit-Reset"] == reset
        assert int(answer.headers["X-RateLimit-Used"]) == 6


def test_changes_that_were_confirmed_survive_a_kill(tmp_path: Path) -> None:
    state = tmp_path / "world.json"
    with start_simulator("--state", str(state), "--runners", "1") as handle:
        call = caller_of(handle, handle.account("acme").token)
        created = call("POST", RUNNERS, json=NEW_RUNNER).json()["id"]
        os.kill(handle.pid, signal.SIGKILL)
        handle.wait(20)
    with start_simulator("--state", str(state)) as handle:
        call = caller_of(handle, handle.account("acme").token)
        assert call("GET", f"{RUNNERS}/{created}").status_code == 200
    assert state.stat().st_mode & 0o077 == 0


def test_many_requests_wait_at_the_same_time() -> None:
    with start_simulator("--latency-ms", "200", "--runners", "1") as handle:
        token = handle.account("acme").token
        with ThreadPoolExecutor(24) as many:
            began = time.monotonic()
            answers = list(many.map(lambda _: caller_of(handle, token)("GET", RUNNERS), range(48)))
            took = time.monotonic() - began
        assert {answer.status_code for answer in answers} == {200}
        assert 0.4 <= took < 2.5


def test_a_simulated_minute_can_last_a_second() -> None:
    with start_simulator("--speed", "600", "--runners", "1") as handle:
        call = caller_of(handle, handle.account("acme").token)
        path = f"{RUNNERS}/{call('POST', RUNNERS, json=NEW_RUNNER).json()['id']}"
        time.sleep(0.25)
        assert call("GET", path).json()["status"] == "Ready"
        call("DELETE", path)
        time.sleep(0.15)
        assert call("GET", path).status_code == 404


@pytest.mark.parametrize("arguments", [("--prefix", "api"), ("--state", "{junk}")])
def test_it_names_the_option_that_keeps_it_from_starting(
    tmp_path: Path, arguments: tuple[str, str]
) -> None:
    junk = tmp_path / "junk.json"
    junk.write_text(json.dumps({"not": "a world"}))
    command = [
        sys.executable,
        "manage.py",
        "simulate_github",
        *(each.format(junk=junk) for each in arguments),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode != 0
    assert ran.stderr.startswith("CommandError: ")


def test_it_writes_no_files(tmp_path: Path) -> None:
    environment = {**os.environ, "TRACKSIDE_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "manage.py", "simulate_github", "--runners", "1"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["accounts"]
        process.terminate()
        assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []
