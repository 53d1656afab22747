"""How much of the truth Trackside knows about jobs, account by account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q
from django.utils import timezone

from runners_app.models import Account, Delivery, Hook, Job, JobRepository, JobsVersion, Reading

SILENT_AFTER = timedelta(hours=1)
RESOURCES = (
    Reading.Resource.JOB_DELIVERIES,
    Reading.Resource.OPEN_JOBS,
    Reading.Resource.JOB_HISTORY,
)
RED_BELOW = 0.98


@dataclass
class Coverage:
    """Of one account. `known` is the share of last week's jobs whose pool is known."""

    account: Account
    hook: Hook | None = None
    last_event_at: datetime | None = None
    received: int = 0
    repaired: int = 0
    asked: int = 0
    jobs: int = 0
    unknown_pool: int = 0
    estimated: int = 0
    lost: int = 0
    history_since: datetime | None = None
    unread: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def mode(self) -> str:
        if self.hook is None or self.hook.last_event_at is None:
            return "REST only"
        return "Webhooks"

    @property
    def known(self) -> float | None:
        return 1 - self.unknown_pool / self.jobs if self.jobs else None

    @property
    def tone(self) -> str:
        if self.mode == "REST only":
            return "warning"
        if self.known is not None and self.known < RED_BELOW:
            return "danger"
        return "success"


def coverage_of(accounts: Sequence[Account]) -> list[Coverage]:
    """For accounts the person sees in full. The number of queries is constant."""
    rows = {account.pk: Coverage(account) for account in accounts}
    now = timezone.now()
    for version in JobsVersion.objects.filter(account__in=rows):
        rows[version.account_id].last_event_at = version.last_event_at
    hooks = Hook.objects.filter(Q(account__in=rows) | Q(app__credential__accounts__in=rows))
    by_app: dict[int, Hook] = {}
    for hook in hooks.distinct():
        if hook.account_id in rows:
            rows[hook.account_id].hook = hook
            if hook.error:
                rows[hook.account_id].problems.append(hook.error)
        elif hook.app_id:
            by_app[hook.app_id] = hook
    for row in rows.values():
        row.hook = row.hook or by_app.get(row.account.credential.app_id or 0)
    _count_deliveries(rows)
    week = Job.objects.filter(account__in=rows, started_at__gte=now - timedelta(days=7))
    for each in (
        week.real()
        .on_larger()
        .values("account")
        .annotate(
            number=Count("pk"),
            unknown=Count("pk", filter=Q(pool=None)),
            guessed=Count("pk", filter=Q(estimated=True)),
        )
    ):
        row = rows[each["account"]]
        row.jobs, row.unknown_pool, row.estimated = each["number"], each["unknown"], each["guessed"]
    lost = Job.objects.filter(account__in=rows, lost=True).values("account").annotate(n=Count("pk"))
    for count in lost:
        rows[count["account"]].lost = count["n"]
    history = JobRepository.objects.filter(account__in=rows).values("account")
    for read in history.annotate(
        since=Max("backfilled_to"),
        unread=Count("pk", filter=Q(backfilled_to=None)),
    ):
        row = rows[read["account"]]
        row.history_since, row.unread = read["since"], read["unread"]
    for reading in Reading.objects.filter(account__in=rows, resource__in=RESOURCES).exclude(
        error=""
    ):
        rows[reading.account_id].problems.append(
            f"{reading.get_resource_display()}: {reading.error_message}"
        )
    return list(rows.values())


def _count_deliveries(rows: dict[int, Coverage]) -> None:
    by_hook: dict[int, list[Coverage]] = defaultdict(list)
    for row in rows.values():
        if row.hook:
            by_hook[row.hook.pk].append(row)
    counted = (
        Delivery.objects.filter(hook__in=by_hook)
        .values("hook")
        .annotate(
            number=Count("pk"),
            again=Count("pk", filter=Q(live=False) & ~Q(outcome=Delivery.Outcome.ASKED)),
            asked_again=Count("pk", filter=Q(outcome=Delivery.Outcome.ASKED)),
        )
    )
    for each in counted:
        for row in by_hook[each["hook"]]:
            row.received, row.repaired = each["number"], each["again"]
            row.asked = each["asked_again"]
