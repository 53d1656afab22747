"""Randomly changed responses: an inconsistent list is never published, and every page opens."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.test import Client
from hypothesis import HealthCheck, event, given, seed, settings
from hypothesis import strategies as st

from runners_app.models import Account, CachedResponse, Reading, Runner
from tests.faults.conftest import work_once
from tests.simulator_handle import SimulatorHandle

MOST_EXAMPLES = int(os.environ.get("MUTATED_ANSWERS", "100"))
SEED = int(os.environ.get("MUTATED_ANSWERS_SEED", "0"))
LIST = "^/orgs/acme/actions/hosted-runners\\?"
Mutation = Callable[[str], str]

odd_numbers = st.sampled_from([0, -1, 1.5, 2**31, 2**53 + 1, 2**63, 10**400, True])
odd_words = st.sampled_from(
    ["", "\0", "\ud800", "😀" * 200, "<script>alert(1)</script>", "null", "Ready", " " * 50]
)
odd_values = st.one_of(
    st.none(),
    odd_numbers,
    odd_words,
    st.text(max_size=20),
    st.just([]),
    st.just({}),
    st.just([[[]]]),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)
RUNNER_FIELDS = (
    "id",
    "name",
    "status",
    "platform",
    "image_details",
    "machine_size_details",
    "runner_group_id",
    "maximum_runners",
    "public_ip_enabled",
    "public_ips",
    "last_active_on",
    "image_gen",
)


def in_json(change: Callable[[dict[str, Any]], None]) -> Mutation:
    def mutate(body: str) -> str:
        parsed = json.loads(body)
        change(parsed)
        return json.dumps(parsed)

    return mutate


def set_field(index: int, field: str, value: object) -> Mutation:
    return in_json(lambda body: body["runners"][index].update({field: value}))


def drop_field(index: int, field: str) -> Mutation:
    return in_json(lambda body: body["runners"][index].pop(field, None))


def set_nested(index: int, outer: str, inner: str, value: object) -> Mutation:
    return in_json(lambda body: (body["runners"][index][outer] or {}).update({inner: value}))


def set_top(field: str, value: object) -> Mutation:
    return in_json(lambda body: body.update({field: value}))


def repeat(index: int) -> Mutation:
    return in_json(lambda body: body["runners"].append(body["runners"][index]))


def put_in_place(index: int, other: int) -> Mutation:
    """Replace a runner with another one, as if it had moved between two pages: the total still
    fits.
    """
    return in_json(lambda body: body["runners"].__setitem__(index, body["runners"][other]))


def leave_out(index: int) -> Mutation:
    return in_json(lambda body: body["runners"].pop(index))


def replace_item(index: int, value: object) -> Mutation:
    return in_json(lambda body: body["runners"].__setitem__(index, value))


def cut(where: float) -> Mutation:
    return lambda body: body[: int(len(body) * where)]


def insert(where: float, text: str) -> Mutation:
    return lambda body: body[: int(len(body) * where)] + text + body[int(len(body) * where) :]


indexes, fields = st.integers(0, 11), st.sampled_from(RUNNER_FIELDS)
nested = st.sampled_from(
    [("image_details", key) for key in ("id", "size_gb", "display_name", "source", "version")]
    + [("machine_size_details", key) for key in ("id", "cpu_cores", "memory_gb", "storage_gb")]
)
mutations = st.one_of(
    st.builds(set_field, indexes, fields, odd_values),
    st.builds(drop_field, indexes, fields),
    st.builds(
        lambda index, pair, value: set_nested(index, pair[0], pair[1], value),
        indexes,
        nested,
        odd_values,
    ),
    st.builds(set_top, st.sampled_from(["total_count", "runners"]), odd_values),
    st.builds(repeat, indexes),
    st.builds(put_in_place, indexes, indexes),
    st.builds(leave_out, indexes),
    st.builds(replace_item, indexes, odd_values),
    st.builds(cut, st.floats(0, 1)),
    st.builds(
        insert, st.floats(0, 1), st.sampled_from(["{", "]", '"', "\\", "NaN", "<html>", "\ufeff"])
    ),
)


def may_be_published(body: str) -> set[int] | None:
    """An independent check: the ids of a consistent list, or None if it must not be published."""
    try:
        parsed = json.loads(body.encode(errors="surrogatepass"), parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError, RecursionError):
        return None
    listed = (
        parsed
        if isinstance(parsed, list)
        else parsed.get("runners")
        if isinstance(parsed, dict)
        else None
    )
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        return None
    ids = [item.get("id") for item in listed]
    if not all(
        isinstance(each, int) and not isinstance(each, bool) and abs(each) < 2**63 for each in ids
    ):
        return None
    total = parsed.get("total_count") if isinstance(parsed, dict) else None
    counts = isinstance(total, int) and not isinstance(total, bool) and 0 <= total < 2**31
    if len(set(ids)) != len(ids) or (counts and total != len(ids)):
        return None
    return set(ids)


@pytest.fixture
def body(acme: Account, simulator: SimulatorHandle) -> str:
    """GitHub's list before any change."""
    simulator.set_speed(0)
    headers = {"Authorization": f"Bearer {simulator.account('acme').token}", "User-Agent": "tests"}
    with requests.Session() as session:
        session.trust_env = False
        address = f"{simulator.base_url}/orgs/acme/actions/hosted-runners?per_page=100"
        return session.get(address, headers=headers, timeout=10).text


@pytest.mark.timeout(3600)
def test_an_inconsistent_list_is_not_published_and_every_page_opens(
    body: str, acme: Account, as_admin: Client, simulator: SimulatorHandle
) -> None:
    Reading.objects.update(due_at=None)

    @seed(SEED)
    @settings(
        max_examples=MOST_EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(mutations, min_size=1, max_size=3))
    def check(changes: list[Mutation]) -> None:
        answer = body
        for change in changes:
            try:
                answer = change(answer)
            except (ValueError, KeyError, IndexError, TypeError, AttributeError):
                continue  # an earlier change removed the target of this one
        publish(acme, simulator, answer)
        for address in (
            "/",
            "/runners/",
            f"/runners/{Runner.objects.order_by('-observed_at')[0].pk}/",
        ):
            assert as_admin.get(address).status_code == 200, address

    check()


def publish(acme: Account, simulator: SimulatorHandle, answer: str) -> None:
    """Read the changed list and compare what was published with what may be."""
    CachedResponse.objects.all().delete()
    before = set(Runner.objects.present().filter(account=acme).values_list("github_id", flat=True))
    simulator.clear_faults()
    simulator.add_fault("GET", LIST, "status", status=200, body=answer)
    Reading.objects.schedule_now(acme, "runners")
    work_once(acme)
    after = set(Runner.objects.present().filter(account=acme).values_list("github_id", flat=True))
    reading = Reading.objects.get(account=acme, resource="runners")
    Reading.objects.update(due_at=None)
    allowed = may_be_published(answer)
    if reading.error:
        assert after == before, "changed although the reading failed"
        assert reading.error != "internal", reading.error_message
        event(f"not published: {reading.error}")
    else:
        assert allowed is not None, f"published, and must not be: {answer[:300]!r}"
        assert after == allowed
        event("published")
