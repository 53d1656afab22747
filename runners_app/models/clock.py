"""The database's clock, by which hosts agree on what is due even if their own clocks differ."""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone

from runners_app.github.clock import uptime

MEASURED_EVERY_SECONDS = 5.0
# A host's clock that moved by more than this since the last measurement has been set.
JUMP_SECONDS = 0.5
NOTABLE_SKEW = timedelta(seconds=5)


class _Offset:
    """The database's clock minus this host's, as it was measured last."""

    value = timedelta(0)
    measured_at = float("-inf")
    host_at = datetime.min.replace(tzinfo=UTC)


def database_now() -> datetime:
    """The time of the database's host.

    SQLite runs in this process, so that its clock is the host's. PostgreSQL's clock is read every
    few seconds, and at once after this host's clock has been set.
    """
    host = timezone.now()
    if connection.vendor == "postgresql":
        elapsed = uptime() - _Offset.measured_at
        if elapsed > MEASURED_EVERY_SECONDS or _has_jumped(host, elapsed):
            _measure()
            host = timezone.now()
        return host + _Offset.value
    return host


def skew() -> timedelta:
    """How far the database's clock is ahead of this host's; negative if it is behind."""
    database_now()
    return _Offset.value if connection.vendor == "postgresql" else timedelta(0)


def _has_jumped(host: datetime, elapsed: float) -> bool:
    passed = (host - _Offset.host_at).total_seconds()
    return abs(passed - elapsed) > JUMP_SECONDS


def _measure() -> None:
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        (database,) = cursor.fetchone()
        after = timezone.now()
    _Offset.value = database - (before + (after - before) / 2)
    _Offset.measured_at, _Offset.host_at = uptime(), after
