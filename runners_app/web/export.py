"""Every list as CSV and as JSON, at stable addresses, with the filter of its page and for the same
eyes.

Each leaves a line in the audit log before its first row leaves; if that line cannot be written,
nothing leaves.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Count, IntegerField, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, StreamingHttpResponse

from runners_app.security.record_export import record_export
from runners_app.web.addresses import address_of
from runners_app.web.downloads import FORMS, Row, export_answer
from runners_app.web.pages import Request

if TYPE_CHECKING:
    from django_filters import FilterSet

Asked = Iterable[tuple[str, str]]


CHUNK = 1000


def export(
    request: Request,
    form: str,
    name: str,
    header: Sequence[str],
    rows: Iterable[Row],
    *,
    count: Callable[[], int],
    asked: Asked = (),
) -> StreamingHttpResponse:
    """A download of rows, written down first. `count` is how many there are. HEAD takes none, so
    nothing is written.
    """
    if form not in FORMS:
        raise Http404
    if request.method == "HEAD":
        return export_answer(form, name, header, ())
    _write_down(request, form, name, count(), asked)
    return export_answer(form, name, header, rows)


def export_text(request: Request, name: str, lines: Sequence[str], *, asked: Asked) -> HttpResponse:
    """The same as plain text."""
    headers = {"Cache-Control": "no-store"}
    body = ""
    if request.method != "HEAD":
        _write_down(request, "txt", name, len(lines), asked)
        body = "".join(f"{line}\n" for line in lines)
    return HttpResponse(body, content_type="text/plain; charset=utf-8", headers=headers)


def _write_down(request: Request, form: str, name: str, rows: int, asked: Asked) -> None:
    record_export(
        name, by=request.user, form=form, rows=rows, asked=asked, address=address_of(request)
    )


def asked_of(listed: "FilterSet") -> list[tuple[str, str]]:
    """The filters in force; what makes no sense filters nothing."""
    listed.form.is_valid()
    return [
        (name, str(value))
        for name, value in listed.form.cleaned_data.items()
        if value not in (None, "")
    ]


def _present_unless_asked(listed: Any) -> "QuerySet[Any]":
    """As on the pages: what is gone only when the filter asks for it."""
    found: QuerySet[Any] = listed.qs if listed.shows_gone else listed.qs.filter(gone_at=None)
    return found


def _counted(rows: "QuerySet[Any]") -> Coalesce:
    """How many rows there are for each row of the outer query."""
    counts = rows.order_by().values("account").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counts, output_field=IntegerField()), 0)
