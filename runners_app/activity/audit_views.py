"""The audit log: its page and its export, for administrators."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from runners_app.models import AuditEntry, Operation
from runners_app.people.forms import AuditFilterForm
from runners_app.web.downloads import Row
from runners_app.web.export import CHUNK, export
from runners_app.web.pages import Request, administrator_or_403
from runners_app.web.paging import Order, page_by_key

NEWEST_FIRST = Order("at", descending=True)
HEADER = ("at", "person", "action", "account", "subject", "details")
# `name` only serves to count failed sign-ins; `operation` is shown as a link.
NOT_SHOWN = ("name", "operation")


@dataclass(frozen=True)
class Line:
    """An audit entry as the page shows it; `operation` is a primary key if that still exists."""

    entry: AuditEntry
    action: str
    details: list[tuple[str, object]]
    operation: int | None


@require_safe
def audit(request: Request) -> HttpResponse:
    administrator_or_403(request)
    form = AuditFilterForm(request.GET)
    page = page_by_key(form.narrow(AuditEntry.objects.all()), NEWEST_FIRST, request.GET)
    context = {"form": form, "page": page, "lines": list(_lines(page.rows)), "chips": _chips(form)}
    return render(request, "activity/audit/list.html", context)


def _lines(entries: list[AuditEntry]) -> Iterator[Line]:
    pks = {entry.details.get("operation") for entry in entries}
    pks = {pk for pk in pks if isinstance(pk, int)}
    existing: set[object] = set()
    if pks:
        existing.update(Operation.objects.filter(pk__in=pks).values_list("pk", flat=True))

    for entry in entries:
        operation = entry.details.get("operation")
        operation = operation if operation in existing else None
        yield Line(entry, entry.action_label, list(_pairs(entry.details)), operation)


def _pairs(details: dict[str, object]) -> Iterator[tuple[str, object]]:
    """The details as pairs; a nested mapping, such as requested values, is flattened one level."""
    for name, value in details.items():
        if isinstance(value, dict):
            yield from value.items()
        elif name not in NOT_SHOWN and value is not None:
            yield name, value


def _chips(form: AuditFilterForm) -> list[dict[str, str]]:
    filters = {name: str(value) for name, value in form.params.items()}
    chips = []
    for name, value in filters.items():
        others = {other: filters[other] for other in filters if other != name}
        label = AuditEntry(action=value).action_label if name == "action" else value
        chips.append(
            {"label": name.capitalize(), "value": label, "remove": f"?{urlencode(others)}"}
        )
    return chips


@require_safe
def audit_export(request: Request, file_format: str) -> StreamingHttpResponse:
    """All matching entries, newest first, as CSV or JSON, without the entry of this export."""
    administrator_or_403(request)
    filters = AuditFilterForm(request.GET)
    rows = filters.narrow(AuditEntry.objects.filter(at__lte=timezone.now()).order_by("-at", "-pk"))
    given = [(name, str(value)) for name, value in filters.params.items()]
    cells = _cells(rows.iterator(chunk_size=CHUNK))
    return export(request, file_format, "audit", HEADER, cells, count=rows.count, filters=given)


def _cells(entries: Iterable[AuditEntry]) -> Iterator[Row]:
    for entry in entries:
        yield (
            entry.at,
            entry.actor_name,
            entry.action,
            entry.account_name,
            entry.subject,
            entry.details,
        )
