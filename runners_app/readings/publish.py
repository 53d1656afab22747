"""Publishing rows: write what differs from our tables, with history, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models

from runners_app.models import (
    Account,
    FieldChange,
    Image,
    ImageVersion,
    Operation,
    Runner,
    RunnerGroup,
)
from runners_app.models.clock import database_now
from runners_app.readings.rows import Values, hash_of

ITEMS: dict[type[models.Model], str] = {
    Runner: FieldChange.Item.RUNNER,
    RunnerGroup: FieldChange.Item.GROUP,
    Image: FieldChange.Item.IMAGE,
    ImageVersion: FieldChange.Item.IMAGE_VERSION,
}
# Columns of our own; and one that changes with every job and would only fill the table.
WITHOUT_HISTORY = frozenset(
    {"row_hash", "observed_at", "missing_since", "status_since", "last_active_on"}
)


@dataclass
class Counts:
    """Numbers of rows written by one run, and since when rows are missing, if any are."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    missing_since: datetime | None = None

    def __iadd__(self, other: "Counts") -> "Counts":
        self.added += other.added
        self.changed += other.changed
        self.removed += other.removed
        since = [each for each in (self.missing_since, other.missing_since) if each]
        self.missing_since = min(since, default=None)
        return self

    @property
    def any(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass
class RowSet:
    """Rows of one model, as a complete list or a part of it shows them.

    `scope` holds the columns that all rows share (account, image, source); `key` names the column
    that identifies a row within the scope. `rows` are values by key; `kept` are the keys on pages
    that were not modified: present, with the values we have. Only a `complete` list shows that
    other rows are absent; `proof` is what else was found out about them.
    """

    model: type[models.Model]
    scope: dict[str, Any]
    key: str
    rows: dict[Any, Values] = field(default_factory=dict)
    kept: set[Any] = field(default_factory=set)
    complete: bool = True
    proof: "Proof" = field(default_factory=lambda: Proof())

    def absent_keys(self, begun: datetime) -> set[Any]:
        """Keys of the stored rows that this list lacks, unless observed after it `begun`."""
        stored = self.model._default_manager.filter(
            **self.scope, gone_at=None, observed_at__lte=begun
        )
        return {*stored.values_list(self.key, flat=True)} - self.rows.keys() - self.kept


@dataclass
class Proof:
    """What is known about the rows that a list lacks.

    `gone` are keys for which a direct GET answered 404. `is_unconditional` says that the list was
    read without `If-None-Match`, and `is_sampled` that of the absent rows as many as are worth
    asking for answered 404, or that their kind cannot be asked for one by one.
    """

    gone: set[Any] = field(default_factory=set)
    is_unconditional: bool = False
    is_sampled: bool = False


# A list that lost more than this share of its rows needs direct GETs as proof, too.
MOST_LOST = 0.2

Change = tuple[int, str, object, object]  # primary key, field, before, after


def publish_rows(
    rows: RowSet, *, account: Account, begun: datetime, operation: Operation | None = None
) -> Counts:
    """Write what differs, inside a transaction; mark what a complete list lacks as missing or gone.

    A missing row shows no change anywhere. It is gone once a direct GET answered 404, or once a
    second unconditional list agrees, ABSENCE_PROOF_SECONDS after the first; a list that is empty or
    lost more than MOST_LOST needs direct GETs as well.

    Rows observed after `begun` are left alone, so that a slow list does not undo a newer write.
    Changes go into the history as made by `operation`, or outside Trackside.
    """
    now = database_now()
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

    gone, missing_since = _sort_absent(rows, begun, now)
    _add(rows, added, now)
    changes = _change(rows.model, differing, now) + _mark_gone(rows.model, gone, now)
    _store_history(rows.model, changes, account, now, operation)
    return Counts(len(added), len(differing), len(gone), missing_since)


def _sort_absent(rows: RowSet, begun: datetime, now: datetime) -> tuple[list[int], datetime | None]:
    """Primary keys of rows that are gone, and since when the earliest of the others is missing."""
    present = rows.model._default_manager.filter(**rows.scope, gone_at=None)
    listed = rows.rows.keys() | rows.kept
    missing = present.exclude(missing_since=None).values_list("pk", rows.key)
    if back := [pk for pk, key in missing if key in listed]:
        present.filter(pk__in=back).update(missing_since=None)
    if not rows.complete:
        return [], None

    absent = rows.absent_keys(begun)
    if not absent:
        return [], None
    is_mass_loss = not listed or len(absent) > MOST_LOST * (len(listed) + len(absent))
    may_agree = rows.proof.is_unconditional and (rows.proof.is_sampled or not is_mass_loss)
    agreed_before = begun - timedelta(seconds=settings.ABSENCE_PROOF_SECONDS)

    gone: list[int] = []
    still_missing: list[datetime] = []
    newly_missing: list[int] = []
    for pk, key, since in present.values_list("pk", rows.key, "missing_since"):
        if key not in absent:
            continue
        if key in rows.proof.gone or (may_agree and since and since <= agreed_before):
            gone.append(pk)
        elif since is None:
            newly_missing.append(pk)
        else:
            still_missing.append(since)
    present.filter(pk__in=newly_missing).update(missing_since=now)
    if newly_missing:
        still_missing.append(now)
    return gone, min(still_missing, default=None)


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
        values = {**differing[pk], "observed_at": now, "missing_since": None, "gone_at": None}
        if isinstance(row, Runner) and (row.status != values["status"] or row.gone_at):
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
    model._default_manager.filter(pk__in=missing).update(
        gone_at=now, missing_since=None, observed_at=now
    )
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
