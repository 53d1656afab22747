"""When a reading is due again: seconds while something moves, a minute while active, five when
quiet.

All of it slower when the hourly budget of the credential would not last: a fifth of it is kept for
people.
"""

import random
from datetime import datetime, timedelta

from runners_app.models import Account, Credential, Membership, Operation, Reading, Runner

MOVING, ACTIVE, QUIET = 10, 60, 300
JUST_CHANGED = timedelta(minutes=2)
RECENTLY = timedelta(hours=1)
HOUR = 3600
KEPT_FOR_PEOPLE = 0.2
# A runner may stay Stuck for ever; after this long it is no longer worth a request every few
# seconds.
WATCH_STUCK = timedelta(minutes=15)

R = Reading.Resource
FOLLOWS_RUNNERS = frozenset({R.RUNNERS, R.LIMITS})


def interval_of(reading: Reading, credential: Credential, now: datetime) -> int:
    """Seconds until the next run, before jitter."""
    wanted = _wanted_interval(reading, now)
    left = seconds_to_reset(credential, now)
    if wanted >= left:  # by then the budget is full again
        return wanted
    return round(min(wanted * stretch_of(credential, now), left * 1.2))


def stretch_of(credential: Credential, now: datetime) -> float:
    """How many times slower than wanted, so that what readings may spend lasts until the budget is
    full again.

    What they may spend is four fifths of the limit. With half of that left at half of the hour
    nothing is slower; with a quarter left everything takes twice as long; with nothing left it
    waits for the full budget.
    """
    left = seconds_to_reset(credential, now)
    if not left or not credential.rate_limit or credential.rate_remaining is None:
        return 1.0
    kept = credential.rate_limit * KEPT_FOR_PEOPLE
    share_left = max(0.0, (credential.rate_remaining - kept) / (credential.rate_limit - kept))
    return max(1.0, left / HOUR / share_left) if share_left else float("inf")


def may_read_again(account: Account, now: datetime) -> bool:
    """Whether somebody may have an account read at once: managers always, viewers while readings
    have budget left.

    Else whoever may look could use up what is kept for changes. `account` comes from `visible_to`.
    """
    is_manager = getattr(account, "role", "") == Membership.Role.MANAGER
    return is_manager or stretch_of(account.credential, now) != float("inf")


def seconds_to_reset(credential: Credential, now: datetime) -> float:
    """Until the hourly budget is full again; 0 when it is, or when GitHub has not told."""
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
    """With a tenth of jitter, so that accounts connected together drift apart."""
    return now + timedelta(seconds=seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, guards nothing


def _is_moving(reading: Reading, now: datetime) -> bool:
    if reading.last_changed_at and now - reading.last_changed_at < JUST_CHANGED:
        return True
    account = reading.account_id
    if Operation.objects.filter(account_id=account, state__in=Operation.CARRIED_BY_WORKER).exists():
        return True
    moving = Runner.objects.in_transition().filter(account_id=account)
    return moving.exclude(status="Stuck", status_since__lt=now - WATCH_STUCK).exists()
