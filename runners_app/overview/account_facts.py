"""Counts per account that a user may see, in a fixed number of queries."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Count, Exists, Min, OuterRef, Q, Sum

from runners_app.models import Account, Limits, Operation, Reading, Runner, RunnerGroup
from runners_app.models.operations import is_stale_request
from runners_app.models.runners import IDLE_AFTER
from runners_app.overview.attention import is_stuck, overdue_readings, provisions_too_long

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass
class AccountFacts:
    """One account in numbers.

    `failing` holds its readings that fail, in reading order; `stale` counts those that no worker
    has run for too long; `unsent` counts operations that wait to be confirmed again.
    """

    account: Account
    by_status: dict[str, int] = field(default_factory=dict)
    machines: int = 0
    stuck: int = 0
    provisioning_long: int = 0
    idle: int = 0
    image_not_offered: int = 0
    public_groups: int = 0
    limits: Limits | None = None
    synced_at: datetime | None = None
    stale: int = 0
    failing: list[Reading] = field(default_factory=list)
    under_way: int = 0
    needing_decision: int = 0
    unsent: int = 0

    @property
    def runners(self) -> int:
        return sum(self.by_status.values())

    @property
    def reasons(self) -> list[str]:
        """The distinct reasons its readings fail for."""
        return list(dict.fromkeys(reading.error_message for reading in self.failing))


def read_accounts(user: "User", now: datetime, **only: int) -> list[AccountFacts]:
    """The facts of every account the user may see, sorted by name. Costs seven queries.

    `only` filters the accounts, for example by `pk`.
    """
    accounts = Account.objects.visible_to(user).filter(**only).select_related("credential")
    facts = {account.pk: AccountFacts(account) for account in accounts}
    if facts:
        _add_runners(facts, now)
        _add_limits(facts)
        _add_groups(facts)
        _add_readings(facts, now)
        _add_operations(facts, now)
    return list(facts.values())


def counted(facts: list[AccountFacts]) -> list[AccountFacts]:
    """The accounts that totals include: demo accounts only until a real one is connected."""
    return [each for each in facts if not each.account.demo] or facts


def _accounts(facts: dict[int, AccountFacts]) -> list[Account]:
    return [each.account for each in facts.values()]


def _add_runners(facts: dict[int, AccountFacts], now: datetime) -> None:
    runners = Runner.objects.present().within(_accounts(facts)).order_by()
    rows = runners.values("account_id", "status").annotate(
        runners=Count("pk"),
        machines=Sum("maximum_runners"),
        stuck=Count("pk", filter=is_stuck()),
        late=Count("pk", filter=provisions_too_long(now)),
        idle=Count("pk", filter=Q(last_active_on__lt=now - IDLE_AFTER)),
    )
    for row in rows:
        account = facts[row["account_id"]]
        account.by_status[row["status"]] = row["runners"]
        account.machines += row["machines"] or 0
        account.stuck += row["stuck"]
        account.provisioning_long += row["late"]
        account.idle += row["idle"]

    orphans = Runner.objects.image_not_offered().within(_accounts(facts)).order_by()
    for orphan in orphans.values("account_id").annotate(runners=Count("pk")):
        facts[orphan["account_id"]].image_not_offered = orphan["runners"]


def _add_limits(facts: dict[int, AccountFacts]) -> None:
    for limits in Limits.objects.current().within(_accounts(facts)):
        facts[limits.account_id].limits = limits


def _add_groups(facts: dict[int, AccountFacts]) -> None:
    """Groups with runners that public repositories may use."""
    runners = Runner.objects.present().filter(
        account=OuterRef("account"), group_id=OuterRef("github_id")
    )
    public = RunnerGroup.objects.present().within(_accounts(facts))
    public = public.filter(Exists(runners), allows_public_repositories=True)
    for row in public.order_by().values("account_id").annotate(groups=Count("pk")):
        facts[row["account_id"]].public_groups = row["groups"]


def _add_readings(facts: dict[int, AccountFacts], now: datetime) -> None:
    readings = Reading.objects.filter(account__in=facts)
    overdue = Q(pk__in=overdue_readings(now).filter(account__in=facts).values("pk"))
    rows = readings.order_by().values("account_id")
    for row in rows.annotate(
        synced_at=Min("last_good_at", filter=Q(resource=Reading.Resource.RUNNERS)),
        stale=Count("pk", filter=overdue),
    ):
        account = facts[row["account_id"]]
        account.synced_at, account.stale = row["synced_at"], row["stale"]

    for reading in readings.failing().order_by("order"):
        facts[reading.account_id].failing.append(reading)


def _add_operations(facts: dict[int, AccountFacts], now: datetime) -> None:
    rows = Operation.objects.unfinished().within(_accounts(facts)).order_by().values("account_id")
    counts = rows.annotate(
        operations=Count("pk"),
        needing_decision=Count("pk", filter=Q(state=Operation.State.NEEDS_ATTENTION)),
        unsent=Count("pk", filter=is_stale_request(now)),
    )
    for row in counts:
        account = facts[row["account_id"]]
        account.needing_decision, account.unsent = row["needing_decision"], row["unsent"]
        account.under_way = row["operations"] - row["needing_decision"] - row["unsent"]
