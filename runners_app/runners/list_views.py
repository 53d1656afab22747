"""The list of runners.

An unchanged poll reads only account versions; a page that was rendered before comes from the cache.
"""

import hashlib
from datetime import datetime
from typing import Any

from django.core.cache import caches
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from runners_app.models import Account, Reading, Runner
from runners_app.runners.facets import Facets, read_facets
from runners_app.runners.filters import RunnerFilter
from runners_app.web.completions import complete
from runners_app.web.freshness import line_of, with_freshness
from runners_app.web.lists import count_once, order_of
from runners_app.web.pages import (
    Request,
    chips_of,
    is_unchanged,
    query_without,
    render_page,
    wants_fragment,
)
from runners_app.web.paging import Find, Order, page_by_key

R = Reading.Resource
SORTS = {
    "name": Order("name"),
    "status": Order("status"),
    "size": Order("cpu_cores", nullable=True),
    "maximum": Order("maximum_runners", nullable=True),
    "active": Order("last_active_on", nullable=True),
    "since": Order("status_since"),
}
# Filters that depend on the current time (idle for 90 days) may be this stale.
KEPT_SECONDS = 120
# Up to this many matches are found by index and sorted; more are met while walking in order.
SMALL = 5000
COLUMNS = (
    "account_id",
    "name",
    "status",
    "platform",
    "image_name",
    "image_source",
    "size",
    "cpu_cores",
    "group_id",
    "maximum_runners",
    "static_ip",
    "last_active_on",
    "status_since",
    "gone_at",
)


@require_safe
def runners(request: Request) -> HttpResponse:
    seen = list(Account.objects.versions_for(request.user))
    keys = [row[0] for row in seen]
    line = line_of(keys, R.RUNNERS)
    version = _version(request, seen)
    if is_unchanged(request, version):
        return with_freshness(HttpResponse(status=204), line)
    parts = caches["pages"].get(f"runners:{version}")
    if parts is None:
        parts = _make_parts(request, version, line["synced_at"])
        caches["pages"].set(f"runners:{version}", parts, KEPT_SECONDS)
    if wants_fragment(request):
        return with_freshness(HttpResponse(parts["table"]), line)
    return render_page(request, "runners/list.html", {**parts, **line, "seen": bool(keys)})


def _version(request: Request, seen: list[tuple[Any, ...]]) -> str:
    """A key for everything the page depends on: the visible accounts, how far, and the address."""
    shown = (seen, request.user.is_superuser, query_without(request, "version"))
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:32]


def _make_parts(request: Request, version: str, synced_at: datetime | None) -> dict[str, Any]:
    """Render the cacheable parts of the page: they hold no relative time and no CSRF token."""
    accounts = list(Account.objects.visible_to(request.user))
    facets = read_facets(accounts, request.user)
    options = _options(facets)
    context = {
        "accounts": accounts,
        "slugs": [account.slug for account in accounts],
        "options": options,
        "words": complete("", _words(accounts, options)),
        "version": version,
        "matching": query_without(request, "version", "after", "before", "sort", "size_of_page"),
        "may_create": any(account.may_be_changed for account in accounts),
        "synced_at": synced_at,
        **_unread(accounts),
        **_rows(request, accounts, facets),
    }
    return {
        "toolbar": render_to_string("runners/list.html#toolbar", context, request),
        "table": render_to_string("runners/list.html#table", context, request),
        "may_create": context["may_create"],
    }


def _unread(accounts: list[Account]) -> dict[str, list[Reading]]:
    """Readings of runners that fail, and those that never succeeded yet."""
    by_id = {account.pk: account for account in accounts}
    rows = Reading.objects.filter(
        ~Q(error="") | Q(last_good_at=None), account__in=by_id, resource=R.RUNNERS
    )
    readings = list(rows.only("account_id", "error", "error_message"))
    for reading in readings:
        reading.account = by_id[reading.account_id]
    return {
        "failing": [reading for reading in readings if reading.error],
        "never_synced": [reading for reading in readings if not reading.error],
    }


def _rows(request: Request, accounts: list[Account], facets: dict[int, Facets]) -> dict[str, Any]:
    found = Runner.objects.visible_to(request.user)
    chips: list[dict[str, str]] = []
    find: Find = "all"
    if any(request.GET.get(name) for name in RunnerFilter.base_filters):
        listed = RunnerFilter(request.GET, queryset=found)
        found = listed.qs if listed.shows_gone else listed.qs.present()
        chips = chips_of(listed, request.GET)
        total = count_once("runners", _filter_version(request, accounts), found.count)
        find = "few" if total <= SMALL and listed.is_by_index else "many"
    else:
        found, total = found.present(), sum(each.runners for each in facets.values())
    sort, order = order_of(request, SORTS)
    page = page_by_key(found.only(*COLUMNS), order, request.GET, find=find)
    by_id = {account.pk: account for account in accounts}
    for runner in page.rows:
        runner.account = by_id[runner.account_id]
        runner.group_name = facets[runner.account_id].groups.get(runner.group_id or 0, "")
    moving = any(runner.is_moving for runner in page.rows)
    return {"chips": chips, "page": page, "total": total, "sort": sort, "moving": moving}


def _filter_version(request: Request, accounts: list[Account]) -> str:
    """Like `_version`, for what is the same on every page and in every order."""
    query = query_without(request, "version", "after", "before", "sort", "size_of_page")
    seen = [(account.pk, account.version) for account in accounts]
    return hashlib.sha256(repr((seen, request.user.pk, query)).encode()).hexdigest()[:32]


@require_safe
def runner_words(request: Request) -> HttpResponse:
    """Completions for the search box, as options of its datalist."""
    accounts = list(Account.objects.visible_to(request.user))
    values = _words(accounts, _options(read_facets(accounts, request.user)))
    return render(
        request, "runners/words.html", {"words": complete(request.GET.get("q", "")[:300], values)}
    )


def _words(accounts: list[Account], options: dict[str, list[str]]) -> dict[str, list[str]]:
    """Each word of the search box with its possible values."""
    return {
        "org": sorted({account.slug for account in accounts}),
        "status": [*options["status"], "gone"],
        "size": options["size"],
        "image": options["image"],
        "group": options["group"],
        "platform": options["platform"],
        "ip": ["yes", "no"],
        "idle": ["yes", "never"],
        "age": ["<7d", "<30d", ">90d", ">1y"],
    }


def _options(facets: dict[int, Facets]) -> dict[str, list[str]]:
    """The values that each filter offers."""
    each = list(facets.values())
    return {
        "status": sorted(set().union(*(one.statuses for one in each))),
        "platform": sorted(set().union(*(one.platforms for one in each)) - {""}),
        "size": sorted(set().union(*(one.sizes for one in each)) - {""}, key=_by_number),
        "image": sorted(set().union(*(one.images for one in each)) - {""}),
        "group": sorted({name for one in each for name in one.groups.values()}),
    }


def _by_number(size: str) -> tuple[int, str]:
    number = size.partition("-")[0]
    return (int(number) if number.isdecimal() else 10**6, size)
