"""Numbers over time, from the history that readings have left: runners by status, static IPs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runners_app.models import Account, FieldChange, Limits
from runners_app.models.runners import RunnerQuerySet
from runners_app.models.visibility import OwnedQuerySet

# Value of `?period=` → how far back, and what the links say.
PERIODS: dict[str, tuple[timedelta, str]] = {
    "24h": (timedelta(hours=24), "24 hours"),
    "7d": (timedelta(days=7), "7 days"),
    "30d": (timedelta(days=30), "30 days"),
    "90d": (timedelta(days=90), "90 days"),
}
USUAL = "7d"
# What a runner was before it appeared, and while it was there until it went.
ABSENT, RETURNS = "\0absent", "\0returns"
Event = tuple[datetime, int, str]  # time, runner, and what it was before
MOMENTS = 48  # how many moments of a period are drawn


@dataclass(frozen=True)
class Series:
    """One line of a picture: its values at the moments of the picture."""

    label: str
    values: list[int]


@dataclass(frozen=True)
class History:
    """Lines over the same moments, oldest first. `since` is when Trackside's history begins, if
    that is within the period.
    """

    moments: list[datetime]
    series: list[Series]
    since: datetime | None = None

    @property
    def rows(self) -> list[tuple[datetime, list[int]]]:
        """The numbers as a table: of every moment, one value per line, newest first."""
        columns = zip(*(line.values for line in self.series), strict=True)
        rows = zip(self.moments, map(list, columns), strict=True)
        return [(at, values) for at, values in rows if not self.since or at >= self.since][::-1]


def moments_of(period: str, now: datetime) -> list[datetime]:
    """The moments of a period that are drawn, oldest first; the last is now."""
    length = PERIODS[period][0]
    return [now - length * (1 - number / (MOMENTS - 1)) for number in range(MOMENTS)]


def status_history(
    runners: RunnerQuerySet, changes: "OwnedQuerySet[FieldChange]", moments: Sequence[datetime]
) -> History:
    """Runners by status at each moment; runners that are gone count until they went.

    Walks back from the statuses of now: each change is taken back, and a runner is absent before
    Trackside first saw it.
    """
    begin = moments[0]
    rows = runners.order_by().filter(first_seen_at__lte=moments[-1])
    rows = rows.exclude(gone_at__lt=begin)
    status_of: dict[int, str] = {}
    present: Counter[str] = Counter()
    events: list[Event] = []
    for pk, status, first_seen_at, gone_at in rows.values_list(
        "pk", "status", "first_seen_at", "gone_at"
    ):
        status_of[pk] = status
        if gone_at is None:
            present[status] += 1
        else:
            events.append((gone_at, pk, RETURNS))
        if first_seen_at > begin:
            events.append((first_seen_at, pk, ABSENT))
    told = changes.filter(item=FieldChange.Item.RUNNER, field="status", at__gt=begin)
    for at, pk, before in told.values_list("at", "item_pk", "before"):
        if pk in status_of:
            events.append((at, pk, str(before or "")))

    # A runner appears before anything else happens to it at the same moment.
    events.sort(key=lambda event: (event[0], event[2] != ABSENT))
    counts: list[Counter[str]] = []
    for moment in reversed(moments):
        while events and events[-1][0] > moment:
            _take_back(events.pop(), status_of, present)
        counts.append(+present)
    counts.reverse()
    return History(list(moments), _lines(counts), _begin(rows, begin))


def _take_back(event: Event, status_of: dict[int, str], present: Counter[str]) -> None:
    _, pk, before = event
    if before == RETURNS:
        present[status_of[pk]] += 1
    elif before == ABSENT:
        present[status_of[pk]] -= 1
    else:
        present[status_of[pk]] -= 1
        present[before] += 1
        status_of[pk] = before


def _lines(counts: Sequence[Counter[str]]) -> list[Series]:
    """A line for each status that a runner had, the most frequent first."""
    total: Counter[str] = sum(counts, Counter())
    return [
        Series(status, [count[status] for count in counts]) for status, _ in total.most_common()
    ]


def _begin(rows: RunnerQuerySet, begin: datetime) -> datetime | None:
    first = rows.order_by("first_seen_at").values_list("first_seen_at", flat=True).first()
    return first if first is not None and first > begin else None


def static_ip_history(accounts: Iterable[Account], moments: Sequence[datetime]) -> History:
    """Static IPs used, and the most there may be, summed over the accounts at each moment."""
    rows = Limits.objects.filter(account__in=list(accounts), observed_at__lte=moments[-1])
    changes = list(
        rows.order_by("observed_at", "pk").values_list(
            "observed_at", "account_id", "used", "maximum"
        )
    )
    now: dict[int, tuple[int, int]] = {}
    used, maximum, place = [], [], 0
    for moment in moments:
        while place < len(changes) and changes[place][0] <= moment:
            _, account, account_used, account_maximum = changes[place]
            now[account] = (account_used, account_maximum)
            place += 1
        used.append(sum(each[0] for each in now.values()))
        maximum.append(sum(each[1] for each in now.values()))
    begin = changes[0][0] if changes and changes[0][0] > moments[0] else None
    series = [Series("Used", used), Series("Maximum", maximum)] if changes else []
    return History(list(moments), series, begin)
