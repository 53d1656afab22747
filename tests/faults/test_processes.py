"""P1 to P3 with real processes: what is killed, stopped or emptied loses and doubles nothing. A small sample each."""

import pytest

from tests.faults.driven import drive, went_wrong

pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_p1_a_worker_killed_at_any_step_has_one_effect_and_is_taken_up_again(database: str) -> None:
    results = drive("kills", database, seed=1, count=1)
    assert len(results) == 4
    assert not went_wrong(results)
    assert [each["taken_up"] for each in results if each["taken_up"] is not None]


def test_p1_everything_killed_at_once_leaves_no_process_behind_and_goes_on() -> None:
    results = drive("embedded", "sqlite", seed=1, count=1)
    assert not went_wrong(results)
    assert not any(each["left_behind"] for each in results)


def test_p2_and_p3_redis_and_postgresql_may_stop_and_come_back() -> None:
    results = drive("outages", "postgresql", seed=1, count=2)
    assert not went_wrong(results)
    by_redis = [each for each in results if each["outage"] == "redis"]
    assert {status for each in by_redis for status in each["pages"]} == {200}
    shown = next(each["shown"] for each in results if each["outage"] == "postgresql")
    assert {path: told["status"] for path, told in shown.items()} == {"/runners/": 503, "/livez": 200, "/readyz": 503}
    assert shown["/runners/"]["plain"]
