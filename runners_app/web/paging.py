"""Paging by key: `?after=` and `?before=` name a row's place, so a deep page costs no more than the
first.

A place is the row's sort value and primary key, as URL-safe text. One that cannot be decoded leads
to the first page.
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
# NUL and lone surrogates, which no database stores as text.
NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Order:
    """One column to sort by, ties broken by primary key. Nulls come last in either direction."""

    column: str
    descending: bool = False
    nullable: bool = False


@dataclass(frozen=True)
class KeyPage(Generic[M]):
    """One page of rows, with the places of its neighbours; empty where there is none."""

    rows: list[M]
    after: str
    before: str
    size: int = 50
    is_beyond: bool = False  # no row is left after the place that was given

    sizes: ClassVar[tuple[int, ...]] = PAGE_SIZES


def page_by_key(
    rows: "models.QuerySet[M]", order: Order, query: QueryDict, *, size: int = 0, find: Find = "all"
) -> KeyPage[M]:
    """One page of `size` rows, by default as many as `?size_of_page=` says.

    Reads one row more to know whether another page follows. `find` says how much of the table the
    filters left, which decides how the rows are looked up (see `_in_order`).
    """
    size = size or _size_of_page(query)
    backwards = "before" in query and "after" not in query
    place = _decode(query.get("before" if backwards else "after", ""), order, rows.model)
    backwards = backwards and place is not None

    found = _from_place(rows, order, place, backwards, size + 1, find)
    has_more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
        has_after, has_before = bool(found), has_more
    else:
        has_after, has_before = has_more, bool(place and found)

    return KeyPage(
        found,
        after=_encode(found[-1], order) if has_after else "",
        before=_encode(found[0], order) if has_before else "",
        size=size,
        is_beyond=bool(place and not found and not backwards),
    )


def _size_of_page(query: QueryDict) -> int:
    size = query.get("size_of_page", "")
    return int(size) if size in {str(each) for each in PAGE_SIZES} else 50


def _from_place(
    rows: "models.QuerySet[M]",
    order: Order,
    place: Place | None,
    backwards: bool,
    count: int,
    find: Find,
) -> list[M]:
    """The first `count` rows beyond a place, read from the index from there on.

    Nulls come last in either direction, so they are a query of their own: NULLS LAST, or an OR of
    two conditions, would make the database walk the whole index.
    """
    parts = [rows]
    if order.nullable:
        with_value = rows.filter(**{f"{order.column}__isnull": False})
        parts = [with_value, rows.filter(**{f"{order.column}__isnull": True})]
    first = 1 if order.nullable and place and place[0] is None else 0
    numbers = range(first, -1, -1) if backwards else range(first, len(parts))

    found: list[M] = []
    for number in numbers:
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
    """The first rows in order. Filtered rows are looked up by primary key first, which an index
    alone may answer.

    A planner assumes that matches are spread evenly over the order, and walks it until it has met
    enough of them. They are not: names begin with what people search for. If few rows match
    ("few"), they are therefore found by the filter's own index, and sorted afterwards.
    """
    column: Any = F(order.column)
    if find == "few":
        column = Coalesce(column, column)  # the same value, but no index is sorted by it
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
    """A row value, as in `(status, id) > (2, 7)`, looked up in an index as one key."""

    function = ""
    output_field = models.BooleanField()


def _encode(row: models.Model, order: Order) -> str:
    value = getattr(row, order.column)
    place = json.dumps([value.isoformat() if isinstance(value, datetime) else value, row.pk])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _decode(text: str, order: Order, model: type[models.Model]) -> Place | None:
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
    """Whether any database can compare the column with this value, which may be made up."""
    match column:
        case models.DateTimeField():
            return isinstance(value, datetime) and value.utcoffset() == timedelta(0)
        case models.IntegerField():
            return _is_number(value)
    return isinstance(value, str) and not NOT_STORABLE.search(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
