"""Which pool ran a job."""

from __future__ import annotations

import pytest

from runners_app.jobs.attribution import (
    JobKind,
    Pool,
    is_standard,
    kind_of,
    pool_asked_for,
    pool_that_ran,
)
from runners_app.jobs.normalise import JobFacts, from_delivery
from tests.jobs.payloads import at, completed, queued

POOLS = [
    Pool(1, "big-linux", 7),
    Pool(2, "Big-Linux-GPU", 7),
    Pool(3, "Ceo", 8),
    Pool(4, "deploy", 9),
    Pool(5, "deploy", 10, gone_at=at(-1000)),
    Pool(6, "deploy", 10, gone_at=at(1000)),
]


def ran(**fields: object) -> JobFacts:
    return from_delivery(completed(40, 100, **fields), None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 1),
        ({"labels": ["BIG-LINUX-gpu"]}, 2),  # (a)
        ({"labels": [], "runner_name": "big-linux_0a1b2c3d4e5f"}, 1),  # (b)
        ({"labels": [], "runner_name": "big-linux-gpu-1000004236"}, 2),  # (b), the longest
        ({"labels": ["x"], "runner_name": "other", "runner_group_id": 8}, 3),  # (c)
        ({"labels": [], "runner_name": "ceo-1000004236", "runner_group_id": 8}, 3),
        ({"labels": [], "runner_name": "big-linux2_0a1b2c3d4e5f"}, None),  # (d)
        ({"labels": ["deploy"]}, 1),  # a label of another group is none: the machine's name tells
        ({"labels": ["big-linux"], "runner_group_id": 99}, None),
        ({"labels": [], "runner_group_id": 10, "runner_name": "x"}, 6),  # (c), gone since
        ({"labels": ["self-hosted", "x"], "runner_group_id": 8}, None),
        ({"runner_name": "GitHub Actions 12", "runner_group_name": "GitHub Actions"}, None),
    ],
)
def test_the_pool_that_ran_a_job(fields: dict[str, object], expected: int | None) -> None:
    pool = pool_that_ran(ran(**fields), POOLS)
    assert (pool.id if pool else None) == expected


def test_a_job_that_no_machine_took_ran_in_no_pool() -> None:
    assert pool_that_ran(from_delivery(queued(), None), POOLS) is None
    skipped = ran(conclusion="skipped", runner_name="", runner_id=0, runner_group_id=0, steps=[])
    assert pool_that_ran(skipped, POOLS) is None


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["BIG-linux"], 1),
        ([], None),  # asks for a group alone, which GitHub does not name before a machine takes it
        (["nobody-has-this"], None),
        (["deploy"], 4),
        (["big-linux", "ceo"], None),
    ],
)
def test_the_pool_a_waiting_job_asks_for(labels: list[str], expected: int | None) -> None:
    pool = pool_asked_for(from_delivery(queued(labels=labels), None), POOLS)
    assert (pool.id if pool else None) == expected


@pytest.mark.parametrize(
    ("label", "standard"),
    [
        ("ubuntu-latest", True),
        ("ubuntu-24.04-arm", True),
        ("windows-2022", True),
        ("macos-15-xlarge", True),
        ("ubuntu-slim", True),
        ("ubuntu-latest-16-cores", False),
        ("big-linux", False),
    ],
)
def test_standard_machines_are_told_by_their_labels(label: str, standard: bool) -> None:
    assert is_standard(from_delivery(queued(labels=[label]), None)) is standard


def test_where_a_job_runs() -> None:
    standard = ran(runner_name="GitHub Actions 1028117893", runner_group_name="GitHub Actions")
    assert kind_of(standard, None) == JobKind.STANDARD
    assert kind_of(ran(labels=["self-hosted"]), None) == JobKind.SELF_HOSTED
    assert kind_of(ran(runner_group_id=99), None) == JobKind.UNKNOWN
    assert kind_of(ran(), POOLS[0]) == JobKind.LARGER
