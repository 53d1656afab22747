"""When a reading is due again: seconds while something moves, a minute while active, five when quiet."""

import random
from datetime import datetime, timedelta

from runners_app.models import Credential, Operation, Reading, Runner

MOVING, ACTIVE, QUIET = 10, 60, 300
JUST_CHANGED = timedelta(minutes=2)
RECENTLY = timedelta(hours=1)
# A runner may stay Stuck for ever; after this long it is no longer worth a request every few seconds.
WATCH_STUCK = timedelta(minutes=15)

R = Reading.Resource
SLOWEST: dict[str, int] = {
    R.GROUPS: 600, R.GROUP_ACCESS: 600, R.SELF_HOSTED_RUNNERS: 600, R.REPOSITORIES: 1800,
    R.CUSTOM_IMAGES: 300, R.IMAGE_VERSIONS: 1800, R.CATALOG: 86_400, R.ACCESS_CHECKS: 86_400,
}  # fmt: skip
FOLLOWS_RUNNERS = frozenset({R.RUNNERS, R.LIMITS})


def interval_of(reading: Reading, credential: Credential, now: datetime) -> int:
    """Seconds until the next run, before jitter."""
    if reading.resource not in FOLLOWS_RUNNERS:
        return SLOWEST[reading.resource]
    if reading.resource == R.RUNNERS and _is_moving(reading, now):
        wanted = MOVING
    elif reading.last_changed_at and now - reading.last_changed_at < RECENTLY:
        wanted = ACTIVE
    else:
        wanted = QUIET
    return max(wanted, QUIET) if credential.budget_is_low(now) else wanted


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
