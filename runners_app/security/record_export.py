"""Audit entries of exports: who exported which list, with which filter, how many rows, to where."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from runners_app.models import AuditEntry
from runners_app.security import audit
from runners_app.security.redaction import redact

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LONGEST_FILTER = 500


def record_export(
    name: str,
    *,
    by: "User",
    file_format: str,
    rows: int,
    filters: Iterable[tuple[str, str]],
    address: str,
) -> None:
    """Record an export before its first row is sent.

    `filters` are those in force as pairs of name and value, and `address` is
    that of the client.
    """
    details: dict[str, object] = {
        "rows": rows,
        "format": file_format,
        "filter": _filter_text(filters) or None,
        "address": address[:100] or None,
    }
    audit.record(AuditEntry.Action.LIST_EXPORTED, by=by, subject=name, details=details)


def _filter_text(filters: Iterable[tuple[str, str]]) -> str:
    """The filters on one line, without unprintable characters or secrets that were typed in."""
    text = ", ".join(f"{name}={value}" for name, value in filters if value)
    printable = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in redact(text)
    )
    return printable if len(printable) <= LONGEST_FILTER else f"{printable[:LONGEST_FILTER]}…"
