"""Accounts connected to the simulator: read over HTTP once, then taken from memory.

Connecting and reading an organization takes about a second, and most tests only need its rows. The
first test that connects it does so in earnest; the rows this added are kept, and later tests of the
same process get them again. Our own times are moved to now, GitHub's as far as its simulated world.
Anything that could make a difference leads to a reading: another simulator, a simulator that was
changed, other keys, or other rows in the tables. ETags hold for the first world alone: tests about
readings use the fixture `in_earnest`.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import IntegerField, Model
from django.utils import timezone

from runners_app.accounts.accounts import connect_with_token
from runners_app.models import Account
from runners_app.readings.rows import hash_of
from tests.simulator_handle import SimulatorHandle

Ids = dict[type[Model], int]
Rows = dict[type[Model], list[Model]]


@dataclass(frozen=True)
class Remembered:
    """The rows that connecting added until `ended`, in a world that began at `wall`.

    `hashed` has the values that GitHub gave for a row, by their hash.
    """

    wall: float
    ended: datetime
    rows: Rows
    hashed: dict[str, dict[str, Any]]


_remembered: dict[tuple[object, ...], Remembered] = {}


def connect(simulator: SimulatorHandle, slug: str, work: Callable[[Account], None]) -> Account:
    """Connect an account with its main token, and let a worker read it."""
    before = last_ids()
    key = (simulator.base_url, slug, *settings.CREDENTIAL_KEYS, *before.values())
    if not simulator.was_changed and (known := _remembered.get(key)):
        _store(known, simulator.wall)
        return Account.objects.get(slug=slug, api_url=simulator.base_url)

    others = _rows(before)
    with _hashes() as hashed:
        account = _read(simulator, slug, work)
    if not simulator.was_changed and _rows(before) == others:
        _remembered[key] = Remembered(simulator.wall, timezone.now(), rows_since(before), hashed)
    return account


def _read(simulator: SimulatorHandle, slug: str, work: Callable[[Account], None]) -> Account:
    known = simulator.account(slug)
    account = connect_with_token(
        known.slug,
        kind=known.kind,
        api_url=simulator.base_url,
        token=known.token,
        by=None,
        demo=False,
    )
    work(account)
    account.refresh_from_db()
    return account


def last_ids() -> Ids:
    """The highest primary key of each of our tables."""
    models = [
        model
        for model in apps.get_app_config("runners_app").get_models(include_auto_created=True)
        if isinstance(model._meta.pk, IntegerField)
    ]
    selects = [
        f"SELECT {number}, COALESCE(MAX({model._meta.pk.column}), 0) FROM {model._meta.db_table}"  # noqa: S608
        for number, model in enumerate(models)
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects))
        return {models[number]: last for number, last in cursor.fetchall()}


def rows_since(before: Ids) -> Rows:
    """What was added to each table."""
    return {model: list(model._base_manager.filter(pk__gt=last)) for model, last in before.items()}


def put_back(rows: Rows) -> None:
    """Store rows of an earlier test once more, as they were."""
    for model, known in rows.items():
        model._base_manager.bulk_create([_copy(row) for row in known])


def _rows(before: Ids) -> list[list[dict[str, Any]]]:
    """What stood in the tables before."""
    return [
        list(model._base_manager.filter(pk__lte=last).order_by("pk").values())
        for model, last in before.items()
        if last
    ]


@contextmanager
def _hashes() -> Iterator[dict[str, dict[str, Any]]]:
    """Hash → values of each row that is published until the end of the block."""
    hashed = dict[str, dict[str, Any]]()

    def remember(values: dict[str, Any]) -> str:
        made = hash_of(values)
        hashed[made] = dict(values)
        return made

    with patch("runners_app.readings.publish.hash_of", remember):
        yield hashed


def _store(known: Remembered, wall: float) -> None:
    ours, theirs = timezone.now() - known.ended, timedelta(seconds=round(wall - known.wall))
    for model, rows in known.rows.items():
        model._base_manager.bulk_create(
            [
                _moved(row, ours, theirs, known.hashed.get(getattr(row, "row_hash", ""), {}))
                for row in rows
            ]
        )


def _moved(row: Model, ours: timedelta, theirs: timedelta, values: dict[str, Any]) -> Model:
    moved = _copy(row)
    for field in row._meta.concrete_fields:
        at = getattr(row, field.attname)
        if isinstance(at, datetime):
            setattr(moved, field.attname, at + (theirs if field.attname in values else ours))
    if values:
        moved.row_hash = hash_of(  # type: ignore[attr-defined]
            {
                name: value + theirs if isinstance(value, datetime) else value
                for name, value in values.items()
            }
        )
    return moved


def _copy(row: Model) -> Model:
    copied = copy.copy(row)
    copied._state = copy.copy(row._state)
    copied._state.adding = True
    return copied
