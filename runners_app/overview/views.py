"""The overview: what needs a person, then the fleet in pictures, then every account."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from urllib.parse import urlencode

from django.core.cache import caches
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from runners_app.models import Account, Credential, Runner
from runners_app.overview.account_facts import AccountFacts, counted, read_accounts
from runners_app.overview.attention import expires_soon, is_nearly_used, is_read, is_used_up
from runners_app.overview.fleet import Fleet, count_fleet
from runners_app.templatetags.pictures import Bar
from runners_app.web.freshness import budget_of, with_freshness
from runners_app.web.pages import Request, is_unchanged, render_page, version_of

BARS_SHOWN = 6
SHOW = "Show the account"


@dataclass(frozen=True)
class Line:
    """One thing that needs attention, and the page that shows it."""

    tone: str
    icon: str
    words: str
    address: str
    note: str = ""
    action: str = "Show them"


@dataclass(frozen=True)
class Countable:
    """A line that counts something over all accounts and leads to its list.

    `count` names a field of AccountFacts; `one` and `many` follow the number.
    """

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
        "GitHub does not define this status. Deleting and recreating the runner usually helps.",
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
        "operation was not sent in time",
        "operations were not sent in time",
        "operations",
        {"state": "requested"},
        "Trackside sends nothing that old until a manager confirms it again.",
    ),
    Countable(
        "provisioning_long",
        "warning",
        "arrow-path",
        "runner has been Provisioning for 30 minutes or more",
        "runners have been Provisioning for 30 minutes or more",
        "runners",
        {"status": "Provisioning", "sort": "since"},
    ),
    Countable(
        "image_not_offered",
        "warning",
        "square-3-stack-3d",
        "runner uses an image that is no longer offered",
        "runners use images that are no longer offered",
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
        "Anyone who can open a pull request there could run code on them.",
    ),
    Countable(
        "idle",
        "muted",
        "moon",
        "runner has not been used for 90 days",
        "runners have not been used for 90 days",
        "runners",
        {"idle": "yes"},
    ),
)


@require_safe
def overview(request: Request) -> HttpResponse:
    now = timezone.now()
    facts = read_accounts(request.user, now)
    # Ages and time limits change although no account does, so the page is new every minute.
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
    """One column of the list of runners as bars, longest first; `rest` holds the rare values."""

    title: str
    bars: list[Bar]
    rest: list[Bar]


def _pictures(request: Request, totals: list[AccountFacts], now: datetime) -> dict[str, object]:
    accounts = [each.account for each in totals]

    def count() -> Fleet:
        runners = Runner.objects.visible_to(request.user).filter(account__in=accounts)
        return count_fleet(runners, now)

    key = f"fleet:{version_of(accounts, now.date())}"
    fleet = caches["pages"].get_or_set(key, count, 3600) or Fleet()
    pictures = [
        _picture("status", fleet.by_status),
        _picture("platform", fleet.by_platform),
        _picture("size", fleet.by_size),
    ]
    return {"pictures": pictures, "per_day": fleet.per_day}


def _picture(column: str, counts: Counter[str]) -> Picture:
    bars = []
    for value, count in counts.most_common():
        address = f"{reverse('runners')}?{urlencode({column: value})}" if value else ""
        bars.append(Bar(value or "unknown", count, address))
    return Picture(f"By {column}", bars[:BARS_SHOWN], bars[BARS_SHOWN:])


def lines_of(facts: list[AccountFacts], now: datetime) -> Iterator[Line]:
    """Everything that needs attention, the most urgent first."""
    lines = [
        *credential_lines([each.account for each in facts], now),
        *reading_lines(facts),
        *static_ip_lines(facts),
        *(line for countable in COUNTABLES if (line := countable_line(countable, facts))),
    ]
    urgency = ["danger", "warning", "muted"]
    yield from sorted(lines, key=lambda line: urgency.index(line.tone))


def countable_line(countable: Countable, facts: list[AccountFacts]) -> Line | None:
    """The line of one countable; None if there is nothing to count."""
    affected = [each for each in facts if getattr(each, countable.count)]
    total = sum(map(attrgetter(countable.count), affected))
    if not total:
        return None

    query = dict(countable.query)
    if len(affected) == 1:
        query["account"] = str(affected[0].account)
    words = f"{total:,} {countable.one if total == 1 else countable.many}"
    action = "Show it" if total == 1 else "Show them"
    address = f"{reverse(countable.page)}?{urlencode(query)}"
    return Line(countable.tone, countable.icon, words, address, countable.note, action)


def credential_lines(accounts: Iterable[Account], now: datetime) -> Iterator[Line]:
    """Credentials that are disabled, expire soon or wait for GitHub; one line for each reason."""
    served: dict[Credential, list[Account]] = {}
    for account in accounts:
        served.setdefault(account.credential, []).append(account)
    for credential, serves in served.items():
        names, address = _and_more([str(account) for account in serves]), _page(serves[0])
        expires_at = credential.token_expires_at
        if credential.quarantined_at:
            words, reason = f"The token of {names} is disabled", credential.quarantine_reason
            yield Line("danger", "key", words, address, reason, SHOW)
        elif expires_at and expires_soon(expires_at, now):
            words = f"The token of {names} {_expiry_words(expires_at, now)}"
            note = "Create a new one on GitHub and replace it before readings stop."
            yield Line("warning", "key", words, address, note, SHOW)
        if credential.paused_until and credential.paused_until > now:
            words = f"GitHub asked to wait before {names} is read again"
            yield Line("warning", "pause-circle", words, address, credential.pause_reason, SHOW)


def _expiry_words(expires_at: datetime, now: datetime) -> str:
    if expires_at <= now:
        return "has expired"
    days = (expires_at - now).days
    return "expires today" if days < 1 else f"expires in {days + 1} days"


def reading_lines(facts: list[AccountFacts]) -> Iterator[Line]:
    """Accounts with readings that fail or that no worker runs; at most one line each."""
    for each in facts:
        account, failing = each.account, each.failing
        if failing and is_read(account):
            resources = ", ".join(reading.get_resource_display() for reading in failing)
            words, note = f"{account}: {resources} could not be read", failing[0].error_message
            yield Line("warning", "exclamation-circle", words, _page(account), note, SHOW)
        elif each.stale:
            note = (
                "No worker has read it for an hour or more. "
                "The people who run Trackside can see why at /readyz."
            )
            yield Line("warning", "clock", f"{account} is out of date", _page(account), note, SHOW)


def static_ip_lines(facts: list[AccountFacts]) -> Iterator[Line]:
    """Accounts that have used 80 % of their static IPs, or all of them."""
    for each in facts:
        limits = each.limits
        if limits and is_nearly_used(limits):
            words = f"{each.account}: {limits.used:,} of {limits.maximum:,} static IPs are used"
            tone = "danger" if is_used_up(limits) else "warning"
            query = urlencode({"static_ip": "yes", "account": str(each.account)})
            yield Line(tone, "map-pin", words, f"{reverse('runners')}?{query}")


def _and_more(names: list[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _page(account: Account) -> str:
    return reverse("account", args=[account.pk])
