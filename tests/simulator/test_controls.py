"""Controls, which GitHub does not have."""

import hashlib
import json

import pytest

from tests.simulator.conftest import NEW_RUNNER, RUNNERS, Caller, caller_of
from tests.simulator_handle import SimulatorHandle


def test_the_ledger_has_each_request_and_its_effect(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    acme("GET", RUNNERS, params={"page": 2}, headers={"X-GitHub-Api-Version": "2026-03-10"})
    acme("POST", RUNNERS, json=NEW_RUNNER)
    acme("POST", RUNNERS, json=NEW_RUNNER)
    read, created, refused = simulator.requests()
    assert (read["method"], read["path"], read["query"], read["body"]) == (
        "GET",
        RUNNERS,
        {"page": "2"},
        None,
    )
    assert (read["status"], read["applied"], read["api_version"]) == (200, False, "2026-03-10")
    assert (created["status"], created["applied"], created["body"]) == (201, True, NEW_RUNNER)
    assert (refused["status"], refused["applied"]) == (422, False)
    assert refused["number"] == created["number"] + 1 == read["number"] + 2


def test_the_ledger_shows_a_fingerprint_and_never_a_token(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    acme("GET", RUNNERS)
    token = simulator.account("acme").token
    ledger = simulator.requests()
    assert ledger[0]["authorization"] == hashlib.sha256(token.encode()).hexdigest()[:12]
    assert token not in json.dumps(ledger)


def test_the_ledger_is_filtered_by_method_and_path_and_cleared(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    acme("GET", RUNNERS)
    acme("GET", f"{RUNNERS}/1")
    acme("DELETE", f"{RUNNERS}/1")
    assert [entry["method"] for entry in simulator.requests(path=f"{RUNNERS}/1")] == [
        "GET",
        "DELETE",
    ]
    assert len(simulator.requests(method="GET")) == 2
    simulator.clear_requests()
    assert simulator.requests() == []


def test_a_runner_is_changed_behind_the_dashboards_back(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    changed = simulator.change_runner(
        "organization", "acme", 1, name="odd name", maximum_runners=2, size="64-core"
    )
    assert changed == acme("GET", f"{RUNNERS}/1").json()
    assert (changed["name"], changed["maximum_runners"]) == ("odd name", 2)
    assert changed["machine_size_details"]["cpu_cores"] == 64


def test_a_runner_can_show_anything(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.change_runner(
        "organization", "acme", 1, status="Melting", image_details=None, name=None, extra=[1]
    )
    shown = acme("GET", f"{RUNNERS}/1").json()
    assert (shown["status"], shown["image_details"], shown["name"], shown["extra"]) == (
        "Melting",
        None,
        None,
        [1],
    )


def test_a_real_change_replaces_a_value_set_by_a_control(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.change_runner("organization", "acme", 1, name=None, status="Stuck")
    assert (
        acme("PATCH", f"{RUNNERS}/1", json={"name": "named-again"}).json()["name"] == "named-again"
    )
    assert acme("DELETE", f"{RUNNERS}/1").json()["status"] == "Deleting"


def test_a_runner_is_removed_and_another_one_created(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.delete_runner("organization", "acme", 1)
    assert acme("GET", f"{RUNNERS}/1").status_code == 404
    created = simulator.create_runner(
        "organization", "acme", name="elsewhere", size="8-core", status="Stuck"
    )
    assert acme("GET", f"{RUNNERS}/{created['id']}").json() == created
    assert (created["name"], created["status"], created["machine_size_details"]["id"]) == (
        "elsewhere",
        "Stuck",
        "8-core",
    )


def test_a_runner_made_elsewhere_is_ready_at_once_or_provisions(simulator: SimulatorHandle) -> None:
    assert simulator.create_runner("enterprise", "umbrella")["status"] == "Ready"
    assert (
        simulator.create_runner("enterprise", "umbrella", status="Provisioning")["status"]
        == "Provisioning"
    )


def test_reset_brings_the_seeded_world_back(simulator: SimulatorHandle, acme: Caller) -> None:
    before, pem = simulator.accounts, simulator.app()["pem"]
    acme("DELETE", f"{RUNNERS}/1")
    simulator.add_fault(None, "", "delay", seconds=9, times=0)
    simulator.advance(1000)
    simulator.reset()
    assert simulator.accounts == before
    assert simulator.app()["pem"] == pem
    assert acme("GET", f"{RUNNERS}/1").json()["status"] == "Ready"
    assert len(simulator.requests()) == 1


def test_reset_can_make_another_world(simulator: SimulatorHandle) -> None:
    simulator.reset(runners=3, organizations=5, enterprises=0)
    assert [account.slug for account in simulator.accounts] == [
        "acme",
        "globex",
        "initech",
        "hooli",
        "wonka-industries",
    ]
    call = caller_of(simulator, simulator.account("hooli").token)
    assert call("GET", "/orgs/hooli/actions/hosted-runners").json()["total_count"] == 3


@pytest.mark.parametrize(
    ("method", "name", "status"),
    [
        ("GET", "nothing", 404),
        ("PATCH", "organization/nobody", 404),
        ("DELETE", "organization/acme/runners/999", 404),
        ("PATCH", "enterprise/acme/runners/1", 404),
        ("PATCH", "tokens", 404),
    ],
)
def test_an_unknown_control_or_object_is_404(
    simulator: SimulatorHandle, method: str, name: str, status: int
) -> None:
    with pytest.raises(RuntimeError, match=str(status)):
        simulator.control(method, name, {})


@pytest.mark.parametrize(
    ("method", "name", "body"),
    [
        ("POST", "reset", {"colour": 1}),
        ("POST", "advance", {"seconds": "x"}),
        ("PATCH", "organization/acme", {"colour": 1}),
        ("POST", "organization/acme/runners", {"image": {"id": "none"}}),
    ],
)
def test_a_control_refuses_unknown_input(
    simulator: SimulatorHandle, method: str, name: str, body: dict[str, object]
) -> None:
    with pytest.raises(RuntimeError, match="400"):
        simulator.control(method, name, body)


def test_controls_meet_no_fault_and_are_not_in_the_ledger(simulator: SimulatorHandle) -> None:
    simulator.add_fault(None, "", "status", status=500, times=0)
    assert simulator.requests() == []
