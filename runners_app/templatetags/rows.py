"""Rows and options of long lists, written without a template, which took four times as long.

Built in for every template. All text from GitHub goes through `escape`; the rest are numbers and
our own markup.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Protocol

from django import template
from django.utils.safestring import SafeString, mark_safe

from runners_app.models import Runner
from runners_app.templatetags.trackside import status, when

register = template.Library()


class Column(Protocol):
    """A column of a list."""

    @property
    def name(self) -> str: ...


@register.simple_tag
def options(values: Iterable[object], chosen: object = "") -> SafeString:
    """The `<option>`s of a select, each of which shows its value."""
    wanted = str(chosen or "")
    return mark_safe("".join(_option(str(value), wanted) for value in values))  # noqa: S308 -- escaped one by one


def _option(value: str, chosen: str) -> str:
    text = escape(value)
    selected = " selected" if value == chosen else ""
    return f'<option value="{text}"{selected}>{text}</option>'


# Letters of a name that stays on one line on a wide screen; a longer one may wrap.
SHORT_NAME = 22


@register.simple_tag
def runner_rows(
    runners: Iterable[Runner], address: str, columns: Sequence[Column], *, ticks: bool
) -> SafeString:
    """The rows of the runners list: the name, then one cell per column.

    `address` is the list's own; `ticks` puts a checkbox before each row.
    """
    cells = [CELLS[column.name] for column in columns]
    rows = [_runner_row(runner, address, cells, ticks=ticks) for runner in runners]
    return mark_safe("".join(rows))  # noqa: S308 -- cells escape what GitHub sent


def _runner_row(runner: Runner, address: str, cells: Sequence["Cell"], *, ticks: bool) -> str:
    name, account, key = escape(runner.name), escape(str(runner.account)), runner.pk
    tick = ""
    if ticks and runner.gone_at:
        tick = '<td class="tick"></td>'
    elif ticks:
        tick = (
            f'<td class="tick"><input type="checkbox" name="runner" value="{key}" id="tick-{key}"'
            f' aria-label="{name} in {account}"></td>'
        )
    gone = ' class="is-gone"' if runner.gone_at else ""
    short = " is-short" if len(runner.name) <= SHORT_NAME else ""
    return (
        f'<tr id="r{key}"{gone}>{tick}'
        f'<td class="title{short}"><a class="row-link" id="link-{key}"'
        f' href="{address}{key}/">{name}</a></td>'
        f"{''.join([cell(runner) for cell in cells])}</tr>"
    )


def _account(runner: Runner) -> str:
    demo = ' <span class="badge badge-muted">Demo</span>' if runner.account.demo else ""
    return f'<td data-label="Account" class="card-line">{escape(str(runner.account))}{demo}</td>'


def _status(runner: Runner) -> str:
    since = ""
    if runner.shown_status != "Ready":
        least = "" if runner.status_start_was_seen else "at least "
        since = f'<span class="cell-sub">{least}since {when(runner.in_status_since)}</span>'
    return f'<td data-label="Status" class="card-status">{status(runner.shown_status)}{since}</td>'


def _image(runner: Runner) -> str:
    custom = CUSTOM if runner.image_source == "custom" else ""
    name = escape(runner.image_name or "unknown")
    return f'<td data-label="Image" class="card-line wraps">{name}{custom}</td>'


def _maximum(runner: Runner) -> str:
    maximum = "" if runner.maximum_runners is None else f"{runner.maximum_runners:,}"
    return f'<td data-label="Max" class="numeric">{maximum}</td>'


def _group(runner: Runner) -> str:
    group = runner.group_name or ("" if runner.group_id is None else str(runner.group_id))
    return f'<td data-label="Group" class="wraps">{escape(group)}</td>'


def _tags(runner: Runner) -> str:
    tags = " ".join(f'<span class="label">{escape(tag)}</span>' for tag in runner.tags.split())
    return f'<td data-label="Tags" class="wraps">{tags}</td>'


YES, NO = "Yes", '<span class="muted">No</span>'
CUSTOM = ' <span class="badge badge-muted">Custom</span>'

Cell = Callable[[Runner], str]
CELLS: dict[str, Cell] = {
    "account": _account,
    "status": _status,
    "image": _image,
    "platform": lambda runner: f'<td data-label="Platform">{escape(runner.platform)}</td>',
    "size": lambda runner: f'<td data-label="Size" class="nowrap">{escape(runner.size)}</td>',
    "maximum": _maximum,
    "group": _group,
    "static_ip": lambda runner: (
        f'<td data-label="Static IPs">{YES if runner.static_ip else NO}</td>'
    ),
    "active": lambda runner: (
        f'<td data-label="Last used" class="nowrap card-line">{when(runner.last_active_on)}</td>'
    ),
    "since": lambda runner: (
        f'<td data-label="In status since" class="nowrap">{when(runner.in_status_since)}</td>'
    ),
    "seen": lambda runner: (
        f'<td data-label="First seen" class="nowrap">{when(runner.first_seen_at)}</td>'
    ),
    "owner": lambda runner: f'<td data-label="Owner" class="wraps">{escape(runner.owner)}</td>',
    "tags": _tags,
}
