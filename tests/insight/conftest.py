"""An organization with jobs of the last hour, for pages and the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from runners_app.jobs.ingest import normalise_waiting
from runners_app.jobs.sums import sum_stale
from runners_app.models import Account
from tests.jobs.conftest import make_account, sender
from tests.jobs.payloads import Payload, completed, in_progress, queued, waiting
from tests.jobs.posting import Sender

__all__ = ["busy", "org", "sender", "shift"]

HOSTILE = '"><script>alert(1)</script>'


def shift(payload: Payload, seconds_ago: float) -> Payload:
    """The delivery with its times moved: what began at noon began so many seconds ago."""
    noon = datetime(2026, 11, 2, 12, tzinfo=UTC)
    moved = timezone.now() - timedelta(seconds=seconds_ago) - noon
    job = payload["workflow_job"]

    def move(text: str | None) -> str | None:
        if text is None:
            return None
        return (datetime.fromisoformat(text) + moved).strftime("%Y-%m-%dT%H:%M:%SZ")

    for name in ("created_at", "started_at", "completed_at"):
        job[name] = move(job[name])
    for step in job["steps"]:
        step["started_at"] = move(step["started_at"])
    return payload


@pytest.fixture
def org(db: None) -> Account:
    return make_account(
        "acme", {7: ("builders", ["big-linux", "big-linux-gpu"]), 8: ("others", ["secret-pool"])}
    )


@pytest.fixture
def busy(sender: Sender) -> Sender:
    """Jobs of the last hour, one that runs, and some that wait for several reasons."""
    hostile: Payload = {"name": HOSTILE, "workflow_name": HOSTILE, "head_branch": HOSTILE}
    secret: Payload = {
        "labels": ["secret-pool"],
        "runner_group_id": 8,
        "name": "secret-job",
        "workflow_name": "secret-workflow",
    }
    hidden = completed(40, 100, id=50, **secret)
    hidden["repository"] = {"id": 32, "name": "x", "full_name": "acme/secret-repository"}
    sender.deliver(
        *(shift(completed(40, 100, id=number, **hostile), 3000) for number in range(1, 4)),
        shift(hidden, 3000),
        shift(in_progress(40, id=10), 600),
        shift(queued(id=11), 300),
        shift(queued(id=12, labels=["no-such-label"]), 200),
        shift(waiting(id=13, labels=["big-linux-gpu"]), 100),
    )
    normalise_waiting()
    sum_stale(timezone.now())
    return sender
