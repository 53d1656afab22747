"""Exports in the audit log: who took which list away, with which filter, how many rows of it, and
to where.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from runners_app.models import AuditEntry
from runners_app.security import audit
from runners_app.security.redaction import redact

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LONGEST_FILTER = 500


def record_export(
    name: str, *, by: "User", form: str, rows: int, asked: Iterable[tuple[str, str]], address: str
) -> None:
    """One line, before the first row leaves. `asked` are the filters as pairs of name and value."""
    details: dict[str, object] = {
        "rows": rows,
        "format": form,
        "filter": _words(asked) or None,
        "address": address[:100] or None,
    }
    audit.record(AuditEntry.Action.LIST_EXPORTED, by=by, subject=name, details=details)


def _words(asked: Iterable[tuple[str, str]]) -> str:
    """On one line, without what no database keeps, and without a token that somebody pasted into a
    search box.
    """
    text = ", ".join(f"{name}={value}" for name, value in asked if value)
    printable = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in redact(text)
    )
    return printable if len(printable) <= LONGEST_FILTER else f"{printable[:LONGEST_FILTER]}…"
