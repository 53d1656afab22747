"""Static IPs: limits and usage per account, and the ranges to allow in firewalls."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import BadRequest
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.views.decorators.http import require_POST, require_safe

from runners_app.models import Account, Limits, Reading, Runner, RunnerGroup
from runners_app.models.visibility import limited_by
from runners_app.static_ips.changes import RangeChange, changed_since
from runners_app.static_ips.feeds import (
    add_headers,
    check_feed,
    etag_of,
    not_modified,
    refused,
)
from runners_app.static_ips.filters import StaticIpFilter
from runners_app.static_ips.ranges import Network, in_order, networks_of
from runners_app.templatetags.pictures import Point
from runners_app.web.downloads import Row
from runners_app.web.export import export, export_text, filters_in_force
from runners_app.web.filter_menu import accounts_of, filter_menu, search_of
from runners_app.web.freshness import line_of, unchanged
from runners_app.web.lists import order_of, read_again
from runners_app.web.pages import (
    Request,
    came_from,
    is_unchanged,
    query_without,
    render_page,
    version_of,
)
from runners_app.web.paging import Order, page_by_key

SORTS = {
    "name": Order("name_key"),
    "group": Order("group_id", nullable=True),
    "status": Order("status"),
}
MENU = {"org": "Account", "group": "Group"}
VALUES_KNOWN = 500
HISTORY = 30
GAUGES_SHOWN = 20
CHANGES_SHOWN = 200
RANGE_COLUMNS = ("range", "enabled", "account", "runner", "runner_id", "group", "status")
CHANGE_COLUMNS = ("change", "range", "account", "runner", "runner_id", "at")


@dataclass
class Gauge:
    """One account's limits, newest first, and the reading that brings them."""

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
        """The numbers used, oldest first, for the sparkline."""
        return [row.used for row in reversed(self.history)]

    @property
    def points(self) -> list[Point]:
        """Used and maximum over time, oldest first, for the chart."""
        return [Point(row.observed_at, row.used, row.maximum) for row in reversed(self.history)]

    @property
    def rank(self) -> tuple[float, str]:
        """Sorts the accounts with the largest share in use first."""
        if self.limits is None or not self.limits.maximum:
            return 0.0, str(self)
        return -self.limits.used / self.limits.maximum, str(self)

    def __str__(self) -> str:
        return str(self.account)


@dataclass(frozen=True)
class Holder:
    """A runner with static IPs: its ranges that GitHub has enabled, and the others."""

    pk: int
    enabled: list[Network]
    others: list[Network]


@require_safe
def static_ips(request: Request) -> HttpResponse:
    """Show limits, the ranges of the filtered runners, and the changes since `?since=`."""
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    chosen = StaticIpFilter(request.GET, queryset=Runner.objects.none()).values_of("account")
    with_limits = _with_visible_limits(accounts, chosen)
    if is_unchanged(request, version):
        return unchanged(with_limits, Reading.Resource.LIMITS)

    vocabulary = _vocabulary(accounts)
    listed, found, holders = _find(request, vocabulary)
    if request.GET.get("menu"):
        return filter_menu(
            request, listed, vocabulary, MENU, title="Static IPs", address=reverse("static-ips")
        )
    sort, order = order_of(request, SORTS)
    page = page_by_key(_with_group(found), order, request.GET)
    by_id = {account.pk: account for account in accounts}
    for runner in page.rows:
        runner.account = by_id[runner.account_id]

    gauges = _gauges(with_limits)
    since = since_of(request)
    changes = _changes(request, since)[1] if since else []
    ranges = _enabled_ranges(holders)

    context = {
        "accounts": accounts,
        **search_of(listed, vocabulary),
        "sort": sort,
        "gauges": gauges[:GAUGES_SHOWN],
        "more_gauges": gauges[GAUGES_SHOWN:],
        "page": page,
        "total": len(holders),
        "ranges": ranges,
        "now": timezone.now(),
        "since": since,
        "changes": changes[:CHANGES_SHOWN],
        "more_changes": max(0, len(changes) - CHANGES_SHOWN),
        "added": sum(each.is_added for each in changes),
        "removed": sum(not each.is_added for each in changes),
        "ranges_text": "\n".join(ranges),
        "version": version,
        "moving": any(runner.static_ip and not runner.ip_ranges for runner in page.rows),
        **line_of([account.pk for account in with_limits], Reading.Resource.LIMITS),
    }
    return render_page(request, "static_ips/list.html", context, fragment="table")


@require_safe
def static_ip_ranges(request: Request, file_format: str) -> HttpResponse | StreamingHttpResponse:
    """Download the filtered ranges; `file_format` is `txt`, `csv` or `json`.

    Text holds each enabled range once, one per line; CSV and JSON hold all ranges with their
    runners.
    """
    listed, found, holders = _find(request)
    name, filters = "static-ip-ranges", filters_in_force(listed)
    feed = check_feed(request.user, request.GET.get("account", ""))
    if feed.refusal:
        return refused(feed)

    lines: list[str] = []
    cells: list[Row] = []
    if file_format == "txt":
        lines = _enabled_ranges(holders)
    else:
        rows = _with_group(found).select_related("account").order_by("account__slug", "name", "pk")
        cells = list(_range_rows(rows))
    etag = etag_of([file_format, *lines, *cells])
    response: HttpResponse | StreamingHttpResponse | None = not_modified(request, etag)
    if response is None and file_format == "txt":
        response = export_text(request, name, lines, filters=filters)
    elif response is None:
        count = cells.__len__
        response = export(
            request, file_format, name, RANGE_COLUMNS, cells, count=count, filters=filters
        )
    add_headers(response, etag, feed)
    return response


