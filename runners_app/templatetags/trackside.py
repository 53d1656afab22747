"""Template tags and filters, available in every template.

Several of them run hundreds of times per page, so they render no templates, and markup of a few
values (icons, known statuses) is cached.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django import template
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from heroicons import _render_icon

from runners_app.models.clock import NOTABLE_SKEW, skew
from runners_app.web.incidents import current_incidents

register = template.Library()

# GitHub's status → icon and tone. Any other status is shown as GitHub sent it.
STATUSES = {
    "Ready": ("check-circle", "success"),
    "Provisioning": ("arrow-path", "progress"),
    "Shutdown": ("power", "muted"),
    "Deleting": ("trash", "done"),
    "Stuck": ("exclamation-triangle", "danger"),
    "gone": ("no-symbol", "muted"),
}
STATUS_WORDS = {"gone": "Gone"}
UNDEFINED_STATUSES = {"Shutdown", "Stuck"}
UNDEFINED_NOTE = "GitHub does not define this status."
GONE_NOTE = "GitHub no longer lists this runner."

OPERATION_STATES = {
    "requested": ("Requested", "clock", "muted"),
    "sent": ("Sent", "paper-airplane", "progress-still"),
    "unknown": ("Answer lost", "question-mark-circle", "warning"),
    "observing": ("Waiting to see it", "eye", "progress-still"),
    "confirmed": ("Confirmed", "check-circle", "success"),
    "rejected": ("Rejected by GitHub", "x-circle", "danger"),
    "cancelled": ("Cancelled", "no-symbol", "muted"),
    "needs_attention": ("Needs attention", "exclamation-triangle", "warning"),
}

EVENT_TONES = {
    "confirmed": "success",
    "rejected": "danger",
    "needs_attention": "warning",
    "unknown": "warning",
}

ACCOUNT_KINDS = {
    "organization": ("building-office", "Organization"),
    "enterprise": ("building-office-2", "Enterprise"),
}

LEVEL_ICONS = {
    "info": "information-circle",
    "success": "check-circle",
    "warning": "exclamation-triangle",
    "danger": "exclamation-circle",
    "error": "exclamation-circle",
}

TONE_ICONS = {
    "success": "check-circle",
    "progress": "arrow-path",
    "warning": "exclamation-triangle",
    "danger": "x-circle",
    "done": "check",
    "muted": "minus-circle",
}

MINUTE, HOUR, DAY, MONTH, YEAR = 60, 3_600, 86_400, 2_592_000, 31_536_000
UNITS = ((YEAR, "year"), (MONTH, "month"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))

# Parameters that a poll adds and no link may repeat.
POLL_PARAMETERS = ("version",)
PLACE_PARAMETERS = ("after", "before")


@register.simple_tag
@lru_cache(maxsize=512)
def icon(name: str, size: int = 16) -> SafeString:
    """An inlined, decorative heroicon; put a word beside it or an aria-label around it."""
    svg = _render_icon("mini" if size > 16 else "micro", str(name), size, {"class": "icon"})
    return mark_safe("".join(line.strip() for line in svg.splitlines()))  # noqa: S308 -- from the icon package


def _state(name: str, tone: str, word: str, note: str = "") -> SafeString:
    title = f' title="{escape(note)}"' if note else ""
    markup = f'<span class="status status-{tone}"{title}>{icon(name)}{escape(word)}</span>'
    return mark_safe(markup)  # noqa: S308 -- word and note are escaped


@lru_cache(maxsize=64)
def _status(value: str) -> SafeString:
    name, tone = STATUSES.get(value, ("question-mark-circle", "unknown"))
    return _state(name, tone, STATUS_WORDS.get(value, value), status_note(value))


@register.inclusion_tag("components/incidents.html")
def incidents() -> dict[str, object]:
    """Banners for open incidents at GitHub, and for a clock that is wrong."""
    off = skew()
    seconds = round(abs(off.total_seconds())) if abs(off) > NOTABLE_SKEW else 0
    return {"incidents": current_incidents(), "clock_skew": seconds}


@register.simple_tag
def status(value: object) -> SafeString:
    """A runner's status as icon, word and colour; an unknown one as GitHub sent it."""
    return _status(str(value) if value else "No status")


@register.simple_tag
def status_count(value: object, count: int) -> SafeString:
    """The number of runners with a status, "12 Ready", with its icon and colour."""
    name, tone = STATUSES.get(str(value), ("question-mark-circle", "unknown"))
    word = STATUS_WORDS.get(str(value), str(value))
    return _state(name, tone, f"{count:,} {word}", status_note(value))


@register.filter
def status_note(value: object) -> str:
    """A sentence about a status that GitHub does not define; empty for all others."""
    if value == "gone":
        return GONE_NOTE
    return UNDEFINED_NOTE if value in UNDEFINED_STATUSES or value not in STATUSES else ""


@lru_cache(maxsize=64)
def _operation_state(value: str) -> SafeString:
    word, name, tone = OPERATION_STATES.get(value, (value, "question-mark-circle", "unknown"))
    return _state(name, tone, word)


