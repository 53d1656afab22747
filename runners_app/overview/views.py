"""The overview: what needs attention first, then every account at a glance."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from urllib.parse import urlencode

from django.core.cache import cache
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from runners_app.models import Account, Credential, Runner
from runners_app.overview.account_facts import AccountFacts, counted, read_accounts
from runners_app.overview.fleet import Fleet, count_fleet
from runners_app.templatetags.pictures import Bar
from runners_app.web.freshness import budget_of, with_freshness
from runners_app.web.pages import Request, is_unchanged, render_page, version_of

BARS_SHOWN = 6
EXPIRES_SOON = timedelta(days=14)
IPS_NEARLY_USED = 0.8
SHOW = "Show the account"


@dataclass(frozen=True)
class Line:
    """One thing that needs attention, and where to see it."""

    tone: str
    icon: str
    words: str
    address: str
    note: str = ""
    action: str = "Show them"


@dataclass(frozen=True)
class Countable:
    """A line for a number of things over all accounts, leading to their list."""

    count: str
    tone: str
    icon: str
    one: str
    many: str
    page: str
    query: dict[str, str] = field(default_factory=dict)
    note: str = ""


COUNTABLES = (
    Countable(
        "stuck",
        "danger",
        "exclamation-triangle",
        "runner is Stuck",
        "runners are Stuck",
        "runners",
        {"status": "Stuck"},
        "GitHub does not define this status. Deleting and creating the runner anew usually helps.",
    ),
    Countable(
        "needing_decision",
        "danger",
        "question-mark-circle",
        "operation needs your decision",
        "operations need your decision",
        "operations",
        {"state": "needs_attention"},
        "Trackside could not prove how it ended.",
    ),
    Countable(
        "unsent",
        "warning",
        "clock",
        "operation lay unsent",
        "operations lay unsent",
        "operations",
        {"state": "requested"},
        "Nothing old is sent by surprise: somebody must confirm it again.",
    ),
    Countable(
        "provisioning_long",
        "warning",
        "arrow-path",
        "runner has been Provisioning for more than 30 minutes",
        "runners have been Provisioning for more than 30 minutes",
        "runners",
        {"status": "Provisioning", "sort": "since"},
    ),
    Countable(
        "image_not_offered",
        "warning",
        "square-3-stack-3d",
        "runner is made from an image that is no longer offered",
        "runners are made from images that are no longer offered",
        "runners",
        {"image_offered": "no"},
    ),
    Countable(
        "public_groups",
        "warning",
        "globe-alt",
        "group with runners is open to public repositories",
        "groups with runners are open to public repositories",
        "groups",
        {"public": "yes"},
        "Anybody who may open a pull request there could run code on them.",
    ),
    Countable(
        "idle",
        "muted",
        "moon",
        "runner was not used for 90 days",
        "runners were not used for 90 days",
        "runners",
        {"idle": "yes"},
    ),
)


@require_safe
def overview(request: Request) -> HttpResponse:
    now = timezone.now()
    facts = read_accounts(request.user, now)
    # Ages and limits of time change without any account changing: once a minute the page is made
    # anew.
    version = version_of([each.account for each in facts], now.replace(second=0, microsecond=0))
    line = {
        "synced_at": min((each.synced_at for each in facts if each.synced_at), default=None),
        "freshness_state": "failing" if any(each.failing for each in facts) else "",
        "budget": budget_of([each.account for each in facts]),
    }
    if is_unchanged(request, version):
        return with_freshness(HttpResponse(status=204), line)
    totals = counted(facts)
    context = {
        "facts": facts,
        "lines": list(lines_of(totals, now)),
        "runners": sum(each.runners for each in totals),
        "machines": sum(each.machines for each in totals),
        "under_way": sum(each.under_way for each in totals),
        "ips_used": sum(each.limits.used for each in totals if each.limits),
        "counted": totals,
        "demo_left_out": len(facts) - len(totals),
        "version": version,
        **line,
        **_pictures(request, totals, now),
    }
    return render_page(request, "overview/overview.html", context, fragment="live")


@dataclass(frozen=True)
class Picture:
    """Bars of one column of the runners' list, the longest first; what is seldom stands apart."""

    title: str
    bars: list[Bar]
    rest: list[Bar]


