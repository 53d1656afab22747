"""Rows that a long list repeats hundreds of times, built in Python, as a template takes four times
as long.

Available in every template. Text from GitHub is escaped; the rest is numbers and our own markup.
"""

from collections.abc import Iterable
from html import escape

from django import template
from django.utils.safestring import SafeString, mark_safe

from runners_app.models import Runner
from runners_app.templatetags.trackside import status, when

register = template.Library()


@register.simple_tag
def options(values: Iterable[object], chosen: object = "") -> SafeString:
    """The `<option>` elements of a select; each shows its own value."""
    options = []
    for value in map(str, values):
        text, selected = escape(value), " selected" if value == str(chosen or "") else ""
        options.append(f'<option value="{text}"{selected}>{text}</option>')
    return mark_safe("".join(options))  # noqa: S308 -- values are escaped


@register.simple_tag
def runner_rows(runners: Iterable[Runner], address: str, *, ticks: bool) -> SafeString:
    """The rows of the list of runners at the URL `address`, each with a checkbox if `ticks`."""
    rows = "".join(_runner_row(runner, address, ticks) for runner in runners)
    return mark_safe(rows)  # noqa: S308 -- names are escaped, the rest is ours


def _runner_row(runner: Runner, address: str, ticks: bool) -> str:
    name, account, key = escape(runner.name), escape(runner.account.slug), runner.pk
    box = (
        f'<input type="checkbox" name="runner" value="{key}" id="tick-{key}"'
        f' aria-label="{name} in {account}">'
    )
    tick = f'<td class="tick">{"" if runner.gone_at else box}</td>' if ticks else ""
    gone = ' class="is-gone"' if runner.gone_at else ""
    demo = ' <span class="badge badge-muted">Demo</span>' if runner.account.demo else ""
    since = ""
    if runner.shown_status != "Ready":
        since = f'<span class="cell-sub">changed {when(runner.in_status_since)}</span>'
    custom = ", custom" if runner.image_source == "custom" else ""
    group = runner.group_name or ("" if runner.group_id is None else runner.group_id)
    maximum = "" if runner.maximum_runners is None else f"{runner.maximum_runners:,}"
    return (
        f"<tr{gone}>{tick}"
        f'<td class="title"><a class="row-link" href="{address}{key}/">{name}</a>'
        f'<span class="cell-sub">{account}{demo}</span></td>'
        f'<td data-label="Status">{status(runner.shown_status)}{since}</td>'
        f'<td data-label="Image">{escape(runner.image_name or "unknown")}'
        f'<span class="cell-sub">{escape(runner.platform)}{custom}</span></td>'
        f'<td data-label="Size" class="nowrap">{escape(runner.size)}</td>'
        f'<td data-label="Maximum" class="numeric">{maximum}</td>'
        f'<td data-label="Group" class="wide-only">{escape(str(group))}</td>'
        f'<td data-label="Static IPs" class="wide-only">{YES if runner.static_ip else NO}</td>'
        f'<td data-label="Last used" class="nowrap">{when(runner.last_active_on)}</td></tr>'
    )


YES, NO = "Yes", '<span class="muted">No</span>'
