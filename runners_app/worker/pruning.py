"""Deleting history past its retention, once a night and in small transactions."""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from runners_app.models import (
    Approval,
    AuditEntry,
    Delivery,
    FailedSignIn,
    FieldChange,
    Image,
    ImageVersion,
    Job,
    Limits,
    Operation,
    OperationEvent,
    PoolLevels,
    PoolSums,
    ReadingRun,
    Repository,
    Runner,
    RunnerGroup,
    SelfHostedRunner,
    Session,
    SignInCount,
    WorkflowSums,
)
from runners_app.security.audit_chain import drop_pruned_links

log = logging.getLogger(__name__)
BATCH = 1000
LONGEST_SECONDS = 600
# The guard of the audit log uses the database's clock, which may differ from ours.
GRACE = timedelta(minutes=1)


def prune(now: datetime) -> dict[str, int]:
    """Delete rows past their retention, for LONGEST_SECONDS at most.

    Returns table → number of deleted rows. The rest follows the next night.
    """
    deadline = time.monotonic() + LONGEST_SECONDS
    deleted = {
        rows.model._meta.model_name or "": _delete(rows, deadline) for rows in past_retention(now)
    }
    drop_pruned_links()
    log.info(
        "Pruned: %s.",
        ", ".join(f"{count} {name}" for name, count in deleted.items() if count) or "nothing",
    )
    return deleted


def past_retention(now: datetime) -> list["QuerySet"]:  # type: ignore[type-arg] # of many models
    """Rows to delete; never current limits, unfinished operations, or what GitHub still lists."""
    history = now - timedelta(days=settings.HISTORY_RETENTION_DAYS)
    runs = now - timedelta(days=settings.RUNS_RETENTION_DAYS)
    finished = Operation.objects.filter(finished_at__lt=history).exclude(
        state__in=Operation.UNFINISHED
    )
    return [
        *_jobs_past_retention(now),
        ReadingRun.objects.filter(last_at__lt=runs),
        FieldChange.objects.filter(at__lt=history),
        OperationEvent.objects.filter(operation__in=finished),
        finished,
        Approval.objects.filter(asked_at__lt=history, operations=None).exclude(
            state=Approval.State.WAITING
        ),
        Limits.objects.filter(current=False, observed_at__lt=history),
        ImageVersion.objects.filter(gone_at__lt=history),
        Image.objects.filter(gone_at__lt=history),
        RunnerGroup.objects.filter(gone_at__lt=history),
        Runner.objects.filter(gone_at__lt=history),
        Repository.objects.filter(gone_at__lt=history),
        # Sooner than others, because ephemeral ones get a new id for every job.
        SelfHostedRunner.objects.filter(gone_at__lt=runs),
        AuditEntry.objects.filter(
            at__lt=now - timedelta(days=settings.AUDIT_RETENTION_DAYS) - GRACE
        ),
        FailedSignIn.objects.filter(at__lt=now - timedelta(days=1)),
        SignInCount.objects.filter(expires_at__lt=now),
        Session.objects.filter(expire_date__lt=now),
    ]


def _jobs_past_retention(now: datetime) -> list["QuerySet"]:  # type: ignore[type-arg]
    """Of jobs on standard and self-hosted machines nothing stays."""
    deliveries = now - timedelta(days=settings.DELIVERIES_RETENTION_DAYS)
    jobs = now - timedelta(days=settings.JOBS_RETENTION_DAYS)
    sums = now - timedelta(days=settings.JOB_SUMS_RETENTION_DAYS)
    other = Job.objects.filter(kind__in=(Job.Kind.STANDARD, Job.Kind.SELF_HOSTED))
    return [
        Delivery.objects.filter(received_at__lt=deliveries),
        other.filter(ended_at__lt=deliveries),
        Job.objects.filter(created_at__lt=jobs),
        PoolSums.objects.filter(start__lt=sums),
        WorkflowSums.objects.filter(start__lt=sums),
        PoolLevels.objects.filter(start__lt=sums),
    ]


def _delete(rows: "QuerySet", deadline: float) -> int:  # type: ignore[type-arg]
    deleted = 0
    while time.monotonic() < deadline:
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not keys:
            break
        deleted += (
            rows.model._default_manager.filter(pk__in=keys)
            .delete()[1]
            .get(rows.model._meta.label, 0)
        )
    return deleted
