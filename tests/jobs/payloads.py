"""Deliveries and REST answers of our own writing, in GitHub's shape."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 11, 2, 12, 0, 0, tzinfo=UTC)

Payload = dict[str, Any]


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def stamp(seconds: float | None, fraction: bool = False) -> str | None:
    """As GitHub writes it; times of steps carry a fraction."""
    if seconds is None:
        return None
    return at(seconds).strftime("%Y-%m-%dT%H:%M:%S") + (".000Z" if fraction else "Z")


def job(**fields: object) -> Payload:
    """A job that runs on a larger runner's machine, unless `fields` say otherwise."""
    return {
        "id": 4_000_000_001,
        "run_id": 900_001,
        "run_attempt": 1,
        "name": "build",
        "workflow_name": "CI",
        "head_branch": "main",
        "labels": ["big-linux"],
        "status": "queued",
        "conclusion": None,
        "created_at": stamp(0),
        "started_at": stamp(0),
        "completed_at": None,
        "steps": [],
        "runner_id": None,
        "runner_name": None,
        "runner_group_id": None,
        "runner_group_name": None,
        **fields,
    }


MACHINE: Payload = {
    "runner_id": 1_000_000_123,
    "runner_name": "big-linux_0a1b2c3d4e5f",
    "runner_group_id": 7,
    "runner_group_name": "builders",
}


def delivery(action: str, **fields: object) -> Payload:
    return {
        "action": action,
        "workflow_job": job(**fields),
        "repository": {
            "id": 31,
            "name": "web",
            "full_name": "acme/web",
            "owner": {"login": "acme"},
        },
        "organization": {"id": 1, "login": "acme"},
        "sender": {"login": "mona", "id": 5},
    }


def waiting(**fields: object) -> Payload:
    return delivery("waiting", status="waiting", **fields)


def queued(**fields: object) -> Payload:
    return delivery("queued", **fields)


def in_progress(started: float, **fields: object) -> Payload:
    set_up = {"name": "Set up job", "status": "in_progress", "number": 1}
    usual: Payload = {
        "status": "in_progress",
        "started_at": stamp(started),
        "steps": [{**set_up, "started_at": stamp(started, fraction=True)}],
        **MACHINE,
    }
    return delivery("in_progress", **{**usual, **fields})


def completed(started: float, ended: float, **fields: object) -> Payload:
    set_up = {"name": "Set up job", "status": "completed", "number": 1}
    usual: Payload = {
        "status": "completed",
        "conclusion": "success",
        "started_at": stamp(started),
        "completed_at": stamp(ended),
        "steps": [{**set_up, "started_at": stamp(started, fraction=True)}],
        **MACHINE,
    }
    return delivery("completed", **{**usual, **fields})
