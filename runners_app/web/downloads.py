"""What exports of lists look like, streamed row by row: CSV whose cells no spreadsheet takes for
formulas, and JSON.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse

FORMS = ("csv", "json")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
Row = Sequence[object]


class _Echo:
    """What csv writes to, so that each row is sent at once."""

    def write(self, text: str) -> str:
        return text


def export_answer(
    form: str, name: str, header: Sequence[str], rows: Iterable[Row]
) -> StreamingHttpResponse:
    """A download of rows as `csv` or as `json`, an array of objects.

    A cell may be text, a number, a truth, a moment or a list; CSV writes a list with spaces
    between.
    """
    writers = {
        "csv": (_csv_lines, "text/csv; charset=utf-8"),
        "json": (_json_lines, "application/json"),
    }
    lines, content_type = writers[form]
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
        "Cache-Control": "no-store",
    }
    return StreamingHttpResponse(lines(header, rows), content_type=content_type, headers=headers)


def plain_cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula; times to the second, in UTC."""
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case int() | float():
            return str(value)
        case datetime():
            text = value.isoformat(timespec="seconds")
        case list() | tuple():
            text = " ".join(map(str, value))
        case Mapping():
            text = json.dumps(value, ensure_ascii=False) if value else ""
        case _:
            text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _csv_lines(header: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow([plain_cell(cell) for cell in row])


def _json_lines(header: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield f"{before}\n" + json.dumps(dict(zip(header, row, strict=True)), cls=DjangoJSONEncoder)
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"
