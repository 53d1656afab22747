"""Which events a channel is about, and until when it is not to hear of them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from runners_app.models import Account, AuditEntry, Channel, Event, Notice, Runner, Snooze
from runners_app.security import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Hours that a person may choose.
SNOOZES = (("1", "1 hour"), ("8", "8 hours"), ("24", "1 day"), ("168", "1 week"))


def routed_to(channel: Channel, events: Iterable[Event]) -> list[Event]:
    """The events about the accounts, groups and owners that a channel is limited to.

    A channel that is limited to groups or owners hears only of events about runners.
    """
    accounts = {account.pk for account in channel.accounts.all()}
    groups = {(group.account_id, group.github_id) for group in channel.groups.all()}
    owners = channel.owner_keys
    events = [event for event in events if not accounts or event.account_pk in accounts]
    if not groups and not owners:
        return events

    pks = [event.item_pk for event in events if event.item == "runner"]
    wanted = {
        pk
        for pk, account, group, owner in Runner.objects.filter(pk__in=pks).values_list(
            "pk", "account_id", "group_id", "owner"
        )
        if (not groups or (account, group) in groups) and (not owners or owner.lower() in owners)
    }
    return [event for event in events if event.item == "runner" and event.item_pk in wanted]


@transaction.atomic
def snooze(account: Account, kind: str, hours: int, now: datetime, *, by: "User") -> None:
    """Send nothing about a kind of event in an account; what is over by then is never sent.

    Zero hours end it: what waits is sent now.
    """
    until = now + timedelta(hours=hours)
    rows = Snooze.objects.filter(account=account, kind=kind)
    waiting = Notice.objects.filter(
        event__account_pk=account.pk, event__kind=kind, phase=Notice.Phase.BEGIN, sent_at=None
    )
    if hours:
        rows.update_or_create(
            account=account, kind=kind, defaults={"until": until, "by": by.get_username()}
        )
        waiting.filter(due_at__lt=until).update(due_at=until)
    else:
        ended = rows.values_list("until", flat=True).first()
        if ended:
            waiting.filter(due_at=ended).update(due_at=now)
        rows.delete()
    audit.record(
        AuditEntry.Action.NOTICES_SNOOZED,
        by=by,
        account=account,
        subject=Event.Kind(kind).label,
        details={"hours": hours},
    )


def snooze_channel(channel: Channel, hours: int, now: datetime) -> None:
    """Send nothing to a channel for some hours; zero ends that. The caller saves the channel."""
    before, until = channel.snoozed_until, now + timedelta(hours=hours) if hours else None
    channel.snoozed_until = until
    waiting = Notice.objects.filter(channel=channel, sent_at=None).exclude(phase=Notice.Phase.TEST)
    if channel.pk and until:
        waiting.filter(due_at__lt=until).update(due_at=until)
    elif channel.pk and before:
        waiting.filter(due_at=before).update(due_at=now)
