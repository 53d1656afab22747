"""Deciding operations and batches over the API, and access lists of groups."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, GroupAccess, Operation, Runner, RunnerGroup

API = "/api/v1"
BATCH = UUID("5b0c7a1e-6d3e-4a57-9d0e-7a1c8e6b5f00")


def operation_on(pool: Runner, state: str, **fields: object) -> Operation:
    now = timezone.now()
    values: dict[str, Any] = {
        "kind": "update_runner",
        "target": "runner",
        "target_id": pool.github_id,
        "target_name": pool.name,
        "requested_at": now,
        "confirmed_at": now,
        "wanted": {"maximum_runners": 77},
        "base": {"maximum_runners": 10},
        "nonce": str(uuid4()),
        **fields,
    }
    return Operation.objects.create(account=pool.account, state=state, **values)


@pytest.fixture
def pool(org: Account) -> Runner:
    return Runner.objects.get(name="big-linux")


def post(client: Client, address: str, body: object = None, **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    where = f"{API}/{address}"
    return client.post(where, body or {}, content_type="application/json", headers=names)


def test_a_held_operation_is_confirmed(as_script: Client, pool: Runner) -> None:
    row = operation_on(pool, "requested", held_because="stale")
    assert as_script.get(f"{API}/operations/{row.pk}").json()["needs_person"] is True
    answer = post(as_script, f"operations/{row.pk}/confirm")
    assert (answer.status_code, answer.json()["needs_person"]) == (200, False)
    Operation.objects.filter(pk=row.pk).update(state="sent")
    assert post(as_script, f"operations/{row.pk}/confirm").status_code == 409


def test_a_rejected_operation_is_sent_again_once(as_script: Client, pool: Runner) -> None:
    row = operation_on(pool, "rejected", finished_at=timezone.now())
    preview = post(as_script, f"operations/{row.pk}/resubmit?dry_run=1").json()
    assert preview["changes"] == [{"field": "maximum_runners", "before": 10, "after": 77}]
    first = post(as_script, f"operations/{row.pk}/resubmit", Idempotency_Key="one")
    again = post(as_script, f"operations/{row.pk}/resubmit", Idempotency_Key="one")
    assert first.status_code == again.status_code == 202, first.content
    assert first.json() == again.json()
    made = Operation.objects.get(pk=first.json()["operation"]["id"])
    assert (made.again_from, made.state, made.wanted["maximum_runners"]) == (row, "requested", 77)
    confirmed = operation_on(pool, "confirmed", finished_at=timezone.now())
    assert post(as_script, f"operations/{confirmed.pk}/resubmit").status_code == 409


@pytest.mark.parametrize("outcome", ["confirmed", "cancelled"])
def test_an_operation_that_needs_attention_is_decided(
    as_script: Client, pool: Runner, outcome: str
) -> None:
    row = operation_on(pool, "needs_attention")
    answer = post(as_script, f"operations/{row.pk}/settle", {"outcome": outcome})
    assert (answer.status_code, answer.json()["state"]) == (200, outcome)
    again = post(as_script, f"operations/{row.pk}/settle", {"outcome": outcome})
    assert again.status_code == 409


def test_a_lost_create_is_matched_with_one_of_its_candidates(
    as_script: Client, pool: Runner
) -> None:
    row = operation_on(
        pool, "needs_attention", kind="create_runner", target_id=None, candidates=[pool.github_id]
    )
    other = Runner.objects.get(name="secret-pool")
    address = f"operations/{row.pk}/settle"
    wrong = post(as_script, address, {"outcome": "confirmed", "runner": other.pk})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "body.runner")
    answer = post(as_script, address, {"outcome": "confirmed", "runner": pool.pk})
    assert (answer.status_code, answer.json()["target_id"]) == (200, pool.github_id)


def test_a_batch_is_continued_stopped_and_retried(as_script: Client, pool: Runner) -> None:
    first = operation_on(pool, "requested", batch=BATCH, held_because="staged")
    second = operation_on(pool, "rejected", batch=BATCH, finished_at=timezone.now())
    assert as_script.get(f"{API}/batches/{BATCH}").json()["states"] == {
        "requested": 1,
        "rejected": 1,
    }
    assert post(as_script, f"batches/{BATCH}/continue").status_code == 200
    first.refresh_from_db()
    assert first.held_because == ""

    again = post(as_script, f"batches/{BATCH}/retry").json()
    assert again["id"] != str(BATCH)
    assert [each["state"] for each in again["operations"]] == ["requested"]
    assert Operation.objects.get(batch=again["id"]).again_from == second

    stopped = post(as_script, f"batches/{BATCH}/stop").json()
    assert stopped["states"] == {"cancelled": 1, "rejected": 1}


def test_repositories_are_taken_off_an_access_list(
    as_script: Client, org: Account, admin: User
) -> None:
    group = RunnerGroup.objects.get(name="builders")
    RunnerGroup.objects.filter(pk=group.pk).update(visibility="selected")
    GroupAccess.objects.create(group=group, github_id=31, name="web")
    address = f"{API}/groups/{group.pk}"
    wrong = as_script.patch(address, {"remove": ["api"]}, content_type="application/json")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "body.remove")
    body = {"remove": ["Web"]}
    preview = as_script.patch(f"{address}?dry_run=1", body, content_type="application/json")
    changes = [{"field": "remove", "before": None, "after": ["web"]}]
    assert preview.json() == {"changes": changes}
    answer = as_script.patch(address, body, content_type="application/json")
    assert answer.status_code == 202
    assert Operation.objects.get().wanted["remove"] == {"31": "web"}
