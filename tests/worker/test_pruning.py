"""Pruning: history is kept as long as the settings say, and current rows are never deleted."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.models import (
    Account,
    AuditEntry,
    FieldChange,
    Limits,
    Operation,
    OperationEvent,
    ReadingRun,
    Repository,
    Runner,
    SelfHostedRunner,
    Session,
)
from runners_app.runners.requests import request_delete_runner
from runners_app.security.audit import record
from runners_app.tasks import prune_history
from runners_app.worker import pruning

LONG_AGO = timezone.now() - timedelta(days=401)


def test_changes_and_runs_are_deleted_after_their_retention(
    acme: Account, settings: Settings
) -> None:
    runner = Runner.objects.filter(account=acme).earliest("pk")
    old, young = [
        FieldChange.objects.create(
            account=acme, item="runner", item_pk=runner.pk, field="size", at=at
        )
        for at in (LONG_AGO, timezone.now())
    ]
    settings.RUNS_RETENTION_DAYS = 30
    runs = ReadingRun.objects.count()
    first = ReadingRun.objects.earliest("pk")
    ReadingRun.objects.filter(pk=first.pk).update(last_at=timezone.now() - timedelta(days=31))
    prune_history()
    assert list(FieldChange.objects.filter(field="size")) == [young]
    assert old.pk != young.pk
    assert ReadingRun.objects.count() == runs - 1


def test_current_limits_are_kept_however_old_they_are(acme: Account) -> None:
    Limits.objects.filter(account=acme).update(observed_at=LONG_AGO)
    Limits.objects.create(account=acme, maximum=1, used=1, current=False, observed_at=LONG_AGO)
    prune_history()
    assert [limits.current for limits in Limits.objects.filter(account=acme)] == [True]


def test_finished_operations_are_deleted_with_their_events_and_unfinished_ones_kept(
    acme: Account, admin: User
) -> None:
    runners = list(Runner.objects.filter(account=acme, gone_at=None)[:2])
    finished, waiting = [
        request_delete_runner(runner, by=admin, nonce=str(number))
        for number, runner in enumerate(runners)
    ]
    Operation.objects.update(requested_at=LONG_AGO)
    Operation.objects.filter(pk=finished.pk).update(
        state=Operation.State.CONFIRMED, finished_at=LONG_AGO
    )
    prune_history()
    assert list(Operation.objects.all()) == [waiting]
    assert OperationEvent.objects.filter(operation=waiting).exists()


def test_runners_long_gone_are_deleted_and_listed_ones_kept(acme: Account) -> None:
    present = Runner.objects.filter(account=acme).count()
    gone = Runner.objects.filter(account=acme).earliest("pk")
    Runner.objects.filter(pk=gone.pk).update(gone_at=LONG_AGO)
    Runner.objects.exclude(pk=gone.pk).update(first_seen_at=LONG_AGO, observed_at=LONG_AGO)
    prune_history()
    assert Runner.objects.filter(account=acme).count() == present - 1


def test_repositories_long_gone_are_deleted_and_listed_ones_kept(acme: Account) -> None:
    gone, young, *present = Repository.objects.filter(account=acme).order_by("pk")
    Repository.objects.update(first_seen_at=LONG_AGO, observed_at=LONG_AGO)
    Repository.objects.filter(pk=gone.pk).update(gone_at=LONG_AGO)
    Repository.objects.filter(pk=young.pk).update(gone_at=LONG_AGO + timedelta(days=2))
    prune_history()
    assert list(Repository.objects.filter(account=acme).order_by("pk")) == [young, *present]


def test_self_hosted_runners_are_deleted_a_month_after_they_are_gone(
    acme: Account, settings: Settings
) -> None:
    settings.RUNS_RETENTION_DAYS = 30
    now = timezone.now()
    SelfHostedRunner.objects.all().delete()
    for number, days in enumerate((31, 29, None)):
        gone_at = now - timedelta(days=days) if days else None
        seen = {"observed_at": LONG_AGO, "first_seen_at": LONG_AGO, "gone_at": gone_at}
        SelfHostedRunner.objects.create(
            account=acme, github_id=number, name=f"machine-{number}", **seen
        )
    prune_history()
    kept = SelfHostedRunner.objects.order_by("github_id").values_list("name", flat=True)
    assert list(kept) == ["machine-1", "machine-2"]


def test_the_audit_log_is_kept_for_400_days_and_no_longer(db: None) -> None:
    old = AuditEntry.objects.create(at=LONG_AGO, actor_name="max", action="x", details={})
    young = record(AuditEntry.Action.ACCOUNT_CONNECTED, by=None)
    prune_history()
    assert not AuditEntry.objects.filter(pk=old.pk).exists()
    assert AuditEntry.objects.filter(pk=young.pk).exists()


def test_expired_sessions_are_deleted(as_admin: Client) -> None:
    Session.objects.create(
        session_key="ended", session_data="", expire_date=timezone.now() - timedelta(days=1)
    )
    prune_history()
    assert Session.objects.count() == 1


def test_a_large_history_is_deleted_in_small_transactions(
    db: None, acme: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    FieldChange.objects.bulk_create(
        FieldChange(account=acme, item="runner", item_pk=1, field="size", at=LONG_AGO)
        for _ in range(25)
    )
    monkeypatch.setattr(pruning, "BATCH", 10)
    assert pruning.prune(timezone.now())["fieldchange"] == 25
