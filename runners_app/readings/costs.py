"""What reading an account has cost in the last day."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from runners_app.models import Account, ReadingRun

PERIOD = timedelta(days=1)


@dataclass(frozen=True)
class Costs:
    """Requests sent, and how many were answered "not modified", which costs no rate budget."""

    requests: int
    not_modified: int

    @property
    def share_not_modified(self) -> int | None:
        """In percent; None without a request."""
        return round(100 * self.not_modified / self.requests) if self.requests else None


def costs_of(account: Account, now: datetime) -> Costs:
    """Costs of all runs in the last day.

    Consecutive runs without a change share one row, which counts in full if its last run is recent.
    """
    rows = ReadingRun.objects.filter(reading__account=account, last_at__gte=now - PERIOD)
    sums = rows.aggregate(requests=Sum("requests"), not_modified=Sum("not_modified"))
    return Costs(sums["requests"] or 0, sums["not_modified"] or 0)
