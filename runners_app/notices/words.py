"""The words of a message: many events of one kind in one account are one line with a number."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from runners_app.models import Account, Event, Notice

LINES_SHOWN = 20
K = Event.Kind


@dataclass(frozen=True)
class Message:
    """What a channel is sent. `facts` and `url` repeat parts of `body` for programs."""

    title: str
    body: str
    url: str = ""
    severity: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


TEST = Message("Trackside: a test", "Notices from Trackside arrive here.")


@dataclass(frozen=True)
class Group:
    """Events of one kind in one account; of accounts that are gone, `account` is None."""

    kind: str
    account: Account | None
    events: list[Event]

    @property
    def title(self) -> str:
        if len(self.events) == 1:
            return self.events[0].title
        number, name = len(self.events), str(self.account or "an account")
        return SUMMARIES.get(self.kind, _otherwise)(self, number, name)

    @property
    def path(self) -> str:
        """The page about the event, or the list of what they are about."""
        if len(self.events) == 1 or self.kind not in LISTS:
            return self.events[0].path
        page, query = LISTS[self.kind]
        only = {"account": str(self.account)} if self.account else {}
        return f"{reverse(page)}?{urlencode({**only, **query})}"

    def values(self, name: str) -> list[str]:
        """The distinct values of a field of the events' data, in their order."""
        return list(dict.fromkeys(str(event.data.get(name) or "") for event in self.events))

    @property
    def ranges(self) -> tuple[list[str], list[str]]:
        """Added and removed ranges, without those that only moved to another runner."""
        added = {each: None for event in self.events for each in event.data.get("added", ())}
        removed = {each: None for event in self.events for each in event.data.get("removed", ())}
        return (
            [each for each in added if each not in removed],
            [each for each in removed if each not in added],
        )


def _stuck(group: Group, number: int, name: str) -> str:
    sizes = group.values("size")
    of_size = f" of size {sizes[0]}" if len(sizes) == 1 and sizes[0] else ""
    statuses = set(group.values("status"))
    is_mixed = "Provisioning" in statuses
    what = "have been Provisioning for 30 minutes" if statuses == {"Provisioning"} else "are Stuck"
    more = " or have been Provisioning for 30 minutes" if is_mixed and "Stuck" in statuses else ""
    return f"{number} runners{of_size} of {name} {what}{more}"


def _images(group: Group, number: int, name: str) -> str:
    images = group.values("image")
    if len(images) == 1:
        return (
            f"The image {images[0]} is no longer offered to {name}:"
            f" {number} runners are made from it"
        )
    return (
        f"{len(images)} images are no longer offered to {name}: {number} runners are made from them"
    )


def _ranges(group: Group, number: int, name: str) -> str:
    added, removed = group.ranges
    return f"Static IP ranges of {name} changed: {len(added)} added, {len(removed)} removed"


def _otherwise(group: Group, number: int, name: str) -> str:
    return f"{number} times in {name}: {K(group.kind).label}"


SUMMARIES: dict[str, Callable[[Group, int, str], str]] = {
    K.RUNNER_STUCK: _stuck,
    K.IMAGE_NOT_OFFERED: _images,
    K.RANGES_CHANGED: _ranges,
    K.OPERATION_WAITS: lambda _, number, name: f"{number} operations in {name} need a decision",
    K.JOB_WAITS: lambda _, number, name: f"Jobs wait too long for {number} runners of {name}",
    K.SLO_MISSED: lambda _, number, name: f"{number} runners of {name} miss their SLO",
    K.LABEL_WITHOUT_POOL: lambda _, number, name: (
        f"Jobs of {name} wait for {number} labels that no runner has"
    ),
}
LISTS: dict[str, tuple[str, dict[str, str]]] = {
    K.RUNNER_STUCK: ("runners", {"q": "status:stuck,provisioning", "sort": "since"}),
    K.IMAGE_NOT_OFFERED: ("runners", {"image_offered": "no"}),
    K.RANGES_CHANGED: ("static-ips", {}),
    K.OPERATION_WAITS: ("operations", {"state": "needs_attention"}),
    K.JOB_WAITS: ("insight", {}),
    K.SLO_MISSED: ("insight-waits", {}),
    K.LABEL_WITHOUT_POOL: ("insight", {}),
}


