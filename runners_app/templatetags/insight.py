"""Seconds, shares and causes in words."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()
NOTHING = "–"  # noqa: RUF001 - a dash is what tables show for nothing
CAUSES = {
    "approval": ("muted", "Waits for an approval"),
    "concurrency": ("muted", "Waits for its concurrency group"),
    "pool_not_ready": ("danger", "The pool is not Ready"),
    "pool_full": ("warning", "The pool is full"),
    "no_such_label": ("danger", "No pool has this label"),
    "github_slow": ("warning", "GitHub is slow"),
    "unknown": ("muted", "Not known"),
}


@register.filter
def duration(seconds: float | None) -> str:
    """`8 s`, `4 min 05 s`, `2 h 10 min`, `3 d 4 h`."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


@register.filter
def percent(share: float | None) -> str:
    """`0.4 %`, `12 %`."""
    if share is None:
        return NOTHING
    value = share * 100
    return f"{value:.1f} %" if 0 < value < 10 else f"{value:.0f} %"


@register.filter
def dollars(value: float | None) -> str:
    return NOTHING if value is None else f"${value:,.2f}"


@register.filter
def cause_tone(cause: str) -> str:
    return CAUSES.get(cause, CAUSES["unknown"])[0]


@register.filter
def cause_words(cause: str) -> str:
    return CAUSES.get(cause, CAUSES["unknown"])[1]


@register.simple_tag
def insight_link(kind: str, pk: int | None, name: str | None, period: str) -> SafeString | str:
    """A name that leads to the jobs behind it."""
    if pk is None or name is None:
        return "Unknown"
    window = f"&period={period}" if period else ""
    return format_html('<a class="row-link" href="?{}={}{}">{}</a>', kind, pk, window, name)
