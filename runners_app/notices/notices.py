"""Word when something needs a person: once per event and channel, with a message when it is over.

Every minute: what began and what ended is written down, then what is due is sent. A row is claimed
before it is sent, so two workers do not send it twice.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from runners_app.credentials.wake import wake_notices_on_commit
from runners_app.models import Channel, Event, Notice
from runners_app.notices.delivery import NotDelivered, deliver
from runners_app.notices.facts import Fact, fact_of, find_facts, is_cut_short, seen_by, thing_of

log = logging.getLogger(__name__)
BEGIN, END, TEST = Notice.Phase.BEGIN, Notice.Phase.END, Notice.Phase.TEST
# Minutes until it is tried again; after the last one it is given up.
RETRY_AFTER = (1, 5, 15, 60)
CLAIMED_FOR = timedelta(minutes=2)
LINES_SHOWN, KEPT_DAYS = 20, 30


def watch_and_send(now: datetime) -> None:
    watch(now)
    send_due(now)


@transaction.atomic
def watch(now: datetime) -> None:
    """Open events that began, end those that are over, and write down who is to hear of it."""
    facts = {fact.key: fact for fact in find_facts(now)}
    open_events = {
        event.key: event for event in Event.objects.select_for_update().filter(ended_at=None)
    }
    things = {thing_of(fact) for fact in facts.values()}
    for event in open_events.values():
        if event.key not in facts:
            _end(event, now, told=thing_of(event) not in things and not is_cut_short(event))
    begun = [fact for key, fact in facts.items() if key not in open_events]
    events = {fact.key: Event.objects.create(began_at=now, **_columns(fact)) for fact in begun}
    if events:
        _tell_channels(begun, events, now)
    Event.objects.filter(ended_at__lt=now - timedelta(days=KEPT_DAYS)).delete()
    Notice.objects.filter(event=None, made_at__lt=now - timedelta(days=1)).delete()


def _columns(fact: Fact) -> dict[str, str]:
    """The title on one line, as the subject of a mail must be: names in it come from GitHub."""
    return {
        "kind": fact.kind,
        "key": fact.key,
        "title": " ".join(fact.title.split())[:500],
        "path": fact.path,
    }


def _tell_channels(begun: list[Fact], events: dict[str, Event], now: datetime) -> None:
    for channel in Channel.objects.filter(is_on=True).select_related("owner"):
        if channel.owner is not None and not channel.owner.is_active:
            continue
        seen = seen_by(channel.owner, begun) if channel.owner else {fact.key for fact in begun}
        told = [
            events[fact.key] for fact in begun if fact.key in seen and fact.kind in channel.kinds
        ]
        due_at = channel.next_loud_moment(now)
        Notice.objects.bulk_create(
            [
                Notice(channel=channel, event=event, phase=BEGIN, made_at=now, due_at=due_at)
                for event in told
            ]
        )


def _end(event: Event, now: datetime, *, told: bool) -> None:
    """Whoever heard that it began hears that it is over, unless another stage of it began or nobody
    looks any more.
    """
    Event.objects.filter(pk=event.pk).update(ended_at=now)
    Notice.objects.filter(event=event, phase=BEGIN, sent_at=None).delete()
    for channel in _listening(event) if told else ():
        if _reason_to_drop(channel.owner, event):
            continue
        due_at = channel.next_loud_moment(now)
        Notice.objects.get_or_create(
            channel=channel, event=event, phase=END, defaults={"made_at": now, "due_at": due_at}
        )


def _listening(event: Event) -> list[Channel]:
    """Those whose last word about it, at whatever stage, was that it began."""
    thing = thing_of(event)
    about = Notice.objects.filter(Q(event__key=thing) | Q(event__key__startswith=f"{thing}:"))
    rows = (
        about.filter(Q(phase=END) | Q(sent_at__isnull=False))
        .select_related("channel__owner")
        .order_by("pk")
    )
    last = {row.channel_id: row for row in rows}
    return [row.channel for row in last.values() if row.phase == BEGIN]


def _reason_to_drop(owner: User | None, event: Event | None) -> str:
    """Why word of it may not go to somebody's own mailbox; empty when it may."""
    if owner is None:
        return ""
    if not owner.is_active:
        return "Not sent: this person is disabled."
    if event is not None and not seen_by(owner, [fact_of(event)]):
        return "Not sent: this person may not see it any more."
    return ""


