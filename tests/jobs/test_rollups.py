"""Sums of jobs: percentiles, seconds at each level, billable minutes."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners_app.jobs import histogram, rollups
from runners_app.jobs.rollups import Span, billable_minutes, counts, levels, split
from tests.jobs.payloads import at

WAITS = st.lists(st.integers(0, 200_000) | st.floats(0.01, 100_000), min_size=1, max_size=200)


def nearest_rank(values: list[float], percent: float) -> float:
    """By definition: the smallest value with at least so many percent of all at or below it."""
    return next(
        v for v in sorted(values) if 100 * sum(w <= v for w in values) >= percent * len(values)
    )


@given(WAITS, st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_percentiles_are_exact_from_values_and_within_two_percent_from_buckets(
    waits: list[float], percent: float
) -> None:
    true = nearest_rank(waits, percent)
    assert histogram.exact_percentile(sorted(waits), percent) == true
    told = histogram.percentile(histogram.count(waits), percent)
    assert told is not None
    assert abs(told - true) <= 0.0101 * true


@given(WAITS, WAITS)
def test_merged_buckets_are_the_buckets_of_all(one: list[float], other: list[float]) -> None:
    merged = histogram.merged([histogram.count(one), histogram.count(other)])
    assert merged == histogram.count(one + other)
    assert histogram.from_text(histogram.as_text(merged)) == merged


def test_there_is_no_percentile_of_nothing() -> None:
    assert histogram.percentile({}, 95) is None
    assert histogram.exact_percentile([], 95) is None


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0, 1), (0.5, 1), (60, 1), (60.5, 2), (61, 2), (3600, 60)]
)
def test_minutes_are_rounded_up(seconds: float, minutes: int) -> None:
    assert billable_minutes(seconds) == minutes


def test_a_job_that_never_started_costs_nothing() -> None:
    assert billable_minutes(0, started=False) == 0


def test_seconds_at_each_level_equal_those_counted_second_by_second() -> None:
    chance = random.Random(5)  # noqa: S311
    jobs = []
    for _ in range(60):
        queued = chance.randint(-300, 900)
        started = queued + chance.randint(0, 200)
        ended = started + chance.randint(0, 400)
        open_end = chance.random() < 0.1
        jobs.append(Span(at(queued), at(started), None if open_end else at(ended)))
    [row] = levels(jobs, at(0), at(600), [])
    running, demand = Counter[int](), Counter[int]()
    for second in range(600):
        ends = [(job, job.ended_at or at(9999)) for job in jobs]
        running[sum(job.started_at <= at(second) < end for job, end in ends if job.started_at)] += 1
        demand[sum(job.queued_at <= at(second) < end for job, end in ends if job.queued_at)] += 1
    assert row.running == dict(running)
    assert row.demand == dict(demand)
    assert rollups.running_seconds(row.running) == sum(level * n for level, n in running.items())
    by_time = sorted(running.elements())
    assert rollups.level_percentile(row.running, 99) == by_time[math.ceil(0.99 * 600) - 1]


def test_a_change_of_the_maximum_splits_the_window() -> None:
    maxima = [(at(-50), 5), (at(100), 10), (at(200), 10), (at(300), 5), (at(900), 1)]
    assert split(at(0), at(600), maxima) == [
        (at(0), at(100), 5),
        (at(100), at(300), 10),
        (at(300), at(600), 5),
    ]
    assert split(at(0), at(600), []) == [(at(0), at(600), None)]


def test_a_pool_is_full_from_its_maximum_on() -> None:
    assert rollups.seconds_at_maximum({0: 10.0, 2: 5.0, 3: 1.0}, 2) == 6
    assert rollups.seconds_at_maximum({3: 1.0}, None) == 0


def test_sums_are_of_the_jobs_that_started() -> None:
    jobs = [
        Span(at(0), at(10), at(70), queue_seconds=10, run_seconds=60, slo_seconds=60),
        Span(at(0), at(61), at(200), queue_seconds=61, run_seconds=139, slo_seconds=60),
        Span(at(0), at(60), None, queue_seconds=60, slo_seconds=60, estimated=True),
    ]
    row = counts(jobs)
    assert (row.jobs, row.over_slo, row.estimated, row.run_seconds) == (3, 1, 1, 199)
    assert (row.billable_minutes, row.longest) == (1 + 3, 61)
