"""The database keeps the audit log append-only; tested on the one that the tests run on."""

import pytest
from django.db import DatabaseError, connection, transaction

from runners_app.models import AuditEntry
from runners_app.security import audit
from runners_app.security.audit_guard import install_guard, remove_guard

TABLE = AuditEntry._meta.db_table


@pytest.fixture
def entry(db: None) -> AuditEntry:
    return audit.record(AuditEntry.Action.ACCOUNT_CONNECTED, by=None, subject="acme")


def refused(statement: str, **values: object) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement.format(table=TABLE, **values))
    except DatabaseError as error:
        return "append-only" in str(error)
    return False


def test_an_entry_cannot_be_changed(entry: AuditEntry) -> None:
    assert refused("UPDATE {table} SET subject = 'another' WHERE id = {pk}", pk=entry.pk)


def test_an_entry_within_the_retention_cannot_be_deleted(entry: AuditEntry) -> None:
    assert refused("DELETE FROM {table}")
    assert AuditEntry.objects.count() == 1


def test_an_entry_cannot_be_replaced_by_a_new_one_with_its_id(entry: AuditEntry) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("Only SQLite knows INSERT OR REPLACE; elsewhere it is an UPDATE.")
    columns = "id, at, actor_name, action, account_name, subject, details"
    values = f"{entry.pk}, '2026-11-20', 'eve', 'x', '', '', '{{}}'"
    assert refused(
        "INSERT OR REPLACE INTO {table} ({columns}) VALUES ({values})",
        columns=columns,
        values=values,
    )


def test_the_table_cannot_be_truncated(entry: AuditEntry) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE.")
    assert refused("TRUNCATE {table}")


def test_without_its_triggers_the_log_can_be_changed(entry: AuditEntry) -> None:
    """Shows that the tests above prove the triggers and nothing else."""
    remove_guard()
    assert not refused("UPDATE {table} SET subject = 'another'")
    install_guard()
    assert refused("UPDATE {table} SET subject = 'a third'")


@pytest.mark.django_db(transaction=True)
def test_the_guard_holds_in_a_test_with_real_transactions() -> None:
    audit.record(AuditEntry.Action.ACCOUNT_CONNECTED, by=None)
    assert refused("DELETE FROM {table}")


@pytest.mark.django_db(transaction=True)
def test_the_guard_is_installed_again_after_the_clean_up_of_such_a_test() -> None:
    assert AuditEntry.objects.count() == 0
    audit.record(AuditEntry.Action.ACCOUNT_CONNECTED, by=None)
    assert refused("DELETE FROM {table}")
