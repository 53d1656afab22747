"""Notices: a message per event and channel when something needs a person, and one when it is over.

Every minute a worker stores which events began and ended, then sends the notices that are due. It
claims a notice before sending it, so that two workers do not send it twice.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from runners_app.credentials.wake import wake_notices_on_commit
from runners_app.models import Channel, Event, Notice, Snooze
from runners_app.notices.delivery import deliver
from runners_app.notices.fact import Fact
from runners_app.notices.facts import find_facts, is_cut_short, seen_by
from runners_app.notices.routing import routed_to
from runners_app.notices.runner_facts import being_changed
from runners_app.notices.senders import NotDelivered
from runners_app.notices.words import TEST as TEST_MESSAGE
from runners_app.notices.words import message_of

log = logging.getLogger(__name__)
BEGIN, END, TEST = Notice.Phase.BEGIN, Notice.Phase.END, Notice.Phase.TEST
# Minutes before each retry; after the last of them a notice is given up.
RETRY_AFTER = (1, 5, 15, 60)
CLAIMED_FOR = timedelta(minutes=2)
KEPT_DAYS = 30
# What follows a message about the same kind in the same account waits for so long, and is one more.
GATHER = timedelta(minutes=5)


def watch_and_send(now: datetime) -> None:
    watch(now)
    send_due(now)


@transaction.atomic
def watch(now: datetime) -> None:
    """Open an event for each new fact, end the events whose fact is gone, and create notices.

    What a running batch changes waits for the batch to end: by then most of it is over.
    """
    facts = {fact.key: fact for fact in find_facts(now)}
    topics = {fact.topic for fact in facts.values()}
    open_events = {
        event.key: event
        for event in Event.objects.select_for_update(no_key=True).filter(ended_at=None)
    }

    gone = [event for event in open_events.values() if event.key not in facts]
    begun = [fact for key, fact in facts.items() if key not in open_events]
    changing = being_changed(now, [*gone, *begun])

    for event in gone:
        if event.key not in changing:
            _end(event, now, is_over=event.topic not in topics and not _never_ends(event))

    new = [_open(fact, now) for fact in begun if fact.key not in changing]
    if new:
        _notify_channels(new, now)

    Event.objects.filter(ended_at__lt=now - timedelta(days=KEPT_DAYS)).delete()
    Notice.objects.filter(event=None, made_at__lt=now - timedelta(days=1)).delete()
    Snooze.objects.filter(until__lte=now).delete()


def _never_ends(event: Event) -> bool:
    return event.kind in Event.MOMENTARY or is_cut_short(event)


def _open(fact: Fact, now: datetime) -> Event:
    return Event.objects.create(
        kind=fact.kind,
        key=fact.key,
        topic=fact.topic,
        account_pk=fact.account_pk,
        item=fact.item,
        item_pk=fact.item_pk,
        # On one line, because it becomes the subject of a mail, and names in it come from GitHub.
        title=" ".join(fact.title.split())[:500],
        path=fact.path,
        data=fact.data,
        began_at=now,
    )


def _notify_channels(events: list[Event], now: datetime) -> None:
    snoozed = {(row.account_id, row.kind): row.until for row in Snooze.objects.all()}
    channels = Channel.objects.filter(is_on=True).select_related("owner")
    for channel in channels.prefetch_related("accounts", "groups"):
        if channel.owner is not None and not channel.owner.is_active:
            continue
        visible = {event.key for event in events}
        if channel.owner is not None:
            visible = seen_by(channel.owner, events)

        told = _told_lately(channel, now)
        Notice.objects.bulk_create(
            Notice(
                channel=channel,
                event=event,
                phase=BEGIN,
                made_at=now,
                due_at=max(
                    channel.due_at(now, event.severity),
                    snoozed.get((event.account_pk, event.kind), now),
                    told.get((event.account_pk, event.kind), now),
                ),
            )
            for event in routed_to(channel, events)
            if event.key in visible and event.kind in channel.kinds
        )


def _told_lately(channel: Channel, now: datetime) -> dict[tuple[int, str], datetime]:
    """(account, kind) → when the next message may be sent, where one was about what still lasts."""
    sent = Notice.objects.filter(
        channel=channel, phase=BEGIN, sent_at__gt=now - GATHER, event__ended_at=None
    )
    last = sent.values_list("event__account_pk", "event__kind").annotate(Max("sent_at"))
    return {(account, kind): moment + GATHER for account, kind, moment in last}


def _end(event: Event, now: datetime, *, is_over: bool) -> None:
    """End an event, and notify the channels that were told of its beginning if it `is_over`.

    It is not over if another stage of it began, or if Trackside only stopped checking.
    """
    Event.objects.filter(pk=event.pk).update(ended_at=now)
    Notice.objects.filter(event=event, phase=BEGIN, sent_at=None).delete()
    if not is_over:
        return

    for channel in _told(event):
        if not _reason_to_drop(channel.owner, event):
            times = {"made_at": now, "due_at": channel.due_at(now, event.severity)}
            Notice.objects.get_or_create(channel=channel, event=event, phase=END, defaults=times)


def _told(event: Event) -> list[Channel]:
    """The channels whose last message about the topic, at any stage, was that it began."""
    about = Notice.objects.filter(event__topic=event.topic)
    sent = about.filter(Q(phase=END) | Q(sent_at__isnull=False))
    last = {row.channel_id: row for row in sent.select_related("channel__owner").order_by("pk")}
    return [row.channel for row in last.values() if row.phase == BEGIN]


def _reason_to_drop(owner: User | None, event: Event | None) -> str:
    """Why a notice may not go to a user's own mailbox; empty if it may, or if it is shared."""
    if owner is None:
        return ""
    if not owner.is_active:
        return "Not sent: this user is disabled."
    if event is not None and not seen_by(owner, [event]):
        return "Not sent: this user may no longer see it."
    return ""