def _pictures(request: Request, totals: list[AccountFacts], now: datetime) -> dict[str, object]:
    accounts = [each.account for each in totals]

    def count() -> Fleet:
        return count_fleet(
            Runner.objects.visible_to(request.user).filter(account__in=accounts), now
        )

    fleet = cache.get_or_set(f"fleet:{version_of(accounts, now.date())}", count, 3600) or Fleet()
    by_column = (
        ("status", fleet.by_status),
        ("platform", fleet.by_platform),
        ("size", fleet.by_size),
    )
    return {
        "pictures": [_picture(column, counts) for column, counts in by_column],
        "per_day": fleet.per_day,
    }


def _picture(column: str, counts: Counter[str]) -> Picture:
    bars = [
        Bar(
            value or "unknown",
            count,
            f"{reverse('runners')}?{urlencode({column: value})}" if value else "",
        )
        for value, count in counts.most_common()
    ]
    return Picture(f"By {column}", bars[:BARS_SHOWN], bars[BARS_SHOWN:])


def lines_of(facts: list[AccountFacts], now: datetime) -> Iterator[Line]:
    """What needs attention, the most urgent first."""
    found = [
        *credential_lines([each.account for each in facts], now),
        *reading_lines(facts),
        *static_ip_lines(facts),
        *(line for countable in COUNTABLES if (line := countable_line(countable, facts))),
    ]
    urgency = ["danger", "warning", "muted"]
    yield from sorted(found, key=lambda line: urgency.index(line.tone))


def countable_line(countable: Countable, facts: list[AccountFacts]) -> Line | None:
    having = [each for each in facts if getattr(each, countable.count)]
    total = sum(map(attrgetter(countable.count), having))
    if not total:
        return None
    query = {**countable.query, **({"account": having[0].account.slug} if len(having) == 1 else {})}
    words = f"{total:,} {countable.one if total == 1 else countable.many}"
    action = "Show it" if total == 1 else "Show them"
    address = f"{reverse(countable.page)}?{urlencode(query)}"
    return Line(countable.tone, countable.icon, words, address, countable.note, action)


def credential_lines(accounts: Iterable[Account], now: datetime) -> Iterator[Line]:
    """One line per credential, however many accounts it serves."""
    served: dict[Credential, list[Account]] = {}
    for account in accounts:
        served.setdefault(account.credential, []).append(account)
    for credential, serves in served.items():
        names, address = _and_more([account.slug for account in serves]), _page(serves[0])
        if credential.quarantined_at:
            yield Line(
                "danger",
                "key",
                f"The token of {names} is out of use",
                address,
                credential.quarantine_reason,
                SHOW,
            )
        elif credential.token_expires_at and credential.token_expires_at < now + EXPIRES_SOON:
            yield _expiry_line(credential.token_expires_at, now, names, address)
        if credential.paused_until and credential.paused_until > now:
            words = f"GitHub asked to wait before {names} is read again"
            yield Line("warning", "pause-circle", words, address, credential.pause_reason, SHOW)


def _expiry_line(expires_at: datetime, now: datetime, names: str, address: str) -> Line:
    days = (expires_at - now).days
    when = (
        "has expired"
        if expires_at <= now
        else "expires today"
        if days < 1
        else f"expires in {days + 1} days"
    )
    note = "Make a new one at GitHub and replace it before readings stop."
    return Line("warning", "key", f"The token of {names} {when}", address, note, SHOW)


def reading_lines(facts: list[AccountFacts]) -> Iterator[Line]:
    for each in facts:
        account = each.account
        failing = [reading for reading in each.failing if reading.error != "credential"]
        if failing and not account.paused:
            what = ", ".join(reading.get_resource_display() for reading in failing)
            note = failing[0].error_message
            yield Line(
                "warning",
                "exclamation-circle",
                f"{account}: {what} could not be read",
                _page(account),
                note,
                SHOW,
            )
        elif each.stale:
            note = "No worker has read it for more than an hour. Whoever runs Trackside finds out why at /readyz."
            yield Line("warning", "clock", f"{account} is out of date", _page(account), note, SHOW)


def static_ip_lines(facts: list[AccountFacts]) -> Iterator[Line]:
    for each in facts:
        limits = each.limits
        if limits and limits.maximum and limits.used >= limits.maximum * IPS_NEARLY_USED:
            words = f"{each.account}: {limits.used:,} of {limits.maximum:,} static IPs are used"
            tone = "danger" if limits.used >= limits.maximum else "warning"
            query = urlencode({"static_ip": "yes", "account": each.account.slug})
            yield Line(tone, "map-pin", words, f"{reverse('runners')}?{query}")


def _and_more(names: list[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _page(account: Account) -> str:
    return reverse("account", args=[account.pk])
