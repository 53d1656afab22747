"""The inbox: what is answered to whom, and what is stored."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from runners_app.jobs.ingest import normalise_waiting
from runners_app.models import Account, Delivery, Hook, Job
from tests.jobs.payloads import queued
from tests.jobs.posting import Sender, signature


def test_a_delivery_is_stored_and_becomes_a_job(sender: Sender) -> None:
    assert sender.post(queued()) == 202
    assert Delivery.objects.get().outcome == "stored"
    assert normalise_waiting() == 1
    row = Delivery.objects.get()
    assert (row.outcome, bytes(row.body)) == ("normalised", b"")
    assert Job.objects.get().name == "build"
    sender.hook.refresh_from_db()
    assert sender.hook.last_event_at == row.received_at


def test_the_secret_signs_as_github_documents() -> None:
    documented = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signature("It's a Secret to Everybody", b"Hello, World!") == f"sha256={documented}"


@pytest.mark.parametrize("wrong", ["", "sha256=", "sha256=" + "0" * 64, "sha1=x", "sha256=é"])
def test_a_wrong_signature_is_refused(sender: Sender, wrong: str) -> None:
    assert sender.post(queued(), signed=wrong) == 401
    assert not Delivery.objects.exists()


def test_a_body_that_was_changed_is_refused_before_it_is_parsed(sender: Sender) -> None:
    signed = signature(sender.secret, json.dumps(queued()).encode())
    assert sender.post(b"{" * 100_000, signed=signed) == 401


def test_a_secret_of_another_hook_signs_nothing(sender: Sender, db: None) -> None:
    assert sender.post(queued()) == 202  # the inbox is known to the process by now
    assert sender.post(queued(), signed=signature("another secret", b"")) == 401


def test_a_new_secret_counts_at_once(sender: Sender, org: Account) -> None:
    assert sender.post(queued()) == 202
    Hook.objects.all().delete()
    fresh = Sender(org)
    assert fresh.post(queued()) == 202
    assert sender.post(queued()) == 404


def test_an_unknown_hook_is_not_found(sender: Sender) -> None:
    for path in (f"/hooks/github/{uuid.uuid4()}/", "/hooks/github/x/", "/hooks/", "/hooks/github/"):
        assert sender.post(queued(), path=path) == 404


def test_a_replayed_guid_is_stored_once(sender: Sender) -> None:
    for _ in range(3):
        assert sender.post(queued(), guid="a-guid") == 202
    normalise_waiting()
    assert sender.post(queued(name="another"), guid="a-guid") == 202
    assert normalise_waiting() == 0
    assert Delivery.objects.count() == Job.objects.count() == 1


def test_what_was_asked_for_again_does_not_count_as_received_live(sender: Sender) -> None:
    now = "2026-11-02T12:00:00Z"
    Delivery.objects.create(
        hook=sender.hook, guid="lost", event="workflow_job", outcome="asked", received_at=now
    )
    assert sender.post(queued(), guid="lost") == 202
    row = Delivery.objects.get()
    assert (row.outcome, row.live) == ("stored", False)
    normalise_waiting()
    assert Job.objects.get().queued_seen_at is None


@pytest.mark.parametrize("size", [1_000_001, 25_000_000])
def test_a_body_over_a_megabyte_is_refused(sender: Sender, size: int) -> None:
    assert sender.post(b"x" * size) == 413
    assert not Delivery.objects.exists()


def test_a_ping_is_answered_and_remembered(sender: Sender) -> None:
    assert sender.post({"zen": "Speak like a human."}, event="ping") == 200
    sender.hook.refresh_from_db()
    assert sender.hook.last_ping_at is not None


def test_other_events_are_only_counted(sender: Sender) -> None:
    assert sender.post({"action": "opened"}, event="issues") == 202
    row = Delivery.objects.get()
    assert (row.outcome, row.event, bytes(row.body)) == ("ignored", "issues", b"")
    assert normalise_waiting() == 0


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"{", b"{}", b'{"action": "queued"}'])
def test_what_nobody_can_read_is_stored_and_then_marked(sender: Sender, body: bytes) -> None:
    assert sender.post(body) == 202
    sender.deliver(queued())
    assert normalise_waiting() == 2
    assert sorted(Delivery.objects.values_list("outcome", flat=True)) == [
        "normalised",
        "unreadable",
    ]


def test_deeply_nested_json_is_marked_as_unreadable(sender: Sender) -> None:
    assert sender.post(b"[" * 400_000) == 202
    normalise_waiting()
    assert Delivery.objects.get().outcome == "unreadable"


def test_a_form_is_read_as_well(sender: Sender) -> None:
    assert sender.post(urlencode({"payload": json.dumps(queued())}).encode()) == 202
    normalise_waiting()
    assert Job.objects.get().name == "build"


def test_a_delivery_is_not_taken_while_the_database_is_down(sender: Sender) -> None:
    def down(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        raise OperationalError("the database is gone")

    with connection.execute_wrapper(down):
        assert sender.post(queued()) == 503
        assert sender.post(queued(), event="ping") == 503
    assert sender.post(queued()) == 202
    with connection.execute_wrapper(down):  # the secret is known by now, the row cannot be written
        assert sender.post(queued()) == 503


def test_only_posts_are_deliveries(sender: Sender) -> None:
    assert Client().get(sender.hook.path).status_code == 405


def test_on_the_host_of_hooks_nothing_else_answers(sender: Sender, settings: Settings) -> None:
    settings.HOOKS_HOST = "hooks.example.com"
    client = Client(headers={"host": "hooks.example.com"})
    assert client.get("/livez").status_code == 404
    assert client.get(sender.hook.path).status_code == 405


def test_the_command_prints_path_and_secret(
    org: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    for slug in ("acme", "ACME", "organization:acme"):
        call_command("job_hook", slug)
    lines = capsys.readouterr().out.splitlines()
    assert len({*lines}) == 1
    told = json.loads(lines[0])
    sender = Sender(org)
    assert told == {"path": sender.hook.path, "secret": sender.secret}
    with pytest.raises(CommandError):
        call_command("job_hook", "nobody")
