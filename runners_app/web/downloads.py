"""Exported lists as files, streamed by row: CSV that is safe in a spreadsheet, or JSON."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse

FORMATS = ("csv", "json")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
Row = Sequence[object]


class _Echo:
    """A file for `csv.writer` that hands each line back, so that each row is sent at once."""

    def write(self, text: str) -> str:
        return text


def export_answer(
    file_format: str, name: str, header: Sequence[str], rows: Iterable[Row]
) -> StreamingHttpResponse:
    """A download of rows as `csv`, or as `json`: an array of objects keyed by `header`.

    A cell may be text, a number, a boolean, a datetime, a mapping or a list; CSV joins a list with
    spaces.
    """
    if file_format == "csv":
        lines, content_type = _csv_lines(header, rows), "text/csv; charset=utf-8"
    else:
        lines, content_type = _json_lines(header, rows), "application/json"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{file_format}"',
        "Cache-Control": "no-store",
    }
    return StreamingHttpResponse(lines, content_type=content_type, headers=headers)


def plain_cell(value: object) -> str:
    """The text of a CSV cell, never read as a formula; times in UTC, to the second."""
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
    # Some spreadsheets trim a cell before they look for a formula.
    is_formula = text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS)
    return f"'{text}" if is_formula else text


def _csv_lines(header: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    # Quoted, because a spreadsheet that separates cells by semicolons would see more of them.
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL)
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow([plain_cell(cell) for cell in row])


def _json_lines(header: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield f"{before}\n" + json.dumps(dict(zip(header, row, strict=True)), cls=DjangoJSONEncoder)
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"
