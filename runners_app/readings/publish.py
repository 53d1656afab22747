"""Publishing rows: write what differs from our tables, with history, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone

from runners_app.models import (
    Account,
    FieldChange,
    Image,
    ImageVersion,
    Operation,
    Runner,
    RunnerGroup,
)
from runners_app.readings.rows import Values, hash_of

ITEMS: dict[type[models.Model], str] = {
    Runner: FieldChange.Item.RUNNER,
    RunnerGroup: FieldChange.Item.GROUP,
    Image: FieldChange.Item.IMAGE,
    ImageVersion: FieldChange.Item.IMAGE_VERSION,
}
# Columns of our own; and one that changes with every job and would only fill the table.
WITHOUT_HISTORY = frozenset({"row_hash", "observed_at", "status_since", "last_active_on"})


@dataclass
class Counts:
    """Numbers of rows written by one run."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    def __iadd__(self, other: "Counts") -> "Counts":
        self.added += other.added
        self.changed += other.changed
        self.removed += other.removed
        return self

    @property
    def any(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass
class RowSet:
    """Rows of one model, as a complete list or a part of it shows them.

    `scope` holds the columns that all rows share (account, image, source); `key` names the column
    that identifies a row within the scope. `rows` are values by key; `kept` are the keys on pages
    that were not modified: present, with the values we have.
    """

    model: type[models.Model]
    scope: dict[str, Any]
    key: str
    rows: dict[Any, Values] = field(default_factory=dict)
    kept: set[Any] = field(default_factory=set)
    complete: bool = True


Change = tuple[int, str, object, object]  # primary key, field, before, after


def publish_rows(
    rows: RowSet, *, account: Account, begun: datetime, operation: Operation | None = None
) -> Counts:
    """Write what differs, and mark as gone what a complete list lacks, inside a transaction.

    Rows observed after `begun` are left alone, so that a slow list does not undo a newer write.
    Changes go into the history as made by `operation`, or outside Trackside.
    """
    now = timezone.now()
    stored = {
        key: (pk, row_hash, observed_at, gone_at)
        for pk, key, row_hash, observed_at, gone_at in rows.model._default_manager.filter(
            **rows.scope
        ).values_list("pk", rows.key, "row_hash", "observed_at", "gone_at")
    }

    added: dict[Any, Values] = {}
    differing: dict[int, Values] = {}
    for key, values in rows.rows.items():
        row_hash = hash_of(values)
        if key not in stored:
            added[key] = {**values, "row_hash": row_hash}
            continue
        pk, old_hash, observed_at, gone_at = stored[key]
        if observed_at <= begun and (old_hash != row_hash or gone_at is not None):
            differing[pk] = {**values, "row_hash": row_hash}

    missing = [
        pk
        for key, (pk, _, observed_at, gone_at) in stored.items()
        if rows.complete
        and gone_at is None
        and key not in rows.rows
        and key not in rows.kept
        and observed_at <= begun
    ]

    _add(rows, added, now)
    changes = _change(rows.model, differing, now) + _mark_gone(rows.model, missing, now)
    _store_history(rows.model, changes, account, now, operation)
    return Counts(len(added), len(differing), len(missing))


def _add(rows: RowSet, added: Mapping[Any, Values], now: datetime) -> None:
    times = {"observed_at": now, "first_seen_at": now}
    if rows.model is Runner:
        times["status_since"] = now
    rows.model._default_manager.bulk_create(
        [rows.model(**rows.scope, **{rows.key: key}, **times, **added[key]) for key in added],
        batch_size=500,
    )


def _change(
    model: type[models.Model], differing: Mapping[int, Values], now: datetime
) -> list[Change]:
    """Write values by primary key, and return what changed in each row."""
    changes: list[Change] = []
    written: set[str] = set()
    stored = model._default_manager.in_bulk(list(differing))
    for pk, row in stored.items():
        values = {**differing[pk], "observed_at": now, "gone_at": None}
        if isinstance(row, Runner) and row.status != values["status"]:
            values["status_since"] = now
        for name, after in values.items():
            before = getattr(row, name)
            if before != after:
                changes.append((pk, name, before, after))
                setattr(row, name, after)
                written.add(name)

    # An upsert on the primary key: many times quicker than an UPDATE with a CASE for each row.
    if written:
        model._default_manager.bulk_create(
            stored.values(),
            update_conflicts=True,
            unique_fields=["pk"],
            update_fields=sorted(written),
            batch_size=500,
        )
    return changes


def _mark_gone(model: type[models.Model], missing: list[int], now: datetime) -> list[Change]:
    model._default_manager.filter(pk__in=missing).update(gone_at=now, observed_at=now)
    return [(pk, "gone_at", None, now) for pk in missing]


def _store_history(
    model: type[models.Model],
    changes: list[Change],
    account: Account,
    now: datetime,
    operation: Operation | None,
) -> None:
    if model not in ITEMS:
        return
    FieldChange.objects.bulk_create(
        [
            FieldChange(
                account=account,
                item=ITEMS[model],
                item_pk=pk,
                field=name,
                before=_plain(before),
                after=_plain(after),
                at=now,
                operation=operation,
            )
            for pk, name, before, after in changes
            if name not in WITHOUT_HISTORY
        ],
        batch_size=500,
    )


def _plain(value: object) -> object:
    """A value as JSON can hold it."""
    return value.isoformat() if isinstance(value, datetime) else value
