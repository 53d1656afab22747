"""P1 to P3 on real processes: killing, stopping or emptying them loses and doubles nothing. A small
sample.
"""

import os
import socket
from pathlib import Path

import pytest
import requests

from runners_app.security.keys import new_key
from tests.faults.driven import drive, went_wrong
from tests.processes import start_web

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]
SOON = 15.0  # seconds, with room for a busy machine: a connection is given up after 2


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_p1_a_write_has_one_effect_although_its_worker_is_killed(database: str) -> None:
    results = drive("kills", database, seed=1, count=1)
    assert len(results) == 4
    assert not went_wrong(results)
    assert [each["taken_up"] for each in results if each["taken_up"] is not None]


def test_p1_killing_the_supervisor_leaves_no_process_and_work_resumes() -> None:
    results = drive("embedded", "sqlite", seed=1, count=1)
    assert not went_wrong(results)
    assert not any(each["left_behind"] for each in results)


def test_f6_sigterm_ends_within_the_deadline_and_work_resumes() -> None:
    results = drive("stops", "sqlite", seed=1, count=1)
    assert not went_wrong(results)
    assert max(each["stopped"] for each in results) < 3 + 2 + 3  # the deadline here is 3 s


def test_p2_and_p3_redis_and_postgresql_may_stop_and_come_back() -> None:
    results = drive("outages", "postgresql", seed=1, count=2)
    assert not went_wrong(results)
    by_redis = [each for each in results if each["outage"] == "redis"]
    assert {status for each in by_redis for status in each["pages"]} == {200}
    shown = next(each["shown"] for each in results if each["outage"] == "postgresql")
    assert {path: told["status"] for path, told in shown.items()} == {
        "/runners/": 503,
        "/livez": 200,
        "/readyz": 503,
    }
    assert shown["/runners/"]["plain"]


def test_p3_an_unresponsive_database_host_leads_to_a_plain_503(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://trackside@127.0.0.1:{silent.getsockname()[1]}/trackside"
        keys = {
            "SECRET_KEY": "a secret key for processes of tests",
            "CREDENTIAL_KEYS": new_key(),
            "WEB_KEYS": new_key(),
        }
        known = {
            "PATH": os.environ["PATH"],
            "TRACKSIDE_DATA_DIR": str(tmp_path),
            "DATABASE_URL": address,
            **keys,
        }
        with start_web(known) as web, requests.Session() as session:
            session.trust_env = False
            session.cookies["sessionid"] = "a session nobody can look up now"
            page = session.get(f"{web.url}/runners/", timeout=SOON)
            ready = session.get(f"{web.url}/readyz", timeout=SOON)
    assert (page.status_code, ready.status_code) == (503, 503)
    assert "Trackside is not ready" in page.text
    assert ready.json()["database"] == "unreachable"
