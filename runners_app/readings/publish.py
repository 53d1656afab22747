"""Publishing: what GitHub answered becomes rows, in one transaction, and only what differs is
written.
"""

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
# Moves with every job and is itself a time: as history it would say nothing and fill the table.
WITHOUT_HISTORY = frozenset({"last_active_on"})


@dataclass
class Counts:
    """Rows written by one run."""

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
    """Rows of one kind, as a complete list or a part of it showed them.

    `scope` are the columns all rows share (account, image, source); `key` names the column that
    identifies a row within the scope. `kept` are keys on pages that had not changed: present,
    values as they stand.
    """

    model: type[models.Model]
    scope: dict[str, Any]
    key: str
    rows: dict[Any, Values] = field(default_factory=dict)
    kept: set[Any] = field(default_factory=set)
    complete: bool = True


def publish_rows(
    rows: RowSet, *, account: Account, begun: datetime, operation: Operation | None = None
) -> Counts:
    """Write what differs; mark as gone what a complete list lacks. Call it inside a transaction.

    A row observed after `begun` is left alone, so that a slow list never undoes a fresh write.
    """
    now = timezone.now()
    stored = {
        key: (pk, row_hash, observed_at, gone_at)
        for pk, key, row_hash, observed_at, gone_at in rows.model._default_manager.filter(
            **rows.scope
        ).values_list("pk", rows.key, "row_hash", "observed_at", "gone_at")
    }
    fresh: dict[Any, Values] = {}
    differing: dict[int, tuple[Values, str]] = {}
    for key, values in rows.rows.items():
        row_hash = hash_of(values)
        if key not in stored:
            fresh[key] = {**values, "row_hash": row_hash}
            continue
        pk, old_hash, observed_at, gone_at = stored[key]
        if observed_at <= begun and (old_hash != row_hash or gone_at is not None):
            differing[pk] = (values, row_hash)
    missing = [
        pk
        for key, (pk, _, observed_at, gone_at) in stored.items()
        if rows.complete
        and gone_at is None
        and key not in rows.rows
        and key not in rows.kept
        and observed_at <= begun
    ]
    _add(rows, fresh, now)
    changes = _change(rows, differing, now) + _mark_gone(rows, missing, now)
    _keep_history(rows, changes, account, now, operation)
    return Counts(len(fresh), len(differing), len(missing))


Change = tuple[int, str, object, object]  # primary key, field, before, after


def _add(rows: RowSet, fresh: Mapping[Any, Values], now: datetime) -> None:
    made = [
        rows.model(**rows.scope, **{rows.key: key}, **_times_of_new(rows.model, now), **values)
        for key, values in fresh.items()
    ]
    rows.model._default_manager.bulk_create(made, batch_size=500)


def _times_of_new(model: type[models.Model], now: datetime) -> Values:
    times = {"observed_at": now, "first_seen_at": now}
    return {**times, "status_since": now} if model is Runner else times


def _change(
    rows: RowSet, differing: Mapping[int, tuple[Values, str]], now: datetime
) -> list[Change]:
    if not differing:
        return []
    changes: list[Change] = []
    written = {"row_hash", "observed_at", "gone_at"}
    changed_rows = list(rows.model._default_manager.in_bulk(list(differing)).values())
    for row in changed_rows:
        values, row_hash = differing[row.pk]
        written.update(values)
        if isinstance(row, Runner) and row.status != values["status"]:
            written.add("status_since")
            row.status_since = now
        if getattr(row, "gone_at", None) is not None:
            changes.append((row.pk, "gone_at", row.gone_at, None))  # type: ignore[attr-defined]
        for name, after in values.items():
            before = getattr(row, name)
            if before != after:
                changes.append((row.pk, name, before, after))
                setattr(row, name, after)
        for name, value in (("row_hash", row_hash), ("observed_at", now), ("gone_at", None)):
            setattr(row, name, value)
    for row in changed_rows:
        row.pk = None  # the conflict to resolve is that of the scope and key
    unique = {"image", rows.key} if rows.model is ImageVersion else {*rows.scope, rows.key}
    rows.model._default_manager.bulk_create(
        changed_rows,
        update_conflicts=True,
        unique_fields=sorted(unique),
        update_fields=sorted(written),
        batch_size=500,
    )
    return changes


def _mark_gone(rows: RowSet, missing: list[int], now: datetime) -> list[Change]:
    rows.model._default_manager.filter(pk__in=missing).update(gone_at=now, observed_at=now)
    return [(pk, "gone_at", None, now) for pk in missing]


def _keep_history(
    rows: RowSet,
    changes: list[Change],
    account: Account,
    now: datetime,
    operation: Operation | None,
) -> None:
    item = ITEMS.get(rows.model)
    if item is None:
        return
    FieldChange.objects.bulk_create(
        [
            FieldChange(
                account=account,
                item=item,
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
    return value.isoformat() if isinstance(value, datetime) else value
