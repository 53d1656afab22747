"""Requesting many writes at once: a batch takes a few statements for any number of operations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from django.db import connection, transaction
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from runners_app.credentials.wake import wake_on_commit
from runners_app.models import Account, AuditEntry, Operation, OperationEvent
from runners_app.operations.approvals import ask_where_needed
from runners_app.operations.requests import TARGETS
from runners_app.security import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True)
class BatchItem:
    """One write of a batch. `key` is unique in it; `values` are columns of the operation."""

    account: Account
    key: str
    values: dict[str, Any]


@transaction.atomic
def request_batch(
    kind: str,
    items: Sequence[BatchItem],
    *,
    by: "User",
    batch: UUID,
    subject: str,
    first: int | None = None,
    action: AuditEntry.Action | None = None,
) -> None:
    """Store an operation per item with one audit entry for all, and wake the workers.

    The audit entry says that the operations of `kind` were requested, unless `action` is given.

    With `first`, only that many are sent; the rest are held until a person continues the batch. A
    batch that was stored before stays as it is, so a form that arrives twice requests nothing new.
    """
    # The lock makes a form that arrives twice at the same moment wait here for the first one.
    list(Account.objects.select_for_update().filter(pk__in=_accounts(items)).order_by("pk"))
    if not items or Operation.objects.filter(batch=batch).exists():
        return

    now = timezone.now()
    common = Operation(
        batch=batch,
        account=items[0].account,
        kind=kind,
        target=TARGETS.get(kind, Operation.Target.RUNNER),
        actor=by,
        actor_name=by.get_username(),
        requested_at=now,
        confirmed_at=now,
        next_step_at=now,
    )
    rows = [
        {
            "held_because": (
                "" if first is None or number < first else Operation.HeldBecause.STAGED.value
            ),
            **item.values,
            "nonce": str(uuid5(batch, item.key)),
            "account_id": item.account.pk,
        }
        for number, item in enumerate(items)
    ]
    _insert_operations(common, rows)
    _insert_events(common)
    ask_where_needed(Operation.objects.filter(batch=batch), by=by, batch_size=len(items))

    accounts = {item.account.pk: item.account for item in items}
    audit.record(
        action or AuditEntry.Action(f"operation.{kind}"),
        by=by,
        account=items[0].account if len(accounts) == 1 else None,
        subject=subject,
        details={
            "batch": str(batch),
            "operations": len(items),
            "accounts": sorted(str(account) for account in accounts.values()),
            "wanted": _common_changes(rows),
        },
    )
    Account.objects.filter(pk__in=accounts).raise_versions()
    for credential_id in {account.credential_id for account in accounts.values()}:
        wake_on_commit(credential_id)


def audit_batch(action: AuditEntry.Action, operations: Sequence[Operation], *, by: "User") -> None:
    """Write one audit entry about operations of one batch; there must be at least one."""
    accounts = {row.account_id: row.account for row in operations}
    first = operations[0]
    names = sorted({row.target_name for row in operations})
    audit.record(
        action,
        by=by,
        account=first.account if len(accounts) == 1 else None,
        subject=", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else ""),
        details={
            "batch": str(first.batch),
            "operations": len(operations),
            "accounts": sorted(str(account) for account in accounts.values()),
        },
    )


def _accounts(items: Iterable[BatchItem]) -> set[int]:
    return {item.account.pk for item in items}


def _insert_operations(common: Operation, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert operations that differ from `common` in the columns of `rows`.

    bulk_create would take most of the time of a large batch to prepare equal values again.
    """
    fields = [
        field
        for field in Operation._meta.concrete_fields
        if not field.primary_key and not isinstance(getattr(common, field.attname), DatabaseDefault)
    ]
    same = [field.get_db_prep_save(getattr(common, field.attname), connection) for field in fields]
    parameters = [
        [
            field.get_db_prep_save(row[field.attname], connection)
            if field.attname in row
            else value
            for field, value in zip(fields, same, strict=True)
        ]
        for row in rows
    ]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {quote(Operation._meta.db_table)} ({columns}) VALUES ({places})",  # noqa: S608 -- our own names
            parameters,
        )


def _insert_events(common: Operation) -> None:
    """Begin the timeline of every operation of the batch."""
    quote = connection.ops.quote_name
    batch = Operation._meta.get_field("batch").get_db_prep_save(common.batch, connection)
    at = OperationEvent._meta.get_field("at").get_db_prep_save(common.requested_at, connection)
    events, operations = (quote(model._meta.db_table) for model in (OperationEvent, Operation))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {events} (operation_id, at, state, {quote('by')}, note, request_id)"  # noqa: S608 -- our own names
            f" SELECT id, %s, state, %s, %s, '' FROM {operations} WHERE batch = %s ORDER BY id",
            [at, common.actor_name, "Requested.", batch],
        )


def _common_changes(rows: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """The changed values that are the same in every operation; ids differ between accounts."""

    def changes(row: Mapping[str, Any]) -> dict[str, object]:
        wanted, base = row.get("wanted", {}), row.get("base", {})
        return {name: value for name, value in wanted.items() if base.get(name) != value}

    common = changes(rows[0])
    for row in rows[1:]:
        changed = changes(row)
        common = {
            name: value for name, value in common.items() if changed.get(name, value) == value
        }
    return common
