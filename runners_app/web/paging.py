"""Paging by key: `?after=` and `?before=` name a row's place in the order, so that deep pages cost
what the first does.

A place is the sort value and the primary key, written as URL-safe text. A place that cannot be read
is the first page.
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Literal, TypeVar

from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThan
from django.http import QueryDict

M = TypeVar("M", bound=models.Model)
Place = tuple[Any, int]
PAGE_SIZES = (25, 50, 100)
Find = Literal["all", "few", "many"]
# NUL, and halves of characters: text with them is in no database.
UNFIT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Order:
    """One column to sort by, ties broken by primary key. A nullable column sorts its empty rows
    last.
    """

    column: str
    descending: bool = False
    nullable: bool = False


@dataclass(frozen=True)
class KeyPage(Generic[M]):
    """Rows in order, and the places to go on from; empty where there is nothing more."""

    rows: list[M]
    after: str
    before: str
    size: int = 50
    is_beyond: bool = False  # asked for a place after or before which nothing is left

    sizes: ClassVar[tuple[int, ...]] = PAGE_SIZES


def page_by_key(
    rows: "models.QuerySet[M]", order: Order, query: QueryDict, *, size: int = 0, find: Find = "all"
) -> KeyPage[M]:
    """One page of `size` rows, else as many as `?size_of_page=` says; reads one more to know
    whether a page follows.

    `find` says what a filter has left of the rows: it decides how to find them, see `_in_order`.
    """
    size = size or _size_of_page(query)
    backwards = "before" in query and "after" not in query
    place = _read(query.get("before" if backwards else "after", ""), order, rows.model)
    backwards = backwards and place is not None
    found = _from_place(rows, order, place, backwards, size + 1, find)
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
        return KeyPage(
            found,
            _write(found[-1], order) if found else "",
            _write(found[0], order) if more else "",
            size,
        )
    return KeyPage(
        found,
        _write(found[-1], order) if more else "",
        _write(found[0], order) if place and found else "",
        size,
        is_beyond=bool(place and not found),
    )


def _size_of_page(query: QueryDict) -> int:
    asked = query.get("size_of_page", "")
    return int(asked) if asked in {str(size) for size in PAGE_SIZES} else 50


def _from_place(
    rows: "models.QuerySet[M]",
    order: Order,
    place: Place | None,
    backwards: bool,
    count: int,
    find: Find,
) -> list[M]:
    """The first `count` rows beyond a place, read by index from there on.

    Empty values stand at the end of either direction, so they are asked for on their own: NULLS
    LAST, or an OR of two conditions, would make the database walk the whole index.
    """
    parts = [
        rows.filter(**{f"{order.column}__isnull": False}),
        rows.filter(**{f"{order.column}__isnull": True}),
    ]
    if not order.nullable:
        parts = [rows]
    first = 1 if order.nullable and place and place[0] is None else 0
    wanted = range(first, -1, -1) if backwards else range(first, len(parts))
    found: list[M] = []
    for number in wanted:
        part = parts[number]
        if place and number == first:
            part = part.filter(_beyond(order, place, backwards))
        found += _in_order(part, order, backwards, count - len(found), find)
        if len(found) == count:
            break
    return found


def _in_order(
    rows: "models.QuerySet[M]", order: Order, backwards: bool, count: int, find: Find
) -> Iterable[M]:
    """The first rows in order. What is filtered is found by primary key first, which an index alone
    may answer.

    A database expects matches to be spread evenly over the order and walks it until it has met
    enough of them. They are not: names begin with what people look for. So few that an index leads
    to are found first, and sorted after.
    """
    column: Any = F(order.column)
    if find == "few":
        column = Coalesce(column, column)  # the same value, in an order that no index promises
    descending = order.descending != backwards
    ordering = [column.desc(), F("pk").desc()] if descending else [column.asc(), F("pk").asc()]
    if find == "all":
        return rows.order_by(*ordering)[:count]
    keys = list(rows.order_by(*ordering).values_list("pk", flat=True)[:count])
    by_key = rows.in_bulk(keys)
    return [by_key[key] for key in keys if key in by_key]


def _beyond(order: Order, place: Place, backwards: bool) -> Any:
    value, pk = place
    further = LessThan if order.descending != backwards else GreaterThan
    if value is None:
        return further(F("pk"), Value(pk))
    return further(_Row(F(order.column), F("pk")), _Row(Value(value), Value(pk)))


class _Row(Func):
    """`(status, id) > ('Ready', 7)`: what databases look up in an index as one key."""

    function = ""
    output_field = models.BooleanField()


def _write(row: models.Model, order: Order) -> str:
    value = getattr(row, order.column)
    place = json.dumps([value.isoformat() if isinstance(value, datetime) else value, row.pk])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _read(text: str, order: Order, model: type[models.Model]) -> Place | None:
    column = model._meta.get_field(order.column)
    try:
        value, pk = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if value is not None and isinstance(column, models.DateTimeField):
            value = datetime.fromisoformat(value)
    except (ValueError, TypeError, RecursionError):
        return None
    fits = order.nullable if value is None else _fits(value, column)
    return (value, pk) if fits and _is_number(pk) and pk > 0 else None


def _fits(value: object, column: object) -> bool:
    """Whether every database compares the column with the value: whoever writes an address may have
    made it up.
    """
    match column:
        case models.DateTimeField():
            return isinstance(value, datetime) and value.utcoffset() == timedelta(0)
        case models.IntegerField():
            return _is_number(value)
    return isinstance(value, str) and not UNFIT.search(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