@register.simple_tag
def operation_state(value: object) -> SafeString:
    """An operation's state as icon, word and colour."""
    return _operation_state(str(value))


@register.filter
def event_tone(value: object) -> str:
    """The tone of an operation's state in its timeline: success, danger, warning or info."""
    return EVENT_TONES.get(str(value), "info")


@register.simple_tag
def state(tone: str, word: object, icon_name: str = "") -> SafeString:
    """Any other state as icon, word and colour. Tones are the keys of TONE_ICONS."""
    return _state(icon_name or TONE_ICONS[tone], tone, str(word))


@register.simple_tag
def account_kind(kind: object) -> SafeString:
    """The kind of an account as icon and word."""
    name, word = ACCOUNT_KINDS.get(str(kind), ("question-mark-circle", str(kind)))
    return format_html('<span class="with-icon">{}{}</span>', icon(name), word)


@register.simple_tag
def level_icon(level: object) -> SafeString:
    """The icon of a banner or message with this level."""
    return icon(LEVEL_ICONS.get(str(level), "information-circle"))


def relative(moment: datetime, now: datetime) -> str:
    """The distance in words: "just now", "3 minutes ago", "in 4 minutes".

    trackside.js uses the same words to keep an open page up to date.
    """
    seconds = (now - moment).total_seconds()
    distance = abs(seconds)
    if distance < MINUTE:
        return "just now" if seconds > -1 else "in a moment"
    unit_seconds, unit = next(pair for pair in UNITS if distance >= pair[0])
    words = plural(int(distance // unit_seconds), unit)
    return f"{words} ago" if seconds > 0 else f"in {words}"


def _exact(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y, %H:%M:%S} UTC"


def _time(moment: datetime, text: str, attributes: str = "") -> SafeString:
    iso = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    markup = f'<time datetime="{iso}" title="{_exact(moment)}"{attributes}>{text}</time>'
    return mark_safe(markup)  # noqa: S308 -- only times and our own words


def _nothing(text: str) -> SafeString:
    return format_html('<span class="muted">{}</span>', text)


@register.simple_tag
def ago(moment: datetime | None, never: str = "never") -> SafeString:
    """A relative time with the exact one in its title. The script keeps it up to date."""
    if moment is None:
        return _nothing(never)
    moment = moment.astimezone(UTC)
    return _time(moment, relative(moment, timezone.now()))


@register.simple_tag
def when(moment: datetime | None, never: str = "never") -> SafeString:
    """Like `ago`, for cached fragments: the text is exact until the script makes it relative."""
    if moment is None:
        return _nothing(never)
    moment = moment.astimezone(UTC)
    return _time(moment, f"{moment.day} {moment:%b %Y, %H:%M}")


@register.simple_tag
def exact(moment: datetime | None, never: str = "never") -> SafeString:
    """The exact time. The script adds the local time to its title."""
    if moment is None:
        return _nothing(never)
    moment = moment.astimezone(UTC)
    return _time(moment, _exact(moment), " data-exact")


@register.simple_tag
def plural(count: int | None, noun: str, nouns: str = "") -> str:
    """A count with its noun: "1 runner", "1,234 runners"."""
    count = count or 0
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


@register.simple_tag
def every(seconds: int) -> str:
    """An interval in words: "every minute", "every 5 minutes"."""
    unit_seconds, unit = next((pair for pair in UNITS if seconds >= pair[0]), (1, "second"))
    count = seconds // unit_seconds
    return f"every {unit}" if count == 1 else f"every {plural(count, unit)}"


@register.filter
def is_ahead(moment: datetime | None) -> bool:
    return moment is not None and moment > timezone.now()


@register.filter
def thousands(value: int | None) -> str:
    """A number with separators: 1,234."""
    return "" if value is None else f"{value:,}"


@register.simple_tag
def gauge(used: int | None, maximum: int | None, noun: str = "used") -> SafeString:
    """A bar and its numbers, for a limit such as static IPs."""
    if used is None or not maximum:
        text = "unknown" if used is None else f"{used:,} {noun}"
        return format_html(
            '<span class="gauge"><span class="gauge-text muted">{}</span></span>', text
        )
    share = min(max(used / maximum, 0), 1)
    tone = "danger" if share >= 1 else "warning" if share >= 0.8 else "normal"
    return format_html(
        '<span class="gauge gauge-{}">'
        '<svg class="gauge-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="gauge-track" width="100" height="8"/>'
        '<rect class="gauge-fill" width="{}" height="8"/></svg>'
        '<span class="gauge-text">{} of {} {}</span></span>',
        tone,
        f"{share * 100:.1f}",
        f"{used:,}",
        f"{maximum:,}",
        noun,
    )


SPARK_WIDTH, SPARK_HEIGHT = 96, 24


@register.simple_tag
def sparkline(values: Iterable[float | None] | None, label: str = "") -> SafeString:
    """A small line chart of numbers over time; `label` says what they are.

    Put the table of numbers beside it, because the chart has no axes.
    """
    numbers = [value for value in values or () if value is not None]
    if len(numbers) < 2:
        return _nothing("not enough readings yet")
    low, high = min(numbers), max(numbers)
    step = SPARK_WIDTH / (len(numbers) - 1)
    scale = (SPARK_HEIGHT - 4) / ((high - low) or 1)
    flat = SPARK_HEIGHT / 2 if high == low else None
    points = [
        (i * step, flat or SPARK_HEIGHT - 2 - (value - low) * scale)
        for i, value in enumerate(numbers)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    name = f"{label}: " if label else ""
    return format_html(
        '<svg class="sparkline" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img"'
        ' aria-label="{label}"><polygon class="sparkline-area" points="0,{h} {line} {w},{h}"/>'
        '<polyline points="{line}"/></svg>',
        w=SPARK_WIDTH,
        h=SPARK_HEIGHT,
        line=line,
        label=f"{name}from {numbers[0]:,g} to {numbers[-1]:,g}, lowest {low:,g}, highest {high:,g}",
    )


@register.simple_tag
def copy_button(text: object, label: str = "Copy", *, words: bool = False) -> SafeString:
    """A button that copies `text`. `words=True` shows the label beside the icon."""
    if words:
        return format_html(
            '<button type="button" class="button button-small needs-js" data-copy="{}">'
            "{}<span>{}</span></button>",
            text,
            icon("square-2-stack"),
            label,
        )
    return format_html(
        '<button type="button" class="icon-button needs-js" data-copy="{}" aria-label="{}"'
        ' title="{}">{}</button>',
        text,
        label,
        label,
        icon("square-2-stack"),
    )


def _query(context: template.Context, changes: dict[str, Any]) -> str:
    parameters = context["request"].GET.copy()
    for name in POLL_PARAMETERS:
        parameters.pop(name, None)
    for name, value in changes.items():
        if value is None or value == "":
            parameters.pop(name, None)
        elif isinstance(value, list | tuple):
            parameters.setlist(name, [str(item) for item in value])
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The current query string with changes; None removes a parameter."""
    return _query(context, changes)


@register.simple_tag(takes_context=True)
def filters(context: template.Context, target: str) -> SafeString:
    """Attributes of a filter form that let htmx reload only the list `target` and set the URL."""
    return format_html(
        'hx-get="{}" hx-target="{}" hx-swap="outerHTML" hx-push-url="true"'
        ' hx-trigger="submit, change target:select, input changed delay:80ms'
        ' from:find input[type=search]" hx-sync="this:queue last"',
        context["request"].path,
        target,
    )


@register.simple_tag(takes_context=True)
def filters_summary(context: template.Context, *names: str) -> SafeString:
    """The button that opens a toolbar's filters on a phone, with how many of `names` are set."""
    count = sum(bool(context["request"].GET.get(name)) for name in names)
    return format_html(
        '<summary class="button">{}Filters<span class="counter" data-filters{}>{}</span></summary>',
        icon("funnel"),
        SafeString("" if count else " hidden"),
        count,
    )


@register.simple_tag(takes_context=True)
def sort_header(
    context: template.Context, key: str, label: str, current: str = "", css: str = ""
) -> SafeString:
    """A column header that sorts by `key`; `current` is the present sort, "-name" if descending."""
    direction = {key: "ascending", f"-{key}": "descending"}.get(current or "", "")
    arrow = {"ascending": "chevron-up", "descending": "chevron-down"}.get(
        direction, "chevron-up-down"
    )
    following = f"-{key}" if direction == "ascending" else key
    href = _query(context, {"sort": following, **dict.fromkeys(PLACE_PARAMETERS)})
    aria = format_html(' aria-sort="{}"', direction) if direction else ""
    return format_html(
        '<th scope="col" class="{}"{}><a class="sort" href="{}">{}{}</a></th>',
        css,
        aria,
        href,
        label,
        icon(arrow),
    )


@register.simple_tag(takes_context=True)
def nav_link(
    context: template.Context, name: str, label: str, icon_name: str, key: str = ""
) -> SafeString:
    """A link of the main navigation, marked if it leads to this page or to a page above it.

    There is no link to a page that this installation does not route.
    """
    href = _address(name, get_script_prefix(), get_urlconf())
    if not href:
        return SafeString("")
    path = context["request"].path
    current = ' aria-current="page"' if path == href else ""
    if not current and href != get_script_prefix() and path.startswith(href):
        current = ' aria-current="true"'
    return _nav_link(href, label, icon_name, key, current)


@lru_cache(maxsize=64)
def _address(name: str, prefix: str, urlconf: str | None) -> str:
    """The URL of a page without arguments; empty if it is not routed.

    `prefix` and `urlconf` are in the cache's key, because the URL depends on them.
    """
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


@lru_cache(maxsize=256)
def _nav_link(href: str, label: str, icon_name: str, key: str, current: str) -> SafeString:
    return format_html(
        '<li><a href="{}" data-go="{}"{}>{}<span data-text="{}">{}</span></a></li>',
        href,
        key,
        mark_safe(current),  # noqa: S308 -- one of two constants
        icon(icon_name),
        label,
        label,
    )
