"""Static IPs: how many runners of an account may have them, how many do, and the ranges to allow in firewalls."""

from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from runners_app.filters import StaticIpFilter
from runners_app.models import Account, Limits, Reading, Runner, RunnerGroup
from runners_app.paging import Order, page_by_key
from runners_app.views.lists import PAGE_SIZE, read_again
from runners_app.views.pages import Request, chips_of, is_unchanged, query_without, render_page, version_of

HISTORY = 30
GAUGES_SHOWN = 20
Network = IPv4Network | IPv6Network


@dataclass
class Gauge:
    """One account: its limits now and before, newest first, and how the reading of them stands."""

    account: Account
    reading: Reading | None = None
    history: list[Limits] = field(default_factory=list)

    @property
    def limits(self) -> Limits | None:
        return self.history[0] if self.history else None

    @property
    def synced_at(self) -> datetime | None:
        return self.reading.last_good_at if self.reading else None

    @property
    def used_so_far(self) -> list[int]:
        """Oldest first."""
        return [row.used for row in reversed(self.history)]

    @property
    def rank(self) -> tuple[float, str]:
        """The nearest to used up first."""
        return (-self.limits.used / self.limits.maximum if self.limits and self.limits.maximum else 0.0, str(self))

    def __str__(self) -> str:
        return self.account.slug


@dataclass(frozen=True)
class Holder:
    """A runner that has static IPs, and its ranges in CIDR notation; those GitHub has not switched on stand apart."""

    pk: int
    enabled: list[Network]
    others: list[Network]


@require_safe
def static_ips(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    listed, found, holders = _found(request)
    page = page_by_key(_with_group(found), Order("name"), request.GET, size=PAGE_SIZE)
    by_id = {account.pk: account for account in accounts}
    for runner in page.rows:
        runner.account = by_id[runner.account_id]
    gauges = _gauges(accounts, request.GET.get("account", ""))
    ranges = _written(holders)
    context = {
        "accounts": accounts,
        "chips": chips_of(listed, request.GET),
        "gauges": gauges[:GAUGES_SHOWN],
        "more_gauges": gauges[GAUGES_SHOWN:],
        "page": page,
        "total": len(holders),
        "ranges": ranges,
        "ranges_text": "\n".join(ranges),
        "version": version,
        "moving": any(runner.static_ip and not runner.ip_ranges for runner in page.rows),
        "synced_at": min((each.synced_at for each in gauges if each.synced_at), default=None),
        "freshness_state": "failing" if any(each.reading and each.reading.error for each in gauges) else "",
    }
    return render_page(request, "static_ips/list.html", context, fragment="table")


@require_safe
def static_ip_ranges(request: Request) -> HttpResponse:
    """The ranges that are in use, one on each line, filtered as the page is."""
    _, _, holders = _found(request)
    text = "".join(f"{network}\n" for network in _written(holders))
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


@require_POST
def static_ips_refresh(request: Request) -> HttpResponse:
    read_again(request, Reading.Resource.LIMITS, Reading.Resource.RUNNERS)
    return redirect("static-ips")


def _found(request: Request) -> tuple[StaticIpFilter, "QuerySet[Runner]", list[Holder]]:
    """The runners that match and their ranges. An account has few with static IPs, so an address is sought here."""
    runners = Runner.objects.visible_to(request.user).present().filter(Q(static_ip=True) | ~Q(public_ips=[]))
    listed = StaticIpFilter(request.GET, queryset=runners)
    found: QuerySet[Runner] = listed.qs
    holders = [_holder(pk, public_ips) for pk, public_ips in found.values_list("pk", "public_ips")]
    if (sought := listed.network) is not None:
        holders = [holder for holder in holders if _holds(holder, sought)]
        found = found.filter(pk__in=[holder.pk for holder in holders])
    return listed, found, holders


def _holder(pk: int, public_ips: list[dict[str, object]]) -> Holder:
    holder = Holder(pk, [], [])
    for ip in public_ips:
        try:
            network = ip_network(f"{ip['prefix']}/{ip['length']}", strict=False)
        except (KeyError, ValueError):
            continue  # whatever GitHub sent is shown in the table as it is
        (holder.others if ip.get("enabled") is False else holder.enabled).append(network)
    return holder


def _holds(holder: Holder, sought: Network) -> bool:
    return any(
        network.version == sought.version and network.overlaps(sought) for network in (*holder.enabled, *holder.others)
    )


def _written(holders: list[Holder]) -> list[str]:
    """Every range that is in use, once, in the order of addresses."""
    networks = {network for holder in holders for network in holder.enabled}
    return [str(network) for network in sorted(networks, key=lambda network: (network.version, int(network[0])))]


def _with_group(found: "QuerySet[Runner]") -> "QuerySet[Runner]":
    groups = RunnerGroup.objects.filter(account=OuterRef("account"), github_id=OuterRef("group_id"))
    return found.annotate(group_pk=Subquery(groups.values("pk")[:1]), group_title=Subquery(groups.values("name")[:1]))


def _gauges(accounts: list[Account], asked: str) -> list[Gauge]:
    """One per account, or those of the account asked for, with their last limits."""
    shown = [account for account in accounts if asked.lower() in ("", account.slug.lower())]
    gauges = {account.pk: Gauge(account) for account in shown}
    for reading in Reading.objects.filter(account__in=shown, resource=Reading.Resource.LIMITS):
        gauges[reading.account_id].reading = reading
    age = Window(RowNumber(), partition_by=F("account"), order_by=F("observed_at").desc())
    for row in Limits.objects.filter(account__in=shown).annotate(age=age).filter(age__lte=HISTORY).order_by("age"):
        gauges[row.account_id].history.append(row)
    return sorted(gauges.values(), key=lambda gauge: gauge.rank)
