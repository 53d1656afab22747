"""Paging by key: `?after=` and `?before=` name a row's place in the order, so that deep pages cost what the first does.

A place is the sort value and the primary key, written as URL-safe text. A place that cannot be read is the first page.
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import models
from django.db.models import Q
from django.http import QueryDict

M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True)
class Order:
    """One column to sort by, ties broken by primary key. A nullable column sorts its empty rows last."""

    column: str
    descending: bool = False
    is_time: bool = False
    nullable: bool = False


@dataclass(frozen=True)
class KeyPage(Generic[M]):
    """Rows in order, and the places to go on from; empty where there is nothing more."""

    rows: list[M]
    after: str
    before: str
    is_beyond: bool = False  # asked for a place after or before which nothing is left


def page_by_key(rows: "models.QuerySet[M]", order: Order, query: QueryDict, *, size: int) -> KeyPage[M]:
    """One page of `size` rows; reads one row more to know whether another page follows."""
    backwards = "before" in query and "after" not in query
    place = _read(query.get("before" if backwards else "after", ""), order)
    wanted = _from_place(rows, order, place, backwards) if place else rows
    found = list(wanted.order_by(*_ordering(order, backwards and place is not None))[: size + 1])
    more, found = len(found) > size, found[:size]
    if backwards and place:
        found.reverse()
        return KeyPage(found, _write(found[-1], order) if found else "", _write(found[0], order) if more else "")
    return KeyPage(
        found,
        _write(found[-1], order) if more else "",
        _write(found[0], order) if place and found else "",
        is_beyond=bool(place and not found),
    )


def _ordering(order: Order, backwards: bool) -> list[Any]:
    descending = order.descending != backwards
    key = "-pk" if descending else "pk"
    column = models.F(order.column)
    if not order.nullable:
        return [column.desc() if descending else column.asc(), key]
    last = not backwards  # empty rows stand at the end in either direction
    ends = {"nulls_last": True} if last else {"nulls_first": True}
    return [column.desc(**ends) if descending else column.asc(**ends), key]


def _from_place(
    rows: "models.QuerySet[M]", order: Order, place: tuple[Any, int], backwards: bool
) -> "models.QuerySet[M]":
    value, pk = place
    beyond = "lt" if order.descending != backwards else "gt"
    if value is None:
        tied = Q(**{f"{order.column}__isnull": True, f"pk__{beyond}": pk})
        return rows.filter(tied | Q(**{f"{order.column}__isnull": False}) if backwards else tied)
    further = Q(**{f"{order.column}__{beyond}": value}) | Q(**{order.column: value, f"pk__{beyond}": pk})
    if order.nullable and not backwards:
        further |= Q(**{f"{order.column}__isnull": True})
    return rows.filter(further)


def _write(row: models.Model, order: Order) -> str:
    value = getattr(row, order.column)
    place = json.dumps([value.isoformat() if isinstance(value, datetime) else value, row.pk])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _read(text: str, order: Order) -> tuple[Any, int] | None:
    try:
        value, pk = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if value is not None and order.is_time:
            value = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    if isinstance(pk, bool) or not isinstance(pk, int) or not 0 < pk < 2**63:
        return None
    if value is None:
        return (None, pk) if order.nullable else None
    if not isinstance(value, datetime if order.is_time else str | int) or isinstance(value, bool):
        return None
    if isinstance(value, str) and "\0" in value:
        return None
    return value, pk
