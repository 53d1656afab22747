"""The hash chain over the audit log: what it shows, and what it costs."""

import io
import json
import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from dashboard.logs import BareFormatter
from runners_app.models import Account, AuditEntry, AuditLink, Membership
from runners_app.security import audit
from runners_app.security.audit_chain import drop_pruned_links, link_entries, log_head, verify
from runners_app.security.audit_guard import install_guard, remove_guard


def add_entries(count: int) -> list[AuditEntry]:
    return [
        audit.record(
            AuditEntry.Action.SIGN_IN, by=None, subject=f"é {number}", details={"n": [number, 1.5]}
        )
        for number in range(count)
    ]


@pytest.fixture
def unguarded(db: None) -> None:
    """The database without its triggers, as an administrator of it can have it."""
    remove_guard()


def said_by_command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("verify_audit", *arguments, stdout=out)
    return out.getvalue()


def test_every_entry_is_linked_once_and_verified(db: None) -> None:
    add_entries(5)
    assert link_entries() == 5
    add_entries(2)
    assert link_entries() == 2
    assert link_entries() == 0
    assert verify().problem == ""
    assert verify().links == 7
    assert "Verified 7 links" in said_by_command()


@pytest.mark.parametrize(
    "change",
    [{"subject": "forged"}, {"actor_name": "eve"}, {"details": {"n": [1, 2.5]}}, {"account_id": 7}],
)
def test_a_changed_entry_is_named(unguarded: None, change: dict[str, object]) -> None:
    entries = add_entries(5)
    link_entries()
    AuditEntry.objects.filter(pk=entries[2].pk).update(**change)
    with pytest.raises(CommandError, match=rf"Link 3: entry {entries[2].pk} or the link"):
        call_command("verify_audit")


def test_a_removed_entry_and_a_removed_link_are_named(unguarded: None) -> None:
    entries = add_entries(5)
    link_entries()
    AuditEntry.objects.filter(pk=entries[3].pk).delete()
    assert verify().problem == f"Link 4: entry {entries[3].pk} is missing."
    AuditLink.objects.filter(position=2).delete()
    assert verify().problem == "Link 2 is missing."


def test_entries_that_commit_late_are_linked_too(db: None) -> None:
    first, *_ = add_entries(3)
    late = AuditEntry(pk=first.pk - 1, at=timezone.now(), actor_name="x", action="sign_in")
    link_entries()
    late.save(force_insert=True)
    assert link_entries() == 1
    assert verify().problem == ""


def test_pruning_leaves_an_anchor_and_the_rest_verifies(unguarded: None) -> None:
    entries = add_entries(6)
    link_entries()
    AuditEntry.objects.filter(pk__in=[entry.pk for entry in entries[:4]]).delete()
    assert drop_pruned_links() == 3
    assert list(AuditLink.objects.values_list("position", flat=True)) == [4, 5, 6]
    assert verify().problem == ""
    assert verify().links == 2
    AuditLink.objects.filter(position=4).delete()
    assert verify().problem == "Link 1 is missing."


def test_the_newest_digest_is_logged_and_a_chain_computed_again_lacks_it(
    unguarded: None, caplog: pytest.LogCaptureFixture
) -> None:
    entries = add_entries(3)
    link_entries()
    logging.getLogger("audit").addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger="audit"):
            log_head()
    finally:
        logging.getLogger("audit").removeHandler(caplog.handler)
    head = json.loads(caplog.messages[-1])
    assert head["audit_chain_position"] == 3
    assert "Verified 3" in said_by_command("--digest", head["audit_chain_digest"])
    AuditEntry.objects.filter(pk=entries[0].pk).update(subject="forged")
    AuditLink.objects.all().delete()
    link_entries()
    assert verify().problem == ""
    with pytest.raises(CommandError, match="computed again"):
        call_command("verify_audit", "--digest", head["audit_chain_digest"])


def test_each_entry_is_written_to_the_audit_log_as_json_without_secrets(
    db: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(BareFormatter())
    logging.getLogger("audit").addHandler(handler)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            audit.record(AuditEntry.Action.SIGN_IN, by=None, subject="ghp_" + "a1B2" * 9)
    finally:
        logging.getLogger("audit").removeHandler(handler)
    line = json.loads(out.getvalue())
    assert line["action"] == "sign_in"
    assert line["subject"] == "[hidden]"


def test_what_a_user_is_refused_is_audited_and_not_without_limit(
    as_lead: Client, lead: User, acme: Account
) -> None:
    Membership.objects.create(user=lead, account=acme, role="viewer")
    as_lead.get("/people/")
    as_lead.post(f"/accounts/{acme.pk}/pause/", {"on": "yes"})
    refused = AuditEntry.objects.filter(action="access.refused").order_by("pk")
    assert [(row.actor_name, row.subject) for row in refused] == [
        ("lin", "GET /people/"),
        ("lin", f"POST /accounts/{acme.pk}/pause/"),
    ]
    assert "Only administrators" in refused[0].details["reason"]
    for _ in range(40):
        as_lead.get("/people/")
    assert refused.all().count() == 30


def test_the_retention_is_at_least_400_days_and_the_database_keeps_a_longer_one(
    db: None, settings: pytest.FixtureRequest
) -> None:
    settings.AUDIT_RETENTION_DAYS = 500  # type: ignore[attr-defined]
    install_guard()
    entry = AuditEntry.objects.create(
        at=timezone.now() - timedelta(days=450), actor_name="x", action="sign_in"
    )
    with pytest.raises(Exception, match="append-only"):
        entry.delete()