def _range_rows(rows: "QuerySet[Any]") -> Iterator[Row]:
    for row in rows:
        for cidr, enabled in row.ranges:
            yield (
                cidr,
                enabled,
                str(row.account),
                row.name,
                row.github_id,
                row.group_title,
                row.status,
            )


@require_safe
def static_ip_changes(request: Request, file_format: str) -> HttpResponse | StreamingHttpResponse:
    """Download the ranges added and removed since `?since=`, as `txt`, `csv` or `json`.

    Raises BadRequest without a valid `?since=`.
    """
    since = since_of(request)
    if since is None:
        raise BadRequest(
            "Add the start of the period: ?since=2026-11-01 or ?since=2026-11-01T08:00:00Z."
        )
    listed, changes = _changes(request, since)
    name = "static-ip-changes"
    filters = [("since", since.isoformat(timespec="minutes")), *filters_in_force(listed)]
    feed = check_feed(request.user, request.GET.get("account", ""))
    if feed.refusal:
        return refused(feed)

    rows = list(map(_change_row, changes))
    etag = etag_of([file_format, *rows])
    response: HttpResponse | StreamingHttpResponse | None = not_modified(request, etag)
    if response is None and file_format == "txt":
        lines = [f"{'+' if each.is_added else '-'} {each.network}" for each in changes]
        response = export_text(request, name, lines, filters=filters)
    elif response is None:
        count = rows.__len__
        response = export(
            request, file_format, name, CHANGE_COLUMNS, rows, count=count, filters=filters
        )
    add_headers(response, etag, feed)
    return response


def _change_row(each: RangeChange) -> Row:
    change = "added" if each.is_added else "removed"
    return (
        change,
        str(each.network),
        str(each.runner.account),
        each.runner.name,
        each.runner.github_id,
        each.at,
    )


def since_of(request: Request) -> datetime | None:
    """The moment given by `?since=`: a day, or a time that is UTC unless it has an offset."""
    text = request.GET.get("since", "").strip()
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:  # well-formed but not a date, such as 30 February
        return None
    if moment is None or not 2000 <= moment.year <= 9000:
        return None
    return moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)


def _changes(request: Request, since: datetime) -> tuple[StaticIpFilter, list[RangeChange]]:
    listed = StaticIpFilter(request.GET, queryset=Runner.objects.visible_to(request.user))
    changes, wanted = changed_since(listed.qs, since), listed.network
    if wanted is not None:
        changes = [each for each in changes if _overlaps(each.network, wanted)]
    return listed, changes


@require_POST
def static_ips_refresh(request: Request) -> HttpResponse:
    """Schedule a reading of the limits and runners of every visible account."""
    read_again(request, Reading.Resource.LIMITS, Reading.Resource.RUNNERS)
    return redirect(came_from(request) or "static-ips")


def _vocabulary(accounts: list[Account]) -> dict[str, list[str]]:
    groups = RunnerGroup.objects.present().within(accounts).order_by()
    names = groups.values_list("name", flat=True).distinct()[:VALUES_KNOWN]
    return {"account": accounts_of(accounts), "group": sorted(names, key=str.lower)}


def _find(
    request: Request, vocabulary: dict[str, list[str]] | None = None
) -> tuple[StaticIpFilter, "QuerySet[Runner]", list[Holder]]:
    """The filter, the runners that match it, and their ranges.

    An account has few runners with static IPs, so addresses are compared here, not in SQL.
    """
    runners = (
        Runner.objects.visible_to(request.user)
        .present()
        .filter(Q(static_ip=True) | ~Q(public_ips=[]))
    )
    listed = StaticIpFilter(request.GET, queryset=runners, vocabulary=vocabulary)
    found: QuerySet[Runner] = listed.qs
    holders = [
        Holder(pk, *networks_of(public_ips))
        for pk, public_ips in found.values_list("pk", "public_ips")
    ]
    if (wanted := listed.network) is not None:
        holders = [
            holder
            for holder in holders
            if any(_overlaps(network, wanted) for network in holder.enabled + holder.others)
        ]
        found = found.filter(pk__in=[holder.pk for holder in holders])
    return listed, found, holders


def _overlaps(network: Network, other: Network) -> bool:
    return network.version == other.version and network.overlaps(other)


def _enabled_ranges(holders: list[Holder]) -> list[str]:
    """Every enabled range once, as text, in address order."""
    networks = {network for holder in holders for network in holder.enabled}
    return [str(network) for network in in_order(networks)]


def _with_group(found: "QuerySet[Runner]") -> "QuerySet[Runner]":
    groups = RunnerGroup.objects.filter(account=OuterRef("account"), github_id=OuterRef("group_id"))
    return found.annotate(
        group_pk=Subquery(groups.values("pk")[:1]), group_title=Subquery(groups.values("name")[:1])
    )


def _with_visible_limits(accounts: list[Account], names: Iterable[str]) -> list[Account]:
    """The accounts whose limits are shown, filtered by name.

    Only accounts the user sees in full: totals would leak the rest.
    """
    names = list(names)
    chosen = [row for row in accounts if not names or any(map(row.is_named, names))]
    return [account for account in chosen if limited_by(account) is None]


def _gauges(shown: list[Account]) -> list[Gauge]:
    """Two queries for any number of accounts."""
    gauges = {account.pk: Gauge(account) for account in shown}
    for reading in Reading.objects.filter(account__in=shown, resource=Reading.Resource.LIMITS):
        gauges[reading.account_id].reading = reading
    age = Window(RowNumber(), partition_by=F("account"), order_by=F("observed_at").desc())
    history = Limits.objects.filter(account__in=shown).annotate(age=age)
    for row in history.filter(age__lte=HISTORY).order_by("age"):
        gauges[row.account_id].history.append(row)
    return sorted(gauges.values(), key=lambda gauge: gauge.rank)
