"""Writing to the audit log, always in the transaction of what the entry is about."""

import logging
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from runners_app.models import Account, AuditEntry

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = logging.getLogger("audit")


def record(
    action: AuditEntry.Action,
    *,
    by: "User | None",
    account: Account | None = None,
    subject: str = "",
    details: dict[str, object] | None = None,
) -> AuditEntry:
    """Add an entry. Without a user, Trackside itself or a management command did it."""
    entry = AuditEntry.objects.create(
        at=timezone.now(),
        actor_id=by.pk if by else None,
        actor_name=by.get_username() if by else "Trackside",
        action=action,
        account_id=account.pk if account else None,
        account_name=str(account) if account else "",
        subject=subject[:500],
        details=details or {},
    )
    transaction.on_commit(lambda: log.info("%s", entry.canonical()), robust=True)
    return entry
