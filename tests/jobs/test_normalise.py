"""Every trap of GitHub's job events, and that the order and number of deliveries never matters."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners_app.github.values import Unreadable
from runners_app.jobs.normalise import (
    LABEL_LIMIT,
    MOST_LABELS,
    NAME_LIMIT,
    JobFacts,
    Phase,
    from_delivery,
    from_rest,
    job_times,
    merge,
    merge_all,
    origin,
    was_assigned,
)
from tests.jobs.payloads import (
    MACHINE,
    Payload,
    at,
    completed,
    delivery,
    in_progress,
    job,
    queued,
    stamp,
    waiting,
)

SAMPLES = Path(__file__).parents[3] / "shared" / "github-api" / "samples"

Received = tuple[Payload, float | None]
NO_STEPS: Payload = {"steps": []}
STUCK: Payload = {"started_at": stamp(0), **NO_STEPS}  # the start stays at the creation
NO_MACHINE_IN_REST: Payload = {
    "runner_id": 0,
    "runner_name": "",
    "runner_group_id": 0,
    "runner_group_name": "",
}


def facts(*received: Received) -> JobFacts:
    """Merged from deliveries and the seconds after noon each came; None: not as things happened."""
    return merge_all(
        from_delivery(payload, None if seconds is None else at(seconds))
        for payload, seconds in received
    )


# What arrived; then queue seconds, run seconds, seconds for approval, estimated, negative.
TRAPS: dict[str, tuple[list[Received], tuple[float | None, float, float, bool, bool]]] = {
    "an ordinary job": (
        [(queued(), 1), (in_progress(40), 41), (completed(40, 100), 101)],
        (40, 60, 0, False, False),
    ),
    "only the end is known": ([(completed(40, 100), None)], (40, 60, 0, False, False)),
    "while queued the start repeats the creation": ([(queued(), 1)], (None, 0, 0, False, False)),
    "the first step is later than the start": (
        [(completed(0, 100, steps=completed(70, 100)["workflow_job"]["steps"]), 101)],
        (70, 30, 0, False, False),
    ),
    "the start stays at the creation and the first step is unknown": (
        [(queued(), 1), (in_progress(0, **STUCK), 8_640), (completed(0, 9_000, **STUCK), 9_001)],
        (8_640, 360, 0, True, False),
    ),
    "a minute of it is believed": (
        [(queued(), 1), (in_progress(0, **STUCK), 60), (completed(0, 90, **STUCK), 91)],
        (0, 90, 0, False, False),
    ),
    "not if the job was queued unseen": (
        [(in_progress(0, **STUCK), 8_640), (completed(0, 9_000, **STUCK), 9_001)],
        (0, 9_000, 0, False, False),
    ),
    "not if its queued came late": (
        [(queued(), 31), (in_progress(0, **STUCK), 8_640), (completed(0, 9_000, **STUCK), 9_001)],
        (0, 9_000, 0, False, False),
    ),
    "not if the start was delivered again": (
        [(queued(), 1), (in_progress(0, **STUCK), None), (completed(0, 9_000, **STUCK), 9_001)],
        (0, 9_000, 0, False, False),
    ),
    "not if the start came long after the end": (
        [(queued(), 1), (in_progress(0, **STUCK), 9_900), (completed(0, 9_000, **STUCK), 9_001)],
        (0, 9_000, 0, False, False),
    ),
    "a start before the creation counts as no wait": (
        [(completed(-1, 50), 51)],
        (0, 51, 0, False, True),
    ),
    "an end before the start is no run": ([(completed(40, 39), 41)], (40, 0, 0, False, False)),
    "approval is no queue time": (
        [
            (waiting(), 1),
            (queued(status="waiting"), 601),
            (in_progress(631), 632),
            (completed(631, 700), 701),
        ],
        (30, 69, 601, False, False),
    ),
    "approval, where queued was sent at the creation as well": (
        [(queued(), 1), (waiting(), 2), (queued(), 601), (completed(631, 700), 701)],
        (30, 69, 601, False, False),
    ),
    "an approval whose end nobody saw is no queue time": (
        [(waiting(), 1), (queued(), None), (completed(631, 700), 701)],
        (0, 69, 631, True, False),
    ),
    "an approval of which no time is known": (
        [(waiting(), None), (completed(631, 700), 701)],
        (0, 69, 631, True, False),
    ),
    "still waiting for approval": ([(waiting(), 1)], (None, 0, 0, False, False)),
    "skipped without labels and machine": (
        [(completed(-1, -1, conclusion="skipped", labels=[], **NO_MACHINE_IN_REST, **NO_STEPS), 1)],
        (None, 0, 0, False, False),
    ),
    "cancelled while queued": (
        [
            (queued(), 1),
            (completed(0, 50, conclusion="cancelled", **NO_MACHINE_IN_REST, **NO_STEPS), 51),
        ],
        (None, 0, 0, False, False),
    ),
    "cancelled while it ran": (
        [(in_progress(40), 41), (completed(40, 50, conclusion="cancelled", **NO_STEPS), 51)],
        (40, 10, 0, False, False),
    ),
    "ids as floats": (
        [(completed(40, 100, id=4_000_000_001.0, runner_id=1.0, runner_group_id=7.0), 101)],
        (40, 60, 0, False, False),
    ),
    "out of order and twice": (
        [
            (completed(40, 100), 90),
            (queued(), 91),
            (completed(40, 100), 92),
            (in_progress(40), 93),
            (queued(), 94),
        ],
        (40, 60, 0, False, False),
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_times_of_a_job(trap: str) -> None:
    received, expected = TRAPS[trap]
    times = job_times(facts(*received))
    seen = (times.queue_seconds, times.run_seconds, times.approval_seconds)
    assert (*seen, times.estimated, times.negative) == expected


def test_a_repeated_queued_never_takes_a_running_job_back() -> None:
    merged = facts((in_progress(40), 41), (queued(), 42), (waiting(), 43))
    assert merged.phase == Phase.IN_PROGRESS
    assert job_times(merged).started_at == at(40)


def test_the_machine_named_before_the_job_started_is_not_believed() -> None:
    assert facts((queued(**MACHINE), 1)).runner_name == ""


@pytest.mark.parametrize("empty", [None, 0, "", 0.0])
def test_no_machine_is_written_in_several_ways(empty: object) -> None:
    fields = dict.fromkeys(MACHINE, empty)
    merged = facts((completed(0, 50, conclusion="cancelled", **fields, **NO_STEPS), 51))
    assert (merged.runner_id, merged.runner_name, merged.group_id) == (0, "", 0)
    assert not was_assigned(merged)


def test_a_wait_for_a_concurrency_group_is_no_queue_time() -> None:
    pending = from_rest(job(status="pending"), at(300))
    merged = merge_all(
        [pending, from_delivery(queued(), at(400)), facts((completed(430, 500), 501))]
    )
    times = job_times(merged)
    assert (times.queue_seconds, times.concurrency_seconds, times.approval_seconds) == (30, 400, 0)


def test_what_a_re_run_copied_is_marked() -> None:
    started_before = completed(40, 100, run_attempt=2)["workflow_job"]
    assert from_rest(started_before, at(999), run_started_at=at(500)).copied
    assert not from_rest(started_before, at(999), run_started_at=at(30)).copied
    first = completed(40, 100)["workflow_job"]
    assert not from_rest(first, at(999), run_started_at=at(500)).copied
    assert facts((completed(40, 100, run_attempt=2, created_at=stamp(500)), 501)).copied


def test_attacker_controlled_text_is_cleaned_and_cut() -> None:
    hostile = "a\x00b\ud800<script>alert(1)</script>" + "x" * 10_000
    payload = queued(
        name=hostile, workflow_name=hostile, head_branch=hostile, labels=[hostile] * 99
    )
    seen = from_delivery(json.loads(json.dumps(payload)), at(0))
    for text in (seen.name, seen.workflow_name, seen.head_branch):
        assert len(text) == NAME_LIMIT
        assert "\x00" not in text
        text.encode()
    assert len(seen.labels) == MOST_LABELS
    assert {len(label) for label in seen.labels} == {LABEL_LIMIT}


@pytest.mark.parametrize("odd", [None, 7, "text", [], {}, {"x": 1}, [[[]]], True, 1e400])
@pytest.mark.parametrize("field", [*job()])
def test_no_odd_value_of_a_field_breaks_the_reading(field: str, odd: object) -> None:
    try:
        seen = from_delivery(delivery("completed", **{field: odd}), at(0))
    except Unreadable:
        assert field == "id"
        return
    job_times(seen)


@pytest.mark.parametrize(
    "payload", [None, [], {}, {"action": "queued"}, {"workflow_job": {"id": 1}}]
)
def test_what_is_about_no_job_is_refused(payload: object) -> None:
    with pytest.raises(Unreadable):
        from_delivery(payload, at(0))


def test_a_job_belongs_to_the_organization_or_the_owner_of_its_repository() -> None:
    payload = queued()
    assert (origin(payload).organization, origin(payload).repository_id) == ("acme", 31)
    del payload["organization"]
    assert origin(payload).organization == "acme"


# --- Order and number never matter


def lives() -> st.SearchStrategy[list[JobFacts]]:
    """Deliveries and REST answers about one job, in any mixture of traps."""
    seconds = st.integers(-5, 10_000)
    received = st.none() | st.floats(0, 12_000).map(at)
    started = seconds.map(lambda s: in_progress(s)) | seconds.map(lambda s: in_progress(s, **STUCK))
    ended = st.tuples(seconds, seconds, st.sampled_from(["success", "cancelled", "skipped", ""]))
    one = st.one_of(
        st.just(waiting()),
        st.just(queued()),
        st.just(queued(status="waiting", labels=[])),
        started,
        ended.map(lambda e: completed(e[0], e[1], conclusion=e[2])),
        ended.map(
            lambda e: completed(e[0], e[1], conclusion=e[2], run_attempt=2, **NO_MACHINE_IN_REST)
        ),
    )
    delivered = st.tuples(one, received).map(lambda pair: from_delivery(*pair))
    statuses = st.sampled_from(["pending", "waiting", "queued", "in_progress", "completed"])
    answered = st.tuples(statuses, seconds.map(at)).map(lambda p: from_rest(job(status=p[0]), p[1]))
    return st.lists(delivered | answered, min_size=1, max_size=8)


@given(lives(), st.data())
def test_every_order_with_any_duplicates_leaves_the_same_facts(
    life: list[JobFacts], data: st.DataObject
) -> None:
    expected = merge_all(life)
    again = data.draw(st.lists(st.sampled_from(life), max_size=8))
    shuffled = data.draw(st.permutations(life + again))
    assert merge_all(shuffled) == expected
    half = len(shuffled) // 2
    if half:
        grouped = merge(merge_all(shuffled[:half]), merge_all(shuffled[half:]))
        assert grouped == expected
    assert job_times(merge_all(shuffled)) == job_times(expected)


@given(lives())
def test_no_time_is_negative_and_every_part_lies_in_order(life: list[JobFacts]) -> None:
    times = job_times(merge_all(life))
    assert (times.queue_seconds or 0) >= 0
    assert min(times.run_seconds, times.approval_seconds, times.concurrency_seconds) >= 0
    if times.queued_at and times.started_at:
        assert times.queued_at <= times.started_at


# --- What GitHub really sent


RECORDED: dict[str, tuple[float | None, float]] = {
    "grafana-workflow_job.queued.json": (None, 0),
    "grafana-workflow_job.completed-5.json": (7, 10),
    "grafana-workflow_job.completed-9.json": (6, 16),
    "octokit-workflow_job.queued.json": (None, 0),
    "octokit-workflow_job.queued.with-deployment.json": (None, 0),
    "octokit-workflow_job.waiting.json": (None, 0),
    "octokit-workflow_job.in_progress.json": (0, 0),
    "octokit-workflow_job.in_progress.with-queued-steps.json": (7, 0),
    "octokit-workflow_job.completed.success.with-organization.json": (60, 198),
    "octokit-workflow_job.completed.failure.with-organization.json": (60, 198),
    "otel-workflow_job.completed.skipped.json": (None, 0),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_deliveries_are_read(name: str) -> None:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip("the recorded deliveries are not here")
    times = job_times(from_delivery(json.loads(path.read_text()), None))
    assert (times.queue_seconds, times.run_seconds) == RECORDED[name]


def test_a_time_is_a_time_with_or_without_fraction() -> None:
    seen = facts((completed(40, 100), 101))
    assert seen.first_step_at == seen.started_at
    assert isinstance(seen.first_step_at, datetime)
