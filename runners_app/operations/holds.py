"""Holding operations that must not be sent before a person decides."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from runners_app.models import Operation
from runners_app.models.operations import is_overdue, nothing_applied
from runners_app.operations.transitions import NotMoved, stay

STALE = "It was not sent for too long, so a person must confirm it again."


def hold(operations: "QuerySet[Operation]", because: str, note: str) -> int:
    """Hold those of the operations of which nothing was applied; returns how many.

    Call it inside a transaction. An operation that a worker commits as sent at the same time is
    not held, and one that is held is not sent.
    """
    count = 0
    for operation in operations.filter(nothing_applied(), held_because="").order_by("pk"):
        try:
            stay(operation, seconds=0, note=note, held_because=because)
        except NotMoved:
            continue
        count += 1
    return count


def hold_overdue(now: datetime, **accounts: Any) -> int:
    """Hold what was not sent for too long, so that later progress does not send it by surprise.

    `accounts` filters the operations, for example by `account__credential_id`.
    """
    overdue = Operation.objects.filter(is_overdue(now), **accounts)
    if not overdue.exists():
        return 0
    with transaction.atomic():
        return hold(overdue, Operation.HeldBecause.STALE, STALE)