def grouped(events: Iterable[Event]) -> list[Group]:
    """Events by kind and account, the most severe first, then the largest groups."""
    found: dict[tuple[str, int], list[Event]] = {}
    for event in events:
        found.setdefault((event.kind, event.account_pk), []).append(event)
    accounts = Account.objects.in_bulk({account for _, account in found})
    groups = [Group(kind, accounts.get(pk), rows) for (kind, pk), rows in found.items()]
    severities = list(Event.Severity)
    return sorted(
        groups, key=lambda each: (severities.index(each.events[0].severity), -len(each.events))
    )


def message_of(events: list[Event], phase: str) -> Message:
    """One message about events that began, or that are over."""
    groups = grouped(events)
    over = "Over: " if phase == Notice.Phase.END else ""
    first = groups[0]
    severity = first.events[0].severity
    shown = max(1, LINES_SHOWN // len(groups))
    if len(groups) == 1:
        title = first.title
        body = "\n".join([*_fields(first, phase), *_items(first, shown), *_link(first.path)])
        url = _address(first.path)
    else:
        accounts = {group.account for group in groups}
        title = f"{len(events)} things in {_count(len(accounts), 'account')}"
        parts = [
            "\n".join([f"{over}{group.title}", *_items(group, shown), *_link(group.path)])
            for group in groups[:LINES_SHOWN]
        ]
        if len(groups) > LINES_SHOWN:
            parts.append(f"and {len(groups) - LINES_SHOWN} more")
        body, url = "\n\n".join(parts), _address(reverse("overview"))
    facts = {"phase": phase, "events": [_facts(group) for group in groups]}
    return Message(f"Trackside: {over}{title}", body, url, severity, facts)


def _fields(group: Group, phase: str) -> list[str]:
    """What the title does not say, a line each."""
    event = group.events[0]
    began = min(event.began_at for event in group.events)
    lines = [f"Account: {group.account}"] if group.account else []
    lines.append(f"Severity: {event.severity.label}")
    if len(group.events) == 1:
        values = {label: event.data.get(name) for name, label in FIELDS.items()}
        lines.extend(f"{label}: {value}" for label, value in values.items() if value)
    verb = "Noticed" if phase != Notice.Phase.END else "Lasted from"
    lines.append(f"{verb}: {began:%Y-%m-%d %H:%M} UTC")
    if phase == Notice.Phase.END and event.ended_at:
        lines.append(f"Until: {event.ended_at:%Y-%m-%d %H:%M} UTC")
    return lines


FIELDS = {"name": "Runner", "size": "Size", "image": "Image"}


def _items(group: Group, shown: int) -> list[str]:
    """The names of what a group is about; for ranges, lines with a plus or a minus."""
    if group.kind == K.RANGES_CHANGED:
        added, removed = group.ranges
        lines = [*(f"+ {each}" for each in added), *(f"− {each}" for each in removed)]  # noqa: RUF001
        shown = max(shown, LINES_SHOWN)
    elif len(group.events) == 1:
        return []
    else:
        lines = [str(event.data.get("name") or event.title) for event in group.events]
    more = len(lines) - shown
    return [*lines[:shown], f"and {more} more"] if more > 0 else lines


def _facts(group: Group) -> dict[str, Any]:
    return {
        "kind": group.kind,
        "severity": group.events[0].severity,
        "account": str(group.account or ""),
        "title": group.title,
        "count": len(group.events),
        "began_at": min(event.began_at for event in group.events).isoformat(),
        "url": _address(group.path),
        "items": [each for each in group.values("name") if each][:LINES_SHOWN],
    }


def _link(path: str) -> list[str]:
    """On a line of its own, which the senders make a link of."""
    return [f"  {_address(path)}"] if settings.PUBLIC_URL else []


def _address(path: str) -> str:
    return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
