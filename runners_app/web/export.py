"""Exports of lists as CSV, JSON or text, with the filters and the visibility of their pages.

The audit entry is written before the first row is sent. If it cannot be written, nothing is sent.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Count, IntegerField, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, StreamingHttpResponse

from runners_app.security.record_export import record_export
from runners_app.web.addresses import address_of
from runners_app.web.downloads import FORMATS, Row, export_answer
from runners_app.web.filters import TokenFilter
from runners_app.web.pages import Request

if TYPE_CHECKING:
    from django_filters import FilterSet

# Filters in force, as pairs of parameter and value.
Filters = Iterable[tuple[str, str]]

CHUNK = 1000


def export(
    request: Request,
    file_format: str,
    name: str,
    header: Sequence[str],
    rows: Iterable[Row],
    *,
    count: Callable[[], int],
    filters: Filters = (),
) -> StreamingHttpResponse:
    """A download of `rows`, with an audit entry that says how many there are (`count`).

    HEAD sends no rows and writes no entry. Raises Http404 for an unknown format.
    """
    if file_format not in FORMATS:
        raise Http404
    if request.method == "HEAD":
        return export_answer(file_format, name, header, ())
    _write_entry(request, file_format, name, count(), filters)
    return export_answer(file_format, name, header, rows)


def export_text(
    request: Request, name: str, lines: Sequence[str], *, filters: Filters
) -> HttpResponse:
    """The same as plain text, one item per line."""
    body = ""
    if request.method != "HEAD":
        _write_entry(request, "txt", name, len(lines), filters)
        body = "".join(f"{line}\n" for line in lines)
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(body, content_type="text/plain; charset=utf-8", headers=headers)


def _write_entry(
    request: Request, file_format: str, name: str, rows: int, filters: Filters
) -> None:
    record_export(
        name,
        by=request.user,
        file_format=file_format,
        rows=rows,
        filters=filters,
        address=address_of(request),
    )


def filters_in_force(listed: "FilterSet | TokenFilter") -> list[tuple[str, str]]:
    """The filters in force as (parameter, value)."""
    if isinstance(listed, TokenFilter):
        parameters = ("q", *dict.fromkeys(listed.WORDS.values()))
        return [(name, value) for name in parameters if (value := str(listed.data.get(name, "")))]
    listed.form.is_valid()
    return [
        (name, str(value))
        for name, value in listed.form.cleaned_data.items()
        if value not in (None, "")
    ]


def present_unless_asked(listed: Any) -> "QuerySet[Any]":
    """The filtered rows, as on the page: rows that are gone only if the filter asks for them."""
    rows: QuerySet[Any] = listed.qs if listed.shows_gone else listed.qs.filter(gone_at=None)
    return rows


def counted(rows: "QuerySet[Any]") -> Coalesce:
    """An annotation: how many of `rows` there are for each row of the outer query."""
    counts = rows.order_by().values("account").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counts, output_field=IntegerField()), 0)