def send_due(now: datetime) -> None:
    """One message per channel and phase, however many events it tells of."""
    due = Notice.objects.filter(sent_at=None, due_at__lte=now, tries__lte=len(RETRY_AFTER))
    wanted = due.filter(Q(channel__is_on=True) | Q(phase=TEST))
    rows = wanted.select_related("channel__owner", "event").order_by("channel", "phase", "pk")
    for _, group in groupby(rows, key=lambda notice: (notice.channel_id, notice.phase)):
        mine = [notice for notice in group if _claim(notice, now) and not _drop(notice)]
        if mine:
            _send(mine)


def _claim(notice: Notice, now: datetime) -> bool:
    rows = Notice.objects.filter(
        pk=notice.pk, sent_at=None, due_at=notice.due_at, tries=notice.tries
    )
    return bool(rows.update(due_at=now + CLAIMED_FOR, tries=F("tries") + 1))


def _drop(notice: Notice) -> bool:
    """Rights are those of this moment: between a row and its message may lie a night."""
    owner = notice.channel.owner
    reason = _reason_to_drop(
        User.objects.filter(pk=owner.pk).first() if owner else None, notice.event
    )
    if reason:
        Notice.objects.filter(pk=notice.pk).update(failure=reason, tries=len(RETRY_AFTER) + 1)
    return bool(reason)


def _send(notices: list[Notice]) -> None:
    rows = Notice.objects.filter(pk__in=[notice.pk for notice in notices])
    failure = _failure_of(notices)
    if failure:
        wait = timedelta(minutes=RETRY_AFTER[min(notices[0].tries, len(RETRY_AFTER) - 1)])
        rows.update(failure=failure, due_at=timezone.now() + wait)
    else:
        rows.update(sent_at=timezone.now(), failure="")


def _failure_of(notices: list[Notice]) -> str:
    """Sends them; says why they did not arrive, or nothing when they did."""
    try:
        deliver(notices[0].channel, *_words(notices))
    except NotDelivered as error:
        return str(error)
    except (
        Exception
    ) as error:  # whatever it is keeps no other channel from its word, and may name a secret
        log.exception("Notices to channel %s could not be sent.", notices[0].channel_id)
        return f"It could not be sent ({type(error).__name__}). The log of the worker says more."
    return ""


def _words(notices: list[Notice]) -> tuple[str, str]:
    phase, events = notices[0].phase, [notice.event for notice in notices if notice.event]
    if phase == TEST or not events:
        return "Trackside: a test", "Notices from Trackside arrive here."
    over = "Over: " if phase == END else ""
    title = f"{over}{events[0].title}" if len(events) == 1 else f"{over}{len(events)} things"
    lines = [f"{over}{event.title}{_link(event)}" for event in events[:LINES_SHOWN]]
    if len(events) > LINES_SHOWN:
        lines.append(f"and {len(events) - LINES_SHOWN} more")
    return f"Trackside: {title}", "\n".join(lines)


def _link(event: Event) -> str:
    return f"\n  {settings.PUBLIC_URL}{event.path}" if settings.PUBLIC_URL else ""


def ask_test(channel: Channel) -> None:
    """A worker sends it within a minute at most, quiet hours or not, also while the channel is off."""
    now = timezone.now()
    Notice.objects.filter(channel=channel, phase=TEST).delete()
    Notice.objects.create(
        channel=channel, phase=TEST, made_at=now, due_at=now, tries=len(RETRY_AFTER)
    )
    wake_notices_on_commit()


def recent(channels: Iterable[Channel]) -> list[Notice]:
    rows = Notice.objects.filter(channel__in=list(channels)).select_related("channel", "event")
    return list(rows.order_by("-made_at", "-pk")[:50])
