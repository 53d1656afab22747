"""Requesting many writes at once: a batch takes a few statements for any number of operations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from django.db import transaction
from django.utils import timezone

from runners_app.credentials.wake import wake_on_commit
from runners_app.models import Account, AuditEntry, Operation, OperationEvent
from runners_app.operations.requests import TARGETS
from runners_app.security import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

AT_ONCE = 500  # rows of one INSERT


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
) -> None:
    """Store an operation per item with one audit entry for all, and wake the workers.

    With `first`, only that many are sent; the rest are held until a person continues the batch. A
    batch that was stored before stays as it is, so a form that arrives twice requests nothing new.
    """
    # The lock makes a form that arrives twice at the same moment wait here for the first one.
    list(Account.objects.select_for_update().filter(pk__in=_accounts(items)).order_by("pk"))
    if not items or Operation.objects.filter(batch=batch).exists():
        return

    now = timezone.now()
    operations = [
        Operation(
            nonce=str(uuid5(batch, item.key)),
            batch=batch,
            account=item.account,
            kind=kind,
            target=TARGETS.get(kind, Operation.Target.RUNNER),
            actor=by,
            actor_name=by.get_username(),
            requested_at=now,
            confirmed_at=now,
            next_step_at=now,
            held_because="" if first is None or number < first else Operation.HeldBecause.STAGED,
            **item.values,
        )
        for number, item in enumerate(items)
    ]
    Operation.objects.bulk_create(operations, batch_size=AT_ONCE)
    OperationEvent.objects.bulk_create(
        [
            OperationEvent(
                operation=operation,
                at=now,
                state=operation.state,
                by=operation.actor_name,
                note="Requested.",
            )
            for operation in operations
        ],
        batch_size=AT_ONCE,
    )
    accounts = {item.account.pk: item.account for item in items}
    audit.record(
        AuditEntry.Action(f"operation.{kind}"),
        by=by,
        account=items[0].account if len(accounts) == 1 else None,
        subject=subject,
        details={
            "batch": str(batch),
            "operations": len(operations),
            "accounts": sorted(str(account) for account in accounts.values()),
            "wanted": _common_changes(operations),
        },
    )
    Account.objects.filter(pk__in=accounts).raise_versions()
    for credential_id in {account.credential_id for account in accounts.values()}:
        wake_on_commit(credential_id)


def _accounts(items: Iterable[BatchItem]) -> set[int]:
    return {item.account.pk for item in items}


def _common_changes(operations: Sequence[Operation]) -> dict[str, object]:
    """The changed values that are the same in every operation; ids differ between accounts."""
    common = dict(operations[0].changed_fields)
    for operation in operations[1:]:
        changed = operation.changed_fields
        common = {
            name: value for name, value in common.items() if changed.get(name, value) == value
        }
    return common
