"""Lists that are wrong although they look complete: late, short, shifted or stale."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.simulator.conftest import GROUPS, NEW_RUNNER, RUNNERS, Caller, caller_of
from tests.simulator_handle import SimulatorHandle

pytestmark = pytest.mark.timeout(30)


def listed(call: Caller, **query: int) -> list[int]:
    return [runner["id"] for runner in call("GET", RUNNERS, params=query).json()["runners"]]


def test_lists_lag_behind_while_single_reads_show_the_present(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.add_fault("GET", "hosted-runners", "lag", seconds=60, times=0)
    created = acme("POST", RUNNERS, json=NEW_RUNNER).json()["id"]
    acme("PATCH", f"{RUNNERS}/1", json={"maximum_runners": 3})
    listed_runners = acme("GET", RUNNERS, params={"per_page": 100}).json()
    assert listed_runners["total_count"] == 40
    assert listed_runners["runners"][0]["maximum_runners"] == 50
    assert acme("GET", f"{RUNNERS}/{created}").status_code == 200
    assert acme("GET", f"{RUNNERS}/1").json()["maximum_runners"] == 3
    simulator.clear_faults()
    assert created in listed(acme, per_page=100)


def test_a_lag_ends_once_the_change_is_old_enough(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "hosted-runners", "lag", seconds=0.5, times=0)
    acme("POST", RUNNERS, json=NEW_RUNNER)
    assert acme("GET", RUNNERS).json()["total_count"] == 40
    time.sleep(0.6)
    assert acme("GET", RUNNERS).json()["total_count"] == 41


def test_a_change_past_the_api_lags_too(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "hosted-runners", "lag", seconds=60, times=0)
    simulator.delete_runner("organization", "acme", 1)
    assert 1 in listed(acme)
    assert acme("GET", f"{RUNNERS}/1").status_code == 404


def test_omitted_runners_are_missing_from_every_page_and_from_the_total(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.add_fault("GET", "hosted-runners", "omit", ids=[2, 35], times=2)
    first = acme("GET", RUNNERS, params={"per_page": 30}).json()
    assert first["total_count"] == 38
    assert [runner["id"] for runner in first["runners"]][:2] == [1, 3]
    assert len(listed(acme, per_page=30, page=2)) == 8
    assert acme("GET", f"{RUNNERS}/2").status_code == 200
    assert acme("GET", RUNNERS).json()["total_count"] == 40


def test_without_ids_a_list_is_empty(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "runner-groups", "omit")
    assert acme("GET", GROUPS).json() == {"total_count": 0, "runner_groups": []}


def test_a_row_slips_between_two_pages(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("GET", "hosted-runners", "slip")
    first = listed(acme, per_page=30)
    second = acme("GET", RUNNERS, params={"per_page": 30, "page": 2}).json()
    seen = {*first, *(runner["id"] for runner in second["runners"])}
    assert second["total_count"] == len(seen) == 40
    assert 31 not in seen
    assert acme("GET", f"{RUNNERS}/31").status_code == 200


def test_a_stale_304_hides_a_change(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.set_speed(0)
    etag = {"If-None-Match": acme("GET", RUNNERS).headers["ETag"]}
    simulator.change_runner("organization", "acme", 1, maximum_runners=3)
    simulator.add_fault("GET", "hosted-runners", "stale_304")
    assert acme("GET", RUNNERS).status_code == 200  # only conditional requests meet it
    assert acme("GET", RUNNERS, headers=etag).status_code == 304
    assert acme("GET", RUNNERS, headers=etag).status_code == 200


def test_a_fault_ends_by_itself_when_it_has_lasted(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.add_fault("GET", "", "status", status=404, times=0, lasts=0.3)
    assert acme("GET", RUNNERS).status_code == 404
    time.sleep(0.35)
    assert acme("GET", RUNNERS).status_code == 200
    assert simulator.faults() == []


@pytest.mark.parametrize("status", [299, 418, 499, 530, 599])
def test_a_made_up_status_code_is_sent(
    simulator: SimulatorHandle, acme: Caller, status: int
) -> None:
    simulator.add_fault("POST", "", "status", status=status, apply=True)
    assert acme("POST", RUNNERS, json=NEW_RUNNER).status_code == status
    assert acme("GET", RUNNERS).json()["total_count"] == 41


@pytest.mark.parametrize(("after_apply", "runners"), [(False, 40), (True, 41)])
def test_a_frozen_request_is_answered_once_the_fault_is_cleared(
    simulator: SimulatorHandle, acme: Caller, after_apply: bool, runners: int
) -> None:
    simulator.add_fault("POST", "", "freeze", after_apply=after_apply)
    other = caller_of(simulator, simulator.account("acme").token)
    with ThreadPoolExecutor(1) as pool:
        frozen = pool.submit(acme, "POST", RUNNERS, json=NEW_RUNNER)
        time.sleep(0.4)
        assert not frozen.done()
        assert other("GET", RUNNERS).json()["total_count"] == runners
        simulator.clear_faults()
        assert frozen.result(5).status_code == 201


def test_a_renamed_organization_keeps_its_id_and_its_old_name_is_free(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    before = acme("GET", "/orgs/acme").json()["id"]
    simulator.change_account("organization", "acme", slug="acme-inc")
    assert acme("GET", RUNNERS).status_code == 404
    assert acme("GET", "/orgs/acme-inc").json()["id"] == before
    assert acme("GET", "/orgs/acme-inc/actions/hosted-runners").json()["total_count"] == 40
    taken = simulator.create_account("organization", "acme")
    other = caller_of(simulator, taken.token)
    assert other("GET", "/orgs/acme").json()["id"] != before
    assert other("GET", RUNNERS).status_code == 200
    assert other("GET", "/orgs/acme-inc/actions/hosted-runners").status_code == 404


def test_a_name_in_use_is_not_given_twice(simulator: SimulatorHandle) -> None:
    with pytest.raises(RuntimeError, match="400"):
        simulator.change_account("organization", "acme", slug="globex")
    with pytest.raises(RuntimeError, match="400"):
        simulator.create_account("organization", "acme")


def test_the_connection_still_drops_after_a_write(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.add_fault("POST", "", "drop_after_apply")
    with pytest.raises(requests.ConnectionError):
        acme("POST", RUNNERS, json=NEW_RUNNER)
    assert acme("GET", RUNNERS).json()["total_count"] == 41
