"""Faults on real sockets; the ledger says what was applied all the same."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.simulator.conftest import NEW_RUNNER, RUNNERS, Caller, caller_of
from tests.simulator_handle import SimulatorHandle

pytestmark = pytest.mark.timeout(30)


def count(acme: Caller) -> int:
    return int(acme("GET", RUNNERS).json()["total_count"])


def last_request(simulator: SimulatorHandle, method: str) -> dict[str, Any]:
    return simulator.requests(method)[-1]


@pytest.mark.parametrize(
    ("action", "runners"), [("drop_before_apply", 40), ("drop_after_apply", 41)]
)
def test_a_dropped_create_is_applied_or_not(
    simulator: SimulatorHandle, acme: Caller, action: str, runners: int
) -> None:
    simulator.add_fault("POST", "/hosted-runners$", action)
    began = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        acme("POST", RUNNERS, json=NEW_RUNNER)
    assert time.monotonic() - began < 2
    assert count(acme) == runners
    recorded = last_request(simulator, "POST")
    assert (recorded["status"], recorded["applied"], recorded["fault"]) == (
        None,
        runners == 41,
        action,
    )


def test_a_refused_write_is_not_recorded_as_applied(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.add_fault("POST", "", "drop_after_apply")
    with pytest.raises(requests.ConnectionError):
        acme("POST", RUNNERS, json={**NEW_RUNNER, "name": "not allowed"})
    assert last_request(simulator, "POST")["applied"] is False


def test_a_status_fault_replaces_the_response_with_its_headers_and_body(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    headers = {"Retry-After": "60"}
    simulator.add_fault(
        "GET", "", "status", status=429, headers=headers, body={"message": "Slow down"}
    )
    answer = acme("GET", RUNNERS)
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()) == (
        429,
        "60",
        {"message": "Slow down"},
    )
    assert answer.headers["X-RateLimit-Remaining"] == "5000"
    assert acme("GET", RUNNERS).status_code == 200


def test_headers_of_a_fault_replace_githubs(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "", "status", status=403, headers={"x-ratelimit-remaining": "0"})
    assert acme("GET", RUNNERS).headers["X-RateLimit-Remaining"] == "0"


@pytest.mark.parametrize(("apply", "runners"), [(False, 40), (True, 41)])
def test_a_server_error_may_hide_an_applied_write(
    simulator: SimulatorHandle, acme: Caller, apply: bool, runners: int
) -> None:
    simulator.add_fault(
        "POST", "", "status", status=502, body="<html>Bad gateway</html>", apply=apply
    )
    answer = acme("POST", RUNNERS, json=NEW_RUNNER)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    assert count(acme) == runners
    assert last_request(simulator, "POST")["applied"] is apply


def test_a_delayed_response_comes_late(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "", "delay", seconds=0.5)
    began = time.monotonic()
    assert acme("GET", RUNNERS).status_code == 200
    assert 0.5 <= time.monotonic() - began < 3


def test_a_delay_may_come_after_the_write(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("POST", "", "delay", seconds=1, after_apply=True)
    with ThreadPoolExecutor(1) as other:
        pending = other.submit(acme, "POST", RUNNERS, json=NEW_RUNNER)
        time.sleep(0.4)
        token = simulator.account("acme").token
        assert count(caller_of(simulator, token)) == 41
        assert not pending.done()
        assert pending.result().status_code == 201


def test_a_truncated_response_breaks_off(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "", "truncate")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        acme("GET", RUNNERS)


def test_garbage_is_html_or_the_given_text(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "", "garbage")
    simulator.add_fault(
        "GET", "", "garbage", body='{"runners": [', headers={"Content-Type": "application/json"}
    )
    first, second = acme("GET", RUNNERS), acme("GET", RUNNERS)
    assert (first.status_code, first.headers["Content-Type"]) == (200, "text/html")
    assert first.text.startswith("<!DOCTYPE html>")
    with pytest.raises(ValueError, match="Expecting value"):
        second.json()


def test_garbage_can_be_huge(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "", "garbage", bytes=20_000_000)
    answer = acme("GET", RUNNERS, stream=True)
    assert sum(len(chunk) for chunk in answer.iter_content(1 << 20)) == 20_000_000


@pytest.mark.parametrize("whole", [False, True], ids=["body", "headers too"])
def test_a_trickled_response_arrives_complete(
    simulator: SimulatorHandle, acme: Caller, whole: bool
) -> None:
    simulator.add_fault("GET", "/platforms", "trickle", seconds=0.002, whole=whole)
    began = time.monotonic()
    answer = acme("GET", f"{RUNNERS}/platforms")
    assert answer.json()["total_count"] == 4
    assert time.monotonic() - began > 0.002 * len(answer.content)


def test_a_redirect_leads_elsewhere(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "", "redirect", status=307, location="http://192.0.2.1/")
    answer = acme("GET", RUNNERS)
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://192.0.2.1/")


def test_replace_patches_the_true_response(simulator: SimulatorHandle, acme: Caller) -> None:
    patch = {
        "total_count": 7,
        "runners": [{"status": "Melting", "name": None, "$remove": ["platform"]}],
    }
    simulator.add_fault("GET", "", "replace", body=patch)
    answer = acme("GET", RUNNERS, params={"per_page": 2}).json()
    assert answer["total_count"] == 7
    assert [runner["id"] for runner in answer["runners"]] == [1, 2]
    assert all(
        (runner["status"], runner["name"]) == ("Melting", None) for runner in answer["runners"]
    )
    assert not any("platform" in runner for runner in answer["runners"])


def test_unusual_characters_arrive_unchanged(simulator: SimulatorHandle, acme: Caller) -> None:
    strange = 'nul \0, lone \ud800, <script>, "quotes", 日本, 2^60'
    simulator.add_fault("GET", "", "replace", body={"runners": [{"name": strange, "id": 2**60}]})
    runner = json.loads(acme("GET", RUNNERS).content)["runners"][0]
    assert (runner["name"], runner["id"]) == (strange, 2**60)


def test_a_patched_response_has_its_own_etag(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.set_speed(0)
    etag = acme("GET", RUNNERS).headers["ETag"]
    simulator.add_fault("GET", "", "replace", body={"total_count": 1})
    assert acme("GET", RUNNERS, headers={"If-None-Match": etag}).status_code == 200


def test_a_fault_matches_method_path_and_skip(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", r"hosted-runners\?page=2", "status", status=500, skip=1, times=2)
    assert acme("GET", RUNNERS).status_code == 200
    statuses = [acme("GET", RUNNERS, params={"page": 2}).status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    assert simulator.faults() == []


@pytest.mark.parametrize("times", [0, None])
def test_a_fault_can_stay_until_it_is_cleared(
    simulator: SimulatorHandle, acme: Caller, times: int | None
) -> None:
    simulator.add_fault(None, "", "status", status=500, times=times)
    assert {acme("GET", RUNNERS).status_code for _ in range(5)} == {500}
    assert simulator.faults()[0]["hits"] == 5
    simulator.clear_faults()
    assert acme("GET", RUNNERS).status_code == 200


@pytest.mark.parametrize(
    "fault",
    [{"action": "explode"}, {"action": "status", "colour": 1}, {"action": "status", "path": "("}],
)
def test_an_invalid_fault_is_refused(simulator: SimulatorHandle, fault: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="400"):
        simulator.control("POST", "faults", fault)


def test_a_slow_response_delays_no_other(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "/limits", "delay", seconds=2)
    with ThreadPoolExecutor(1) as other:
        slow = other.submit(acme, "GET", f"{RUNNERS}/limits")
        time.sleep(0.1)
        began = time.monotonic()
        caller_of(simulator, simulator.account("globex").token)(
            "GET", "/orgs/globex/actions/hosted-runners"
        )
        assert time.monotonic() - began < 1
        assert slow.result().status_code == 200
