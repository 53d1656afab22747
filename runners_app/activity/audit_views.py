"""The audit log: its page and its export, for administrators."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from runners_app.models import AuditEntry, Operation
from runners_app.people.forms import AuditFilterForm
from runners_app.web.change_words import Names
from runners_app.web.downloads import Row
from runners_app.web.export import CHUNK, export
from runners_app.web.pages import Request, administrator_or_403
from runners_app.web.paging import Order, page_by_key

NEWEST_FIRST = Order("at", descending=True)
BATCH = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HEADER = ("at", "person", "action", "account", "subject", "details")
# `name` only serves to count failed sign-ins; operations and batches are shown as links.
NOT_SHOWN = ("name", "operation", "batch", "operations", "undoes")
NOTHING: tuple[object, ...] = (None, "", 0, [], {})
BATCHES = tuple(action for action in AuditEntry.Action if action.startswith("batch."))


@dataclass(frozen=True)
class Line:
    """Audit entries as one line of the page: several, if they are one decision about a batch.

    `operation` (primary key) and `batch` are set if they still exist; `count` is how many
    operations the line is about, if that is known.
    """

    entry: AuditEntry
    action: str
    details: list[tuple[str, object]]
    operation: int | None
    batch: str
    count: int


@require_safe
def audit(request: Request) -> HttpResponse:
    administrator_or_403(request)
    form = AuditFilterForm(request.GET)
    page = page_by_key(form.narrow(AuditEntry.objects.all()), NEWEST_FIRST, request.GET)
    context = {
        "form": form,
        "page": page,
        "lines": list(_lines(request, page.rows)),
        "chips": _chips(form),
    }
    return render(request, "activity/audit/list.html", context)


def _lines(request: Request, entries: list[AuditEntry]) -> Iterator[Line]:
    operations, batches = _existing_operations(entries), _existing_batches(entries)
    accounts = {entry.account_id for entry in entries if entry.account_id and _wanted(entry)}
    names = Names(request.user, accounts)

    for _, same in groupby(entries, _decision):
        rows = list(same)
        entry = rows[0]
        details = entry.details
        operation, batch = details.get("operation"), str(details.get("batch", ""))
        told = details.get("operations")
        yield Line(
            entry,
            entry.action_label,
            list(_pairs(entry, names)),
            operation if operation in operations and len(rows) == 1 else None,
            batch if batch in batches else "",
            told if isinstance(told, int) else len(rows) if batch else 0,
        )


def _existing_operations(entries: list[AuditEntry]) -> set[object]:
    named = {entry.details.get("operation") for entry in entries}
    pks = {pk for pk in named if isinstance(pk, int)}
    if not pks:
        return set()
    return set(Operation.objects.filter(pk__in=pks).values_list("pk", flat=True))


def _existing_batches(entries: list[AuditEntry]) -> set[str]:
    named = {str(entry.details.get("batch", "")) for entry in entries}
    batches = {batch for batch in named if BATCH.fullmatch(batch)}
    if not batches:
        return set()
    rows = Operation.objects.filter(batch__in=batches).order_by()
    return set(map(str, rows.values_list("batch", flat=True).distinct()))


def _decision(entry: AuditEntry) -> tuple[object, ...]:
    """What entries have in common that are one decision about a batch."""
    batch = entry.details.get("batch")
    if entry.action in BATCHES and batch:
        return (entry.action, entry.actor_id, batch)
    return (entry.pk,)


def _wanted(entry: AuditEntry) -> dict[str, Any]:
    wanted = entry.details.get("wanted")
    return wanted if isinstance(wanted, dict) else {}


def _pairs(entry: AuditEntry, names: Names) -> Iterator[tuple[str, object]]:
    """The details as pairs, with the names of groups, images and repositories."""
    for name, value in entry.details.items():
        if name not in NOT_SHOWN and name != "wanted" and value not in NOTHING:
            yield name, value
    wanted = _wanted(entry)
    for name in ("add", "remove"):
        if lines := wanted.get(name):
            yield f"access_list_{name}", sorted(map(str, lines.values()))
    fields = {name: value for name, value in wanted.items() if name not in ("add", "remove")}
    for name, _, value in names.changes(entry.account_id or 0, {}, fields):
        if value not in NOTHING or isinstance(value, bool):
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
