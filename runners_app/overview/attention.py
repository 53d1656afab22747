"""When something needs a person: one set of rules for the overview, the notices and the metrics.

Every limit is reached at exactly its value: a token that expires in 14 days to the second, 80 % of
the static IPs, 30 minutes of Provisioning.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q

from runners_app.models import Account, Limits, Reading
from runners_app.models.readings import STALE_AFTER

if TYPE_CHECKING:
    from runners_app.models.readings import ReadingQuerySet

EXPIRES_SOON = timedelta(days=14)
PROVISIONING_TOO_LONG = timedelta(minutes=30)
NEARLY_USED = 0.8


def is_stuck() -> Q:
    """A condition on runners: GitHub reports a status that does not end by itself."""
    return Q(status="Stuck")


def provisions_too_long(now: datetime) -> Q:
    """A condition on runners: seen Provisioning, and seen so again half an hour later.

    Time in which nobody looked does not count: an account that is paused or cannot be read would
    otherwise report runners that have been ready for long. Of a runner that was already so when it
    was first seen, nobody knows since when; pages and notices say "at least".
    """
    seen_since = Reading.objects.filter(
        account=OuterRef("account"),
        resource=Reading.Resource.RUNNERS,
        last_good_at__gte=OuterRef("status_since") + PROVISIONING_TOO_LONG,
    )
    long_ago = Q(status="Provisioning", status_since__lte=now - PROVISIONING_TOO_LONG)
    return long_ago & Q(Exists(seen_since))


def expires_soon(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a token expires within 14 days, or has expired."""
    return expires_at is not None and expires_at <= now + EXPIRES_SOON


def is_nearly_used(limits: Limits) -> bool:
    """Whether an account has used 80 % of its static IPs. One that may have none has used none."""
    return limits.maximum > 0 and limits.used >= limits.maximum * NEARLY_USED


def is_used_up(limits: Limits) -> bool:
    """Whether an account has used all its static IPs."""
    return limits.maximum > 0 and limits.used >= limits.maximum


def is_read(account: Account) -> bool:
    """Whether readings of the account run at all, so that one that does not needs a person.

    None run while the account is paused or its credential is disabled. Both are reported, or were
    decided by a person, themselves.
    """
    return not account.paused and account.credential.quarantined_at is None


def overdue_readings(now: datetime) -> "ReadingQuerySet":
    """Readings that no worker has run for an hour, although nothing keeps them from running."""
    return Reading.objects.stale(now).filter(
        account__paused=False, account__credential__quarantined_at=None
    )


def readings_failing_too_long(now: datetime) -> "ReadingQuerySet":
    """Readings that have failed for an hour. The overview lists failing readings at once; a notice
    waits, because most failures end by themselves within minutes.
    """
    return Reading.objects.failing().filter(
        error_since__lte=now - STALE_AFTER,
        account__paused=False,
        account__credential__quarantined_at=None,
    )
