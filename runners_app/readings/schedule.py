"""When a reading is due again.

Runners are read every 10 seconds while something is in transition, every minute while the account
is active and every 5 minutes otherwise. All of it slows down if the hourly rate budget of the
credential would not last: a fifth of it is kept for people.
"""

import random
from datetime import datetime, timedelta

from runners_app.models import Account, Credential, Membership, Operation, Reading, Runner

MOVING, ACTIVE, QUIET = 10, 60, 300
JUST_CHANGED = timedelta(minutes=2)
RECENTLY = timedelta(hours=1)
HOUR = 3600
KEPT_FOR_PEOPLE = 0.2
# A runner may stay Stuck forever; after this time it no longer justifies frequent requests.
WATCH_STUCK = timedelta(minutes=15)

R = Reading.Resource
FOLLOWS_RUNNERS = frozenset({R.RUNNERS, R.LIMITS})


def interval_of(reading: Reading, credential: Credential, now: datetime) -> int:
    """Seconds until the next run, before jitter."""
    wanted = _wanted_interval(reading, now)
    left = seconds_to_reset(credential, now)
    if wanted >= left:  # the budget will be full again by then
        return wanted
    return round(min(wanted * stretch_of(credential, now), left * 1.2))


def stretch_of(credential: Credential, now: datetime) -> float:
    """The factor by which intervals grow so that the budget of readings lasts until the reset.

    Readings may spend four fifths of the limit. With half of that left after half an hour the
    factor is 1, with a quarter left 2, and with nothing left infinite.
    """
    left = seconds_to_reset(credential, now)
    if not left or not credential.rate_limit or credential.rate_remaining is None:
        return 1.0
    kept = credential.rate_limit * KEPT_FOR_PEOPLE
    share_left = max(0.0, (credential.rate_remaining - kept) / (credential.rate_limit - kept))
    return max(1.0, left / HOUR / share_left) if share_left else float("inf")


def may_read_again(account: Account, now: datetime) -> bool:
    """Whether the user for whom `visible_to` read the account may refresh it now.

    Managers always may, viewers only while the budget of readings lasts: otherwise they could use
    up what is kept for changes.
    """
    is_manager = account.role == Membership.Role.MANAGER
    return is_manager or stretch_of(account.credential, now) != float("inf")


def seconds_to_reset(credential: Credential, now: datetime) -> float:
    """Until the hourly budget is full again; 0 if it is, or if GitHub has not told."""
    if credential.rate_reset_at is None:
        return 0.0
    return max(0.0, (credential.rate_reset_at - now).total_seconds())


def _wanted_interval(reading: Reading, now: datetime) -> int:
    if reading.resource not in FOLLOWS_RUNNERS:
        return Reading.SLOWEST[reading.resource]
    if reading.resource == R.RUNNERS and _is_moving(reading, now):
        return MOVING
    if reading.last_changed_at and now - reading.last_changed_at < RECENTLY:
        return ACTIVE
    return QUIET


def due_after(seconds: float, now: datetime) -> datetime:
    """With jitter of a tenth, so that accounts connected at the same time drift apart."""
    return now + timedelta(seconds=seconds * random.uniform(0.9, 1.1))  # noqa: S311 - no secret


def _is_moving(reading: Reading, now: datetime) -> bool:
    if reading.last_changed_at and now - reading.last_changed_at < JUST_CHANGED:
        return True
    account = reading.account_id
    if Operation.objects.filter(account_id=account, state__in=Operation.CARRIED_BY_WORKER).exists():
        return True
    moving = Runner.objects.in_transition().filter(account_id=account)
    return moving.exclude(status="Stuck", status_since__lt=now - WATCH_STUCK).exists()
