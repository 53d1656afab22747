"""Calls about hooks, deliveries, runs and jobs: what is sent, and what becomes of the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from runners_app.github import GitHubClient

from .conftest import ENTERPRISE, ORG
from .raw_server import answer, raw_server, saying

Connect = Callable[..., GitHubClient]

HOOK = {
    "id": 12,
    "active": True,
    "events": ["workflow_job"],
    "config": {"url": "https://t.example/hooks/github/x/", "secret": "********"},
}
DELIVERY = {
    "id": 99,
    "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
    "delivered_at": "2026-11-02T12:00:00Z",
    "redelivery": False,
    "status": "timed out",
    "status_code": 0,
    "event": "workflow_job",
    "action": "queued",
    "throttled_at": None,
}


def test_a_hook_is_created_for_job_events_as_json(connect: Connect) -> None:
    with raw_server(saying(answer(HOOK, status=201))) as server:
        made = connect(server.url).create_organization_hook(ORG, "https://t.example/x/", "s3cret")
        assert (made.data.id, made.data.active, made.data.events) == (
            12,
            True,
            ("workflow_job",),
        )
        assert server.targets == ["POST /orgs/octo-org/hooks"]
        sent = json.loads(server.requests[0].split(b"\r\n\r\n", 1)[1])
    config = {
        "url": "https://t.example/x/",
        "content_type": "json",
        "secret": "s3cret",
        "insecure_ssl": "0",
    }
    assert sent == {"name": "web", "active": True, "events": ["workflow_job"], "config": config}


def test_an_enterprise_has_no_hooks_to_ask_for(connect: Connect) -> None:
    client = connect("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="organization"):
        list(client.list_organization_hooks(ENTERPRISE))
    with pytest.raises(ValueError, match="organization"):
        list(client.list_repository_properties(ENTERPRISE))


def test_a_delivery_that_timed_out_did_not_arrive(connect: Connect) -> None:
    with raw_server(saying(answer([DELIVERY]))) as server:
        [page] = connect(server.url).list_organization_hook_deliveries(ORG, 12)
        assert server.targets == ["GET /orgs/octo-org/hooks/12/deliveries?per_page=100"]
    [delivery] = page.items or ()
    assert (delivery.guid, delivery.arrived, delivery.payload) == (DELIVERY["guid"], False, None)


def test_a_delivery_read_by_itself_has_its_payload(connect: Connect) -> None:
    whole = {**DELIVERY, "request": {"headers": {}, "payload": {"action": "queued"}}}
    with raw_server(saying(answer(whole))) as server:
        read = connect(server.url).get_app_hook_delivery(99)
    assert read.data.payload == {"action": "queued"}


CALLS: list[tuple[str, Callable[[GitHubClient], Any]]] = [
    ("GET /orgs/octo-org/hooks/12", lambda c: c.get_organization_hook(ORG, 12)),
    ("PATCH /orgs/octo-org/hooks/12", lambda c: c.update_organization_hook(ORG, 12, active=True)),
    ("DELETE /orgs/octo-org/hooks/12", lambda c: c.delete_organization_hook(ORG, 12)),
    ("POST /orgs/octo-org/hooks/12/pings", lambda c: c.ping_organization_hook(ORG, 12)),
    (
        "PATCH /orgs/octo-org/hooks/12/config",
        lambda c: c.update_organization_hook_config(ORG, 12, "https://t.example/", "s"),
    ),
    (
        "POST /orgs/octo-org/hooks/12/deliveries/99/attempts",
        lambda c: c.redeliver_organization_hook_delivery(ORG, 12, 99),
    ),
    ("GET /app/hook/config", lambda c: c.get_app_hook_config()),
    ("PATCH /app/hook/config", lambda c: c.update_app_hook_config("https://t.example/", "s")),
    ("POST /app/hook/deliveries/99/attempts", lambda c: c.redeliver_app_hook_delivery(99)),
    (
        "GET /repos/acme/we%20b/actions/runs/5/attempts/2",
        lambda c: c.get_workflow_run_attempt("acme/we b", 5, 2),
    ),
    ("GET /repos/acme/web/actions/jobs/7", lambda c: c.get_workflow_job("acme/web", 7)),
]


NOTHING = re.compile(r"DELETE|.*/pings")


@pytest.mark.parametrize(("target", "call"), CALLS, ids=[target for target, _ in CALLS])
def test_every_call_asks_where_github_says(
    connect: Connect, target: str, call: Callable[[GitHubClient], Any]
) -> None:
    status = 202 if target.endswith("/attempts") else 204 if NOTHING.match(target) else 200
    with raw_server(saying(answer(HOOK if status == 200 else b"", status=status))) as server:
        call(connect(server.url))
        assert server.targets == [target]


def test_runs_are_listed_by_when_they_were_created(connect: Connect) -> None:
    run = {
        "id": 5,
        "run_attempt": 2,
        "run_started_at": "2026-11-02T12:00:00Z",
        "status": "completed",
    }
    with raw_server(saying(answer({"total_count": 1, "workflow_runs": [run]}))) as server:
        [page] = connect(server.url).list_workflow_runs(
            "acme/web", created="2026-11-01..2026-11-02"
        )
        [target] = server.targets
    assert target == "GET /repos/acme/web/actions/runs?created=2026-11-01..2026-11-02&per_page=100"
    [read] = page.items or ()
    assert (read.id, read.run_attempt, page.total_count) == (5, 2, 1)


def test_the_jobs_of_all_attempts_are_listed(connect: Connect) -> None:
    with raw_server(saying(answer({"total_count": 1, "jobs": [{"id": 7, "x": 1}]}))) as server:
        [page] = connect(server.url).list_workflow_run_jobs("acme/web", 5)
        assert server.targets == ["GET /repos/acme/web/actions/runs/5/jobs?filter=all&per_page=100"]
    assert page.items == ({"id": 7, "x": 1},)


def test_properties_are_texts(connect: Connect) -> None:
    properties = [
        {"property_name": "team", "value": "web"},
        {"property_name": "areas", "value": ["a", "b"]},
        {"property_name": "none", "value": None},
    ]
    row = {"repository_id": 3, "repository_full_name": "acme/web", "properties": properties}
    with raw_server(saying(answer([row]))) as server:
        [page] = connect(server.url).list_repository_properties(ORG)
    [read] = page.items or ()
    assert read.properties == {"team": "web", "areas": "a, b"}


def test_a_run_tells_who_is_in_its_concurrency_groups(connect: Connect) -> None:
    members = [
        {"run_id": 5, "job_id": 7, "status": "pending"},
        {"run_id": 4, "status": "in_progress"},
    ]
    body = {
        "total_count": 1,
        "concurrency_groups": [{"group_name": "deploy", "group_members": members}],
    }
    with raw_server(saying(answer(body))) as server:
        [page] = connect(server.url).list_run_concurrency_members("acme/web", 5)
    [group] = page.items or ()
    assert [(member.run_id, member.job_id, member.status) for member in group] == [
        (5, 7, "pending"),
        (4, None, "in_progress"),
    ]


@pytest.mark.parametrize("name", ["web", "../x", "acme/", "acme/.."])
def test_what_is_no_repository_is_never_asked_for(connect: Connect, name: str) -> None:
    with pytest.raises(ValueError, match=r"owner/name|URL path"):
        connect("http://127.0.0.1:1").get_workflow_job(name, 1)
