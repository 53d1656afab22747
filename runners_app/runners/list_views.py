"""The list of runners.

An unchanged poll reads only account versions; a page that was rendered before comes from the cache.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.cache import caches
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from runners_app.models import Account, Reading, Runner
from runners_app.runners.bulk import MOST_AT_ONCE
from runners_app.runners.columns import LIST, ORDERS, columns_of, part_order
from runners_app.runners.facets import Facets, read_facets
from runners_app.runners.filters import AGES, RunnerFilter
from runners_app.runners.views import group_of, image_of, workflow_of
from runners_app.web.filters import GONE, NONE
from runners_app.web.freshness import line_of, with_freshness
from runners_app.web.lists import count_once, order_of
from runners_app.web.numbers import number_in
from runners_app.web.pages import (
    Request,
    is_unchanged,
    may_manage,
    query_without,
    render_page,
    wants_fragment,
)
from runners_app.web.paging import Find, page_by_key, page_by_parts
from runners_app.web.preferences import preferences_of, rows_of
from runners_app.web.search import complete

R = Reading.Resource
# Parameters that choose a part of the list, but not what is in it.
NOT_FILTERS = ("after", "before", "sort", "size_of_page", "columns", "open")
# Filters that depend on the current time (idle for 90 days) may be this stale.
KEPT_SECONDS = 120
# Up to this many matches are found by index and sorted; more are met while walking in order.
SMALL = 5000
FIELDS = (
    "account_id",
    "name",
    "name_key",
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
    "first_seen_at",
    "owner",
    "tags",
    "gone_at",
)


@require_safe
def runners(request: Request) -> HttpResponse:
    if not request.GET and not request.htmx and (query := _default_view(request)):
        return redirect(f"{request.path}?{query}")
    if request.htmx.target == "panel":
        return render(request, "runners/panel.html", _panel(request))
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
    context = {**parts, **line, **_panel(request), "seen": bool(keys)}
    return render_page(request, "runners/list.html", context)


def _panel(request: Request) -> dict[str, Any]:
    """The side panel: the runner that `?open=` names, if the user may see it."""
    pk = number_in(request.GET.get("open", ""))
    if pk is None:
        return {}
    runners = Runner.objects.visible_to(request.user).select_related("account")
    runner = runners.filter(pk=pk).first()
    if runner is None:
        return {"panel_is_missing": True}
    return {
        "runner": runner,
        "group": group_of(runner),
        "image": image_of(runner),
        "workflow": workflow_of(runner),
        "may_manage": may_manage(request, runner.account) and runner.gone_at is None,
    }


def _default_view(request: Request) -> str:
    """The query string of the user's default view, if there is one."""
    query: str = preferences_of(request.user).of_list(LIST).get("default", "")
    return query


def _version(request: Request, seen: list[tuple[Any, ...]]) -> str:
    """A key for everything the page depends on: the visible accounts, how far, and the address."""
    preferences = preferences_of(request.user)
    shown = (
        seen,
        request.user.is_superuser,
        query_without(request, "version", "open"),
        rows_of(request),
        preferences.of_list(LIST).get("columns"),
    )
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:32]


def _make_parts(request: Request, version: str, synced_at: datetime | None) -> dict[str, Any]:
    """Render the cacheable parts of the page: they hold no relative time and no CSRF token."""
    accounts = list(Account.objects.visible_to(request.user))
    facets = read_facets(accounts, request.user)
    vocabulary = vocabulary_of(accounts, facets)
    context = {
        "accounts": accounts,
        "most_at_once": MOST_AT_ONCE,
        "version": version,
        "matching": query_without(request, "version", *NOT_FILTERS),
        "may_create": any(account.may_be_changed for account in accounts),
        "synced_at": synced_at,
        **_unread(accounts),
        **_rows(request, accounts, facets, vocabulary),
    }
    return {
        "toolbar": render_to_string("runners/list.html#toolbar", context, request),
        "table": render_to_string("runners/list.html#table", context, request),
        "may_create": context["may_create"],
        "new_in": context["new_in"],
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


def _rows(
    request: Request,
    accounts: list[Account],
    facets: dict[int, Facets],
    vocabulary: dict[str, list[str]],
) -> dict[str, Any]:
    found = Runner.objects.visible_to(request.user)
    find: Find = "all"
    listed = RunnerFilter(request.GET, queryset=found, vocabulary=vocabulary)
    if listed.is_active:
        found = listed.qs if listed.shows_gone else listed.qs.present()
        total = count_once("runners", _filter_version(request, accounts), found.count)
        find = "few" if total <= SMALL and listed.is_by_index else "many"
    else:
        found, total = found.present(), sum(each.runners for each in facets.values())

    sort, order = order_of(request, ORDERS)
    found, rows = found.only(*FIELDS), rows_of(request)
    wanted = request.GET.get("sort", "")
    if by_part := part_order(wanted.removeprefix("-"), accounts, facets):
        sort = wanted
        page = page_by_parts(
            found,
            by_part.parts,
            request.GET,
            key_of=by_part.key_of,
            columns=by_part.columns,
            descending=sort.startswith("-"),
            size=rows,
            find=find,
        )
    else:
        page = page_by_key(found, order, request.GET, size=rows, find=find)

    by_id = {account.pk: account for account in accounts}
    for runner in page.rows:
        runner.account = by_id[runner.account_id]
        runner.group_name = facets[runner.account_id].groups.get(runner.group_id or 0, "")
    moving = any(runner.is_moving for runner in page.rows)
    words = {word: vocabulary.get(name, []) for word, name in RunnerFilter.WORDS.items()}
    chosen = {slug.lower() for slug in listed.values_of("account")}
    new_in = [account.pk for account in accounts if any(map(account.is_named, chosen))]
    return {
        "chips": listed.chips(request.GET),
        "problems": listed.problems,
        "text": listed.text,
        "words": complete(listed.text, words),
        "columns": columns_of(preferences_of(request.user), request.GET),
        "page": page,
        "total": total,
        "sort": sort,
        "moving": moving,
        "new_in": new_in[0] if len(new_in) == 1 else None,
    }


def _filter_version(request: Request, accounts: list[Account]) -> str:
    """Like `_version`, for what is the same on every page and in every order."""
    query = query_without(request, "version", *NOT_FILTERS)
    seen = [(account.pk, account.version) for account in accounts]
    return hashlib.sha256(repr((seen, request.user.pk, query)).encode()).hexdigest()[:32]


def vocabulary_of(accounts: list[Account], facets: dict[int, Facets]) -> dict[str, list[str]]:
    """The values that each parameter of the filter can have, in order."""
    each = list(facets.values())

    def known(values: Iterable[Iterable[str]]) -> list[str]:
        return sorted(set().union(*values) - {""}, key=str.lower)

    return {
        "account": sorted({str(account) for account in accounts}),
        "status": [*known(one.statuses for one in each), GONE],
        "size": sorted(known(one.sizes for one in each), key=_by_number),
        "image": known(one.images for one in each),
        "group": known(one.groups.values() for one in each),
        "platform": known(one.platforms for one in each),
        "static_ip": ["yes", "no"],
        "idle": ["yes", "never"],
        "age": list(AGES),
        "owner": [*known(one.owners for one in each), NONE],
        "tag": [*known(one.tags for one in each), NONE],
        "image_offered": ["no"],
    }


def _by_number(size: str) -> tuple[int, str]:
    number = size.partition("-")[0]
    return (int(number) if number.isdecimal() else 10**6, size)
