"""The audit log: who asked for what. For administrators."""

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
from runners_app.web.export import export
from runners_app.web.pages import Request, administrator_or_403
from runners_app.web.paging import Order, page_by_key

NEWEST_FIRST = Order("at", descending=True)
HEADER = ("at", "person", "action", "account", "subject", "details")
# Only there so that failures with one name can be counted.
NOT_SHOWN = ("name", "operation")


@dataclass(frozen=True)
class Line:
    """An entry with its action in words, its details as pairs, and its operation if that can still
    be opened.
    """

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
    named = {
        entry.details["operation"]
        for entry in entries
        if isinstance(entry.details.get("operation"), int)
    }
    openable = (
        set(Operation.objects.filter(pk__in=named).values_list("pk", flat=True)) if named else set()
    )
    for entry in entries:
        operation = entry.details.get("operation")
        shown = operation if operation in openable else None
        yield Line(entry, entry.action_label, list(_pairs(entry.details)), shown)


def _pairs(details: dict[str, object]) -> Iterator[tuple[str, object]]:
    """One level deep: the values asked for stand beside the other details."""
    for name, value in details.items():
        if isinstance(value, dict):
            yield from value.items()
        elif name not in NOT_SHOWN and value is not None:
            yield name, value


def _chips(form: AuditFilterForm) -> list[dict[str, str]]:
    asked = {name: str(value) for name, value in form.params.items()}
    return [
        {
            "label": name.capitalize(),
            "value": AuditEntry(action=value).action_label if name == "action" else value,
            "remove": "?"
            + urlencode({other: kept for other, kept in asked.items() if other != name}),
        }
        for name, value in asked.items()
    ]


@require_safe
def audit_export(request: Request, form: str) -> StreamingHttpResponse:
    """All that matches, newest first, as CSV or JSON: as it was before this export, which is an
    entry itself.
    """
    administrator_or_403(request)
    filters = AuditFilterForm(request.GET)
    rows = filters.narrow(AuditEntry.objects.filter(at__lte=timezone.now()).order_by("-at", "-pk"))
    asked = [(name, str(value)) for name, value in filters.params.items()]
    cells = _cells(rows.iterator(chunk_size=1000))
    return export(request, form, "audit", HEADER, cells, count=rows.count, asked=asked)


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