def send_due(now: datetime) -> None:
    """Send the notices that are due, as one message per channel and phase."""
    due = Notice.objects.filter(sent_at=None, due_at__lte=now, tries__lte=len(RETRY_AFTER))
    due = due.filter(Q(channel__is_on=True) | Q(phase=TEST))
    rows = due.select_related("channel__owner", "event").order_by("channel", "phase", "pk")
    for _, group in groupby(rows, key=lambda notice: (notice.channel_id, notice.phase)):
        notices = [notice for notice in group if _claim(notice, now) and not _drop(notice)]
        if notices:
            _send(notices)


def _claim(notice: Notice, now: datetime) -> bool:
    rows = Notice.objects.filter(
        pk=notice.pk, sent_at=None, due_at=notice.due_at, tries=notice.tries
    )
    return bool(rows.update(due_at=now + CLAIMED_FOR, tries=F("tries") + 1))


def _drop(notice: Notice) -> bool:
    """Give a notice up if its recipient lost the right to it, perhaps a whole night after it was
    created.
    """
    owner = notice.channel.owner
    if owner is not None:
        owner = User.objects.filter(pk=owner.pk).first()
    reason = _reason_to_drop(owner, notice.event)
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
    """Send the notices as one message. Returns why it did not arrive; empty if it did."""
    try:
        events = [notice.event for notice in notices if notice.event]
        message = message_of(events, notices[0].phase) if events else TEST_MESSAGE
        deliver(notices[0].channel, message)
    except NotDelivered as error:
        return str(error)
    except Exception as error:
        # One broken channel must not stop the others. The text of the error may hold a secret.
        log.exception("Notices to channel %s could not be sent.", notices[0].channel_id)
        return f"It could not be sent ({type(error).__name__}). See the log of the worker."
    return ""


def ask_test(channel: Channel) -> None:
    """Have a worker send a test message now, even in quiet hours and while the channel is off.

    It is tried once, and replaces every earlier test of the channel.
    """
    now = timezone.now()
    Notice.objects.filter(channel=channel, phase=TEST).delete()
    Notice.objects.create(
        channel=channel, phase=TEST, made_at=now, due_at=now, tries=len(RETRY_AFTER)
    )
    wake_notices_on_commit()


def recent(channels: Iterable[Channel]) -> list[Notice]:
    """The last 50 notices to these channels, newest first, with channel and event."""
    rows = Notice.objects.filter(channel__in=list(channels)).select_related("channel", "event")
    return list(rows.order_by("-made_at", "-pk")[:50])
