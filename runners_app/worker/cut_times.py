"""Cuts stored times that are further ahead than their rule allows.

The clock of the database's host may have been ahead when they were stored and have been set since.
Without this, work would wait until the wrong time.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from runners_app.github.clock import uptime
from runners_app.models import Credential, Operation, Reading

log = logging.getLogger(__name__)
SLACK = timedelta(seconds=5)
# The longest pauses between the steps of an operation and between tries of a failing reading.
LONGEST_STEP = timedelta(minutes=2)
LONGEST_RETRY = timedelta(minutes=75)
# A reading with an interval up to one of these is due again after a fifth more at most.
INTERVALS = (10, 60, 300, 1800, 7200, 86_400)


EVERY_SECONDS = 10.0
_last = float("-inf")


def cut_now_and_then(now: datetime) -> None:
    """Call `cut_times` every ten seconds at most."""
    global _last
    if uptime() - _last > EVERY_SECONDS:
        _last = uptime()
        cut_times(now)


def cut_times(now: datetime) -> int:
    """Make due what waits for a time beyond its rule; the number of rows. `now` is the database's.

    A lease is cut to its full length from now, because its holder may be at work.
    """
    lease = timedelta(seconds=settings.LEASE_SECONDS)
    spacing = timedelta(seconds=settings.WRITE_SPACING_SECONDS)
    credentials, readings = Credential.objects.all(), Reading.objects.all()
    unfinished = Operation.objects.filter(state__in=Operation.CARRIED_BY_WORKER)
    observed = unfinished.filter(state=Operation.State.OBSERVING).count()
    step = LONGEST_STEP + timedelta(seconds=settings.OBSERVE_INTERVAL_SECONDS * observed / 10)

    cut = credentials.filter(lease_expires_at__gt=now + lease + SLACK).update(
        lease_expires_at=now + lease
    )
    cut += credentials.filter(next_write_at__gt=now + spacing + SLACK).update(next_write_at=now)
    cut += unfinished.filter(next_step_at__gt=now + step + SLACK).update(next_step_at=now)
    failing = ~Q(error="") & Q(due_at__gt=now + LONGEST_RETRY)
    cut += readings.filter(failing).update(due_at=now)
    for seconds in INTERVALS:
        beyond = now + timedelta(seconds=seconds * 1.2) + SLACK
        late = readings.filter(error="", interval_seconds__lte=seconds, due_at__gt=beyond)
        cut += late.update(due_at=now)
    if cut:
        log.warning("%s stored times were too far ahead and were cut: a clock has been set.", cut)
    return cut
