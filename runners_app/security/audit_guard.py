"""Triggers that protect the audit log: no UPDATE, and no DELETE within the retention.

Older entries are deleted by `worker.pruning`, once a night. The triggers are installed again after
every migration, because SQLite silently drops them when a table is altered.
"""

from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from runners_app.models import AuditEntry

REFUSAL = "the audit log is append-only"


def install_guard(using: str = "default", **_: Any) -> None:
    """Install the triggers, replacing earlier ones. Receiver of `post_migrate`; also for tests."""
    connection = connections[using]
    table = AuditEntry._meta.db_table
    if table not in connection.introspection.table_names():
        return
    days = int(settings.AUDIT_RETENTION_DAYS)
    statements = _sqlite(table, days) if connection.vendor == "sqlite" else _postgresql(table, days)
    _run(connection, [*_removal(connection, table), *statements])


def remove_guard(using: str = "default") -> None:
    """Remove the triggers. Only for tests, whose clean-up empties every table."""
    connection = connections[using]
    _run(connection, _removal(connection, AuditEntry._meta.db_table))


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _removal(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    on_table = "" if connection.vendor == "sqlite" else f" ON {table}"
    return [
        f"DROP TRIGGER IF EXISTS audit_no_{verb}{on_table}"
        for verb in ("update", "delete", "replace", "truncate")
    ]


def _sqlite(table: str, days: int) -> list[str]:
    """With one against INSERT OR REPLACE, which deletes rows without firing those of DELETE."""
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    is_there = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"  # noqa: S608 - our own table's name
    return [
        f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {table} "
        f"WHEN OLD.at > datetime('now', '-{days} days') {refuse}",
        f"CREATE TRIGGER audit_no_replace BEFORE INSERT ON {table} WHEN {is_there} {refuse}",
    ]


def _postgresql(table: str, days: int) -> list[str]:
    """With a trigger against TRUNCATE, which does not fire those of DELETE."""
    return [
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$",
        f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
        f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {table} FOR EACH ROW "
        f"WHEN (OLD.at > now() - interval '{days} days') EXECUTE FUNCTION audit_refuse()",
        f"CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {table} "
        "EXECUTE FUNCTION audit_refuse()",
    ]
