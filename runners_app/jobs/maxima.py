"""How many machines a pool could have, and when that changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from runners_app.models import FieldChange, Runner

Maxima = list[tuple[datetime, int | None]]


def maxima_of(pools: Iterable[Runner]) -> dict[int, Maxima]:
    """By the pool's primary key: (from when, how many), by time. What was before the first is what
    it was then.
    """
    pools = list(pools)
    changes = FieldChange.objects.filter(
        item="runner", field="maximum_runners", item_pk__in=[pool.pk for pool in pools]
    )
    by_pool: dict[int, list[tuple[datetime, object, object]]] = defaultdict(list)
    rows = changes.order_by("at", "pk").values_list("item_pk", "at", "before", "after")
    for pk, at, before, after in rows:
        by_pool[pk].append((at, before, after))
    return {pool.pk: _maxima(pool, by_pool[pool.pk]) for pool in pools}


def _maxima(pool: Runner, changes: list[tuple[datetime, object, object]]) -> Maxima:
    first = changes[0][1] if changes else pool.maximum_runners
    return [
        (pool.first_seen_at, _number(first)),
        *((at, _number(after)) for at, _, after in changes),
    ]


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
