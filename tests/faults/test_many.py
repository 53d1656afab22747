"""W1, W2, R3, P4, P5 and concurrent editors, on real processes over many organizations: a small
sample.
"""

import pytest

from tests.faults.driven import drive, went_wrong

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_network_faults_lose_and_double_nothing(database: str) -> None:
    results = drive("matrix", database, seed=1, count=2)
    assert len(results) == 8
    assert not went_wrong(results)


def test_p4_two_beats_many_workers_and_repeated_messages_have_one_effect() -> None:
    *results, seen = drive("crowd", "postgresql", seed=1, count=1)
    assert not went_wrong(results)
    assert (seen["overlaps"], seen["too_close"]) == (0, 0)


def test_twenty_editors_overwrite_no_change_of_each_other() -> None:
    (result,) = drive("editors", "sqlite", seed=1, count=2)
    assert result["saves"] == 40
    assert (result["lost"], result["doubled"], result["unfinished"]) == (0, 0, 0)
    assert (result["locked"], result["errors"]) == (0, 0)


def test_p5_while_github_is_down_pages_show_age_and_reason() -> None:
    (result,) = drive("github_down", "sqlite", seed=1, count=1)
    assert result["statuses"] == [200]
    assert result["tells_reason"]
    assert result["tells_age"]
    assert result["runners_shown"]
