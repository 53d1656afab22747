"""Charts drawn as SVG on the server, available in every template, with their numbers as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from runners_app.templatetags.trackside import STATUS_WORDS, STATUSES, icon

register = template.Library()

CHART_WIDTH, CHART_HEIGHT = 600, 120


@dataclass(frozen=True)
class Bar:
    """One bar, and the URL of the list it links to."""

    label: str
    count: int
    address: str


@register.simple_tag
def bars(
    rows: Sequence[Bar], caption: str, noun: str = "Runners", *, statuses: bool = False
) -> SafeString:
    """A table drawn as bars, the highest count at full width.

    With `statuses`, labels are GitHub's statuses, shown with icon and colour.
    """
    most = max((row.count for row in rows), default=0) or 1
    lines = (
        (*_label(row, statuses=statuses), f"{row.count / most * 100:.1f}", f"{row.count:,}")
        for row in rows
    )
    return format_html(
        '<table class="bars"><caption class="visually-hidden">{}</caption>'
        '<thead class="visually-hidden"><tr>'
        '<th scope="col">Value</th><th scope="col">{}</th></tr></thead>'
        "<tbody>{}</tbody></table>",
        caption,
        noun,
        format_html_join(
            "",
            '<tr class="bar-{}"><th scope="row">{}</th><td><span class="bar">'
            '<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
            '<rect width="{}" height="10"/></svg><span>{}</span></span></td></tr>',
            lines,
        ),
    )


def _label(row: Bar, *, statuses: bool) -> tuple[str, SafeString]:
    if not statuses:
        link = '<a class="row-link" href="{}">{}</a>' if row.address else "{1}"
        return "normal", format_html(link, row.address, row.label)
    name, tone = STATUSES.get(row.label, ("question-mark-circle", "unknown"))
    word = STATUS_WORDS.get(row.label, row.label)
    still = "progress-still" if tone == "progress" else tone
    return tone, format_html(
        '<a class="status status-{}" href="{}">{}{}</a>', still, row.address, icon(name), word
    )


class Line(Protocol):
    """A line of a picture over time: its label, and a value for each moment."""

    @property
    def label(self) -> str: ...

    @property
    def values(self) -> list[int]: ...


AXIS = 34  # width of the numbers beside a picture


@register.simple_tag
def over_time(
    moments: Sequence[datetime],
    lines: Sequence[Line],
    caption: str,
    since: datetime | None = None,
    *,
    statuses: bool = False,
) -> SafeString:
    """Lines over time with axes, a legend, and the numbers of each moment on hover.

    They begin at `since`, because before it nothing is known. With `statuses`, labels are GitHub's
    statuses. Put the table of numbers beside it.
    """
    if not lines or len(moments) < 2:
        return SafeString("")
    top = max(1, *(max(line.values) for line in lines))
    width, height = CHART_WIDTH - AXIS, CHART_HEIGHT - 20

    def x(index: int) -> float:
        return AXIS + index / (len(moments) - 1) * width

    def y(value: int) -> float:
        return 6 + (1 - value / top) * (height - 6)

    known = [i for i, moment in enumerate(moments) if since is None or moment >= since]
    levels = sorted({0, top // 2, top})
    grid = format_html_join(
        "",
        '<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}">{}</text>',
        (
            (AXIS, CHART_WIDTH, f"{y(n):.1f}", f"{y(n):.1f}", 0, f"{y(n) + 4:.1f}", f"{n:,}")
            for n in levels
        ),
    )
    shown = "%H:%M" if moments[-1] - moments[0] <= timedelta(days=2) else "%-d %b"
    times = format_html_join(
        "",
        '<text x="{}" y="{}" class="axis-{}">{}</text>',
        (
            (f"{x(index):.0f}", CHART_HEIGHT - 4, place, f"{moments[index]:{shown}}")
            for index, place in (
                (0, "start"),
                (len(moments) // 2, "middle"),
                (len(moments) - 1, "end"),
            )
        ),
    )
    drawn = format_html_join(
        "",
        '<polyline class="line line-{} dash-{}" points="{}"/>',
        (
            (
                _tone(line.label, statuses=statuses),
                number % 4,
                " ".join(f"{x(i):.1f},{y(line.values[i]):.1f}" for i in known),
            )
            for number, line in enumerate(lines)
        ),
    )
    step = width / (len(moments) - 1)
    hovers = format_html_join(
        "",
        '<rect class="hover" x="{}" y="0" width="{}" height="{}"><title>{}</title></rect>',
        (
            (
                f"{x(i) - step / 2:.1f}",
                f"{step:.1f}",
                CHART_HEIGHT,
                f"{moments[i]:%-d %b %Y, %H:%M} UTC: "
                + ", ".join(f"{line.label} {line.values[i]:,}" for line in lines),
            )
            for i in known
        ),
    )
    legend = format_html_join(
        "",
        '<li><svg class="key" viewBox="0 0 24 8" aria-hidden="true">'
        '<line class="line line-{} dash-{}" x1="0" x2="24" y1="4" y2="4"/></svg>{} {}</li>',
        (
            (_tone(line.label, statuses=statuses), n % 4, line.label, f"{line.values[-1]:,}")
            for n, line in enumerate(lines)
        ),
    )
    return format_html(
        '<svg class="over-time" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}{}</svg>'
        '<ul class="legend">{}</ul>',
        CHART_WIDTH,
        CHART_HEIGHT,
        caption,
        grid,
        times,
        drawn,
        hovers,
        legend,
    )


def _tone(label: str, *, statuses: bool) -> str:
    if statuses:
        return STATUSES.get(label, ("", "unknown"))[1]
    return "muted" if label == "Maximum" else "progress"


class Point(NamedTuple):
    """The used and the maximum number from `at` on, until the next point."""

    at: datetime
    used: int
    maximum: int


@register.simple_tag
def steps(points: Sequence[Point], until: datetime, label: str) -> SafeString:
    """A step chart of used and maximum over time; `points` are oldest first.

    Put the table of numbers beside it, because the chart has no axes.
    """
    if not points:
        return SafeString("")
    first, seconds = points[0].at, max((until - points[0].at).total_seconds(), 1.0)
    top = max(1, *(max(point.used, point.maximum) for point in points))

    starts = [(point.at - first).total_seconds() / seconds * CHART_WIDTH for point in points]
    ends = [*starts[1:], CHART_WIDTH]

    def line(values: Sequence[int]) -> str:
        heights = [CHART_HEIGHT - 2 - value / top * (CHART_HEIGHT - 6) for value in values]
        steps = zip(starts, ends, heights, strict=True)
        return " ".join(f"{x:.1f},{y:.1f} {end:.1f},{y:.1f}" for x, end, y in steps)

    used = line([point.used for point in points])
    return format_html(
        '<svg class="steps" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img"'
        ' aria-label="{label}"><polygon class="steps-area" points="0,{h} {used} {w},{h}"/>'
        '<polyline class="steps-maximum" points="{maximum}"/>'
        '<polyline class="steps-used" points="{used}"/></svg>',
        w=CHART_WIDTH,
        h=CHART_HEIGHT,
        used=used,
        maximum=line([point.maximum for point in points]),
        label=label,
    )
