"""Paging by key: `?after=` and `?before=` name a row's place in the order, so that a deep page
costs no more than the first one.

A place is the sort value, the primary key and the number of the row, written as URL-safe text. An
unreadable place leads to the first page.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast

from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Coalesce, Lower
from django.db.models.lookups import GreaterThan, LessThan
from django.http import QueryDict

M = TypeVar("M", bound=models.Model)
PAGE_SIZES = (25, 50, 100)
Find = Literal["all", "few", "many"]
# NUL, and halves of characters: text with them is in no database.
UNFIT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Order:
    """One column to sort by, ties broken by primary key. A nullable column sorts its empty rows
    last; a folded one sorts capital letters like small ones, without an index.
    """

    column: str
    descending: bool = False
    nullable: bool = False
    folded: bool = False


@dataclass(frozen=True)
class KeyPage(Generic[M]):
    """Rows in order, and the places to go on from; empty where there is nothing more."""

    rows: list[M]
    after: str
    before: str
    size: int = 50
    is_beyond: bool = False  # nothing is left after or before the requested place
    first: int = 1  # number of the first row in the whole list, as of when the walk began

    sizes: ClassVar[tuple[int, ...]] = PAGE_SIZES

    @property
    def last(self) -> int:
        """The number of the last row."""
        return self.first + len(self.rows) - 1


@dataclass(frozen=True)
class Place:
    """A row's place in an order: sort value, primary key, and its number in the list.

    `part` is the key of its part where the order has parts.
    """

    value: Any
    pk: int
    number: int = 0
    part: str = ""


def page_by_key(
    rows: "models.QuerySet[M]", order: Order, query: QueryDict, *, size: int = 0, find: Find = "all"
) -> KeyPage[M]:
    """One page of `size` rows, else as many as `?size_of_page=` says; reads one more to know
    whether a page follows.

    `find` says what a filter has left of the rows: it decides how to find them, see `_in_order`.
    """
    size = _size_of_page(query, size)
    backwards = "before" in query and "after" not in query
    place = _read(query.get("before" if backwards else "after", ""), order, rows.model)
    backwards = backwards and place is not None
    if order.folded:
        rows = cast("models.QuerySet[M]", rows.annotate(folded=Lower(order.column)))
        order = replace(order, column="folded")
    found = _from_place(rows, order, place, backwards, size + 1, find)
    return _page(found, place, backwards, size, lambda row: (getattr(row, order.column), row.pk))


def _page(
    found: list[M],
    place: Place | None,
    backwards: bool,
    size: int,
    place_of: Callable[[M], tuple[Any, ...]],
) -> KeyPage[M]:
    """The page of rows found from a place on, of which one more than a page was looked for.

    `place_of` answers what `_write` and `_read` make a place of, without the row's number.
    """
    more, found = len(found) > size, found[:size]
    first = place.number + 1 if place else 1
    if place and backwards:
        found.reverse()
        first = max(1, place.number - len(found)) if more else 1

    def write(index: int) -> str:
        row = found[index]
        return _write(place_of(row), first + (index if index >= 0 else len(found) + index))

    has_after = bool(found) if backwards else more
    has_before = more if backwards else bool(place and found)
    return KeyPage(
        found,
        write(-1) if has_after else "",
        write(0) if has_before else "",
        size,
        is_beyond=bool(place and not found and not backwards),
        first=first,
    )


def _size_of_page(query: QueryDict, size: int) -> int:
    wanted = query.get("size_of_page", "")
    return int(wanted) if wanted in {str(each) for each in PAGE_SIZES} else size or 50


@dataclass(frozen=True)
class Part:
    """The rows with one value of a column, for orders by that value and then by name.

    `key` is the value's place among the parts; `rows` is the condition.
    """

    key: str
    rows: Q


REST = "\U0010ffff"  # the key of rows that belong to no part; sorts last
BY_NAME = "name_key"


def page_by_parts(
    rows: "models.QuerySet[M]",
    parts: Sequence[Part],
    query: QueryDict,
    *,
    key_of: Callable[..., str],
    columns: Sequence[str],
    descending: bool = False,
    size: int = 0,
    find: Find = "all",
) -> KeyPage[M]:
    """One page of rows ordered by their part and within it by `name_key`, for any column with few
    values: no index has to hold the names of groups or accounts.

    `key_of` answers the key of a row's part from the values of `columns`. Descending reverses the
    parts only. A small result is sorted here, because it may lie in a few of many parts.
    """
    size = _size_of_page(query, size)
    backwards = "before" in query and "after" not in query
    place = _read_part_place(query.get("before" if backwards else "after", ""))
    backwards = backwards and place is not None
    if find == "few":
        found = _sorted_by_parts(rows, key_of, columns, descending, place, backwards, size + 1)
    else:
        found = _walk_parts(rows, parts, descending, place, backwards, size + 1, find)

    def place_of(row: M) -> tuple[Any, ...]:
        key = key_of(*(getattr(row, column) for column in columns))
        return getattr(row, BY_NAME), row.pk, key

    return _page(found, place, backwards, size, place_of)


def _sorted_by_parts(
    rows: "models.QuerySet[M]",
    key_of: Callable[..., str],
    columns: Sequence[str],
    descending: bool,
    place: Place | None,
    backwards: bool,
    count: int,
) -> list[M]:
    places = [
        (key_of(*values), name, pk)
        for name, pk, *values in rows.order_by().values_list(BY_NAME, "pk", *columns)
    ]
    places.sort(key=lambda each: each[1:])
    places.sort(key=lambda each: each[0], reverse=descending)
    if place is not None:

        def is_beyond(each: tuple[str, str, int]) -> bool:
            if each[0] != place.part:
                return (each[0] > place.part) != (descending != backwards)
            mine = (place.value, place.pk)
            return each[1:] < mine if backwards else each[1:] > mine

        places = [each for each in places if is_beyond(each)]
    keys = [pk for *_, pk in (reversed(places) if backwards else places)][:count]
    by_key = rows.in_bulk(keys)
    return [by_key[key] for key in keys if key in by_key]


def _walk_parts(
    rows: "models.QuerySet[M]",
    parts: Sequence[Part],
    descending: bool,
    place: Place | None,
    backwards: bool,
    count: int,
    find: Find,
) -> list[M]:
    known = Q(pk__in=[])
    for part in parts:
        known |= part.rows
    ordered = sorted([*parts, Part(REST, ~known)], key=lambda part: part.key)
    if descending != backwards:
        ordered.reverse()

    by_name = Order(BY_NAME)
    found: list[M] = []
    for part in ordered:
        is_after = place is None or (part.key > place.part) != (descending != backwards)
        if place and part.key != place.part and not is_after:
            continue
        within = rows.filter(part.rows)
        if place and part.key == place.part:
            within = within.filter(_beyond(by_name, place, backwards))
        found += _in_order(within, by_name, backwards, count - len(found), find)
        if len(found) == count:
            break
    return found


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
    first = 1 if order.nullable and place and place.value is None else 0
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
    value, pk = place.value, place.pk
    further = LessThan if order.descending != backwards else GreaterThan
    if value is None:
        return further(F("pk"), Value(pk))
    return further(_Row(F(order.column), F("pk")), _Row(Value(value), Value(pk)))


class _Row(Func):
    """`(status, id) > ('Ready', 7)`: what databases look up in an index as one key."""

    function = ""
    output_field = models.BooleanField()


def _write(place: tuple[Any, ...], number: int) -> str:
    value, pk, *part = place
    text = value.isoformat() if isinstance(value, datetime) else value
    place_text = json.dumps([text, pk, number, *part])
    return base64.urlsafe_b64encode(place_text.encode()).decode().rstrip("=")


def _read(text: str, order: Order, model: type[models.Model]) -> Place | None:
    column = model._meta.get_field(order.column)
    try:
        value, pk, number = _decode(text)
        if value is not None and isinstance(column, models.DateTimeField):
            value = datetime.fromisoformat(value)
    except (ValueError, TypeError, RecursionError):
        return None
    fits = order.nullable if value is None else _fits(value, column)
    return Place(value, pk, number) if fits and _are_positive(pk, number) else None


def _read_part_place(text: str) -> Place | None:
    try:
        value, pk, number, part = _decode(text)
    except (ValueError, TypeError, RecursionError):
        return None
    are_texts = all(isinstance(each, str) and not UNFIT.search(each) for each in (value, part))
    return Place(value, pk, number, part) if are_texts and _are_positive(pk, number) else None


def _decode(text: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _are_positive(*values: object) -> bool:
    return all(isinstance(value, int) and _is_number(value) and value > 0 for value in values)


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
