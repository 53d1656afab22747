"""What all accounts a person may see add up to, in a few queries however many accounts and runners
there are.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Exists, Min, OuterRef, Q, Sum

from runners_app.models import Account, Limits, Operation, Reading, Runner, RunnerGroup
from runners_app.models.operations import is_stale_request
from runners_app.models.runners import IDLE_AFTER

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PROVISIONING_TOO_LONG = timedelta(minutes=30)


@dataclass
class AccountFacts:
    """One account in numbers. `failing` and `stale` are its readings that went wrong or lie too
    long.
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
        """Each reason its readings fail for, once."""
        return list(dict.fromkeys(reading.error_message for reading in self.failing))


def read_accounts(user: "User", now: datetime) -> list[AccountFacts]:
    """The facts of every account the person may see, by name. Seven queries."""
    accounts = Account.objects.visible_to(user).select_related("credential")
    facts = {account.pk: AccountFacts(account) for account in accounts}
    if facts:
        _add_runners(facts, now)
        _add_limits(facts)
        _add_groups(facts)
        _add_readings(facts, now)
        _add_operations(facts, now)
    return list(facts.values())


def counted(facts: list[AccountFacts]) -> list[AccountFacts]:
    """Those that totals are made of: demo accounts count only until a real one is connected."""
    return [each for each in facts if not each.account.demo] or facts


def _accounts(facts: dict[int, AccountFacts]) -> list[Account]:
    return [each.account for each in facts.values()]


def _add_runners(facts: dict[int, AccountFacts], now: datetime) -> None:
    rows = (
        Runner.objects.present().within(_accounts(facts)).order_by().values("account_id", "status")
    )
    late = Q(status="Provisioning", status_since__lt=now - PROVISIONING_TOO_LONG)
    counts = rows.annotate(
        runners=Count("pk"),
        machines=Sum("maximum_runners"),
        late=Count("pk", filter=late),
        idle=Count("pk", filter=Q(last_active_on__lt=now - IDLE_AFTER)),
    )
    for row in counts:
        one = facts[row["account_id"]]
        one.by_status[row["status"]] = row["runners"]
        one.machines += row["machines"] or 0
        one.provisioning_long += row["late"]
        one.idle += row["idle"]
        one.stuck += row["runners"] if row["status"] == "Stuck" else 0
    orphans = (
        Runner.objects.image_not_offered().within(_accounts(facts)).order_by().values("account_id")
    )
    for account_id, runners in orphans.annotate(runners=Count("pk")).values_list(
        "account_id", "runners"
    ):
        facts[account_id].image_not_offered = runners


def _add_limits(facts: dict[int, AccountFacts]) -> None:
    for limits in Limits.objects.current().within(_accounts(facts)):
        facts[limits.account_id].limits = limits


def _add_groups(facts: dict[int, AccountFacts]) -> None:
    """Groups that public repositories may use, with runners in them."""
    holds_runners = Runner.objects.present().filter(
        account=OuterRef("account"), group_id=OuterRef("github_id")
    )
    public = RunnerGroup.objects.present().within(_accounts(facts))
    public = public.filter(Exists(holds_runners), allows_public_repositories=True)
    for row in public.order_by().values("account_id").annotate(groups=Count("pk")):
        facts[row["account_id"]].public_groups = row["groups"]


def _add_readings(facts: dict[int, AccountFacts], now: datetime) -> None:
    mine = Reading.objects.filter(account__in=facts)
    stale = Q(pk__in=mine.stale(now).values("pk"))
    rows = (
        mine.order_by()
        .values("account_id")
        .annotate(
            synced_at=Min("last_good_at", filter=Q(resource=Reading.Resource.RUNNERS)),
            stale=Count("pk", filter=stale),
        )
    )
    for row in rows:
        facts[row["account_id"]].synced_at = row["synced_at"]
        facts[row["account_id"]].stale = (
            0 if facts[row["account_id"]].account.paused else row["stale"]
        )
    for reading in mine.failing().order_by("order"):
        facts[reading.account_id].failing.append(reading)


def _add_operations(facts: dict[int, AccountFacts], now: datetime) -> None:
    rows = Operation.objects.unfinished().within(_accounts(facts)).order_by().values("account_id")
    counts = rows.annotate(
        operations=Count("pk"),
        needing_decision=Count("pk", filter=Q(state=Operation.State.NEEDS_ATTENTION)),
        unsent=Count("pk", filter=is_stale_request(now)),
    )
    for row in counts:
        one = facts[row["account_id"]]
        one.needing_decision, one.unsent = row["needing_decision"], row["unsent"]
        one.under_way = row["operations"] - row["needing_decision"] - row["unsent"]
