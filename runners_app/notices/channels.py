"""Create, change and delete channels. Each change is audited, without the channel's address."""

from typing import TYPE_CHECKING

from django.db import transaction

from runners_app.models import AuditEntry, Channel
from runners_app.notices.delivery import SEALED_FOR, check_address
from runners_app.security import audit
from runners_app.security.secrets import seal

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@transaction.atomic
def save_channel(channel: Channel, address: str, *, by: "User") -> None:
    """Store a shared channel. An empty `address` keeps the present one.

    Raises UnusableAddress.
    """
    is_new = channel.pk is None
    if address:
        channel.scheme = check_address(address)
        channel.sealed_address = seal(address, uid=channel.uid, api_url=SEALED_FOR)
    channel.save()
    audit.record(
        AuditEntry.Action.CHANNEL_ADDED if is_new else AuditEntry.Action.CHANNEL_CHANGED,
        by=by,
        subject=channel.name,
    )


@transaction.atomic
def delete_channel(channel: Channel, *, by: "User") -> None:
    audit.record(AuditEntry.Action.CHANNEL_DELETED, by=by, subject=channel.name)
    channel.delete()


def own_channel(user: "User") -> Channel:
    """The user's own mailbox; switched off, and not stored, until they switch it on."""
    stored = Channel.objects.filter(owner=user).first()
    return stored or Channel(owner=user, name=f"{user}'s mailbox", is_on=False, scheme="mailto")
