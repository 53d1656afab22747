"""What reading an account cost of late."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from runners_app.models import Account, ReadingRun

OF_LATE = timedelta(days=1)


@dataclass(frozen=True)
class Costs:
    """Requests sent, and how many of them GitHub answered with "not modified", which costs no
    budget.
    """

    requests: int
    not_modified: int

    @property
    def share_not_modified(self) -> int | None:
        """In percent; nothing before the first request."""
        return round(100 * self.not_modified / self.requests) if self.requests else None


def costs_of(account: Account, now: datetime) -> Costs:
    """Of the runs of the last day; runs without a change are one row from the first of them on."""
    rows = ReadingRun.objects.filter(reading__account=account, last_at__gte=now - OF_LATE)
    sums = rows.aggregate(requests=Sum("requests"), not_modified=Sum("not_modified"))
    return Costs(sums["requests"] or 0, sums["not_modified"] or 0)
