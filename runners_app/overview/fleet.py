"""The fleet in numbers: runners by status, platform and size, and runners per day."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count
from django.db.models.functions import TruncDate

from runners_app.models.runners import RunnerQuerySet

DAYS = 30


@dataclass
class Fleet:
    """Runners by status, platform and size; `per_day` counts them at the end of each day."""

    by_status: Counter[str] = field(default_factory=Counter)
    by_platform: Counter[str] = field(default_factory=Counter)
    by_size: Counter[str] = field(default_factory=Counter)
    per_day: list[int] = field(default_factory=list)


def count_fleet(runners: RunnerQuerySet, now: datetime) -> Fleet:
    """Count runners, given with those that are gone. Costs three queries."""
    fleet = Fleet()
    rows = runners.present().order_by().values_list("status", "platform", "size")
    for status, platform, size, count in rows.annotate(count=Count("pk")):
        fleet.by_status[status] += count
        fleet.by_platform[platform] += count
        fleet.by_size[size] += count
    fleet.per_day = _per_day(runners, fleet.by_status.total(), now)
    return fleet


def _per_day(runners: RunnerQuerySet, today: int, now: datetime) -> list[int]:
    """Runners at the end of each of the last 30 days, oldest first.

    Counts backwards from `today`. Days before Trackside first saw a runner are left out, because
    there were no readings then.
    """
    since = now - timedelta(days=DAYS)
    appeared = _by_day(runners.filter(first_seen_at__gte=since), "first_seen_at")
    vanished = _by_day(runners.filter(gone_at__gte=since), "gone_at")

    counts = [today]
    for days_ago in range(DAYS):
        day = (now - timedelta(days=days_ago)).date()
        counts.append(counts[-1] - appeared[day] + vanished[day])
    while counts and not counts[-1]:
        counts.pop()
    return counts[::-1]


def _by_day(rows: RunnerQuerySet, column: str) -> Counter[object]:
    days = rows.order_by().annotate(day=TruncDate(column)).values_list("day")
    return Counter(dict(days.annotate(count=Count("pk"))))
