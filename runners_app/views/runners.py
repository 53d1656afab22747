"""Runners: list, detail, create, edit, delete."""

from django.contrib import messages
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from runners_app.filters import RunnerFilter
from runners_app.models import Account, FieldChange, Image, Operation, Reading, Runner, RunnerGroup
from runners_app.paging import Order, page_by_key
from runners_app.prices import PRICES_AS_OF, usd_per_hour
from runners_app.services.readings import make_due
from runners_app.services.wake import wake
from runners_app.views.pages import (
    Request,
    chips_of,
    freshness_of,
    group_name_of,
    is_unchanged,
    may_manage,
    query_without,
    render_page,
    version_of,
    visible_or_404,
)

GROUP_KEY = ("account_id", "github_id", "name")
SORTS = {
    "name": Order("name"),
    "status": Order("status"),
    "size": Order("cpu_cores", nullable=True),
    "maximum": Order("maximum_runners", nullable=True),
    "active": Order("last_active_on", is_time=True, nullable=True),
    "since": Order("status_since", is_time=True),
}


@require_safe
def runners(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    by_id = {account.pk: account for account in accounts}
    rows = Runner.objects.all() if request.user.is_superuser else Runner.objects.within(accounts)
    listed = RunnerFilter(request.GET, queryset=rows)
    found = listed.qs if listed.shows_gone else listed.qs.filter(gone_at=None)
    page = page_by_key(found, _order(request), request.GET)
    options, groups = _options(accounts)
    for runner in page.rows:
        runner.account = by_id[runner.account_id]
        runner.group_name = groups.get((runner.account_id, runner.group_id or 0), "")
    context = {
        "accounts": accounts,
        "chips": chips_of(listed, request.GET),
        "options": options,
        "page": page,
        "total": _count(version, found),
        "version": version,
        "moving": any(runner.is_moving for runner in page.rows),
        "sort": request.GET.get("sort", "name"),
        "matching": query_without(request, "version", "after", "before", "sort", "size_of_page"),
        "may_create": any(account.may_be_changed for account in accounts),
        **freshness_of(accounts, Reading.Resource.RUNNERS),
    }
    return render_page(request, "runners/list.html", context, fragment="table")


@require_POST
def runners_refresh(request: Request) -> HttpResponse:
    """Read the runners of every account one may see again at once."""
    for account in Account.objects.visible_to(request.user).filter(paused=False):
        make_due(account, Reading.Resource.RUNNERS)
        wake(account.credential_id)
    messages.success(request, "Asked for. New answers appear here within seconds.")
    return redirect("runners")


def _count(version: str, found: QuerySet[Runner]) -> int:
    """How many match; the same until an account changes, but for filters that compare with the time."""
    return cache.get_or_set(f"runners-found:{version}", found.count, 60) or 0


def _order(request: Request) -> Order:
    asked = request.GET.get("sort", "name")
    order = SORTS.get(asked.removeprefix("-"), SORTS["name"])
    descending = asked.startswith("-") and asked.removeprefix("-") in SORTS
    return Order(order.column, descending, order.is_time, order.nullable)


def _options(accounts: list[Account]) -> tuple[dict[str, list[str]], dict[tuple[int, int], str]]:
    """What the filters offer, and the names of groups by account and id; the same until an account changes."""

    def read() -> tuple[dict[str, list[str]], dict[tuple[int, int], str]]:
        rows = Runner.objects.present().within(accounts).order_by()
        seen = list(rows.values_list("status", "platform", "size", "image_name").distinct())
        groups = RunnerGroup.objects.within(accounts)
        names = {(account, github_id): name for account, github_id, name in groups.values_list(*GROUP_KEY)}
        options = {
            "status": sorted({row[0] for row in seen}),
            "platform": sorted({row[1] for row in seen if row[1]}),
            "size": sorted({row[2] for row in seen if row[2]}, key=_by_number),
            "image": sorted({row[3] for row in seen if row[3]}),
            "group": sorted(set(names.values())),
        }
        return options, names

    return cache.get_or_set(f"runner-options:{version_of(accounts)}", read, 3600) or ({}, {})


def _by_number(size: str) -> tuple[int, str]:
    number = size.partition("-")[0]
    return (int(number) if number.isdecimal() else 10**6, size)


@require_safe
def runner(request: Request, pk: int) -> HttpResponse:
    row = visible_or_404(Runner.objects.select_related("account__credential"), request, pk)
    account = row.account
    version = version_of([account], row.pk)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    row.group_name = group_name_of(row)
    asked = Operation.objects.filter(account=account, target=Operation.Target.RUNNER, target_id=row.github_id)
    recent = list(asked.order_by("-pk")[:20])
    context = {
        "runner": row,
        "account": account,
        "reading": Reading.objects.filter(account=account, resource=Reading.Resource.RUNNERS).first(),
        "changes": _changes(row),
        "operations": recent,
        "image_is_offered": _is_offered(row),
        "may_manage": may_manage(request, account) and row.gone_at is None,
        "version": version,
        "cost": usd_per_hour(row.platform, row.size, row.maximum_runners),
        "prices_as_of": PRICES_AS_OF,
        "workflow": f"runs-on: {row.name}",
        "moving": row.is_moving or any(operation.is_moving for operation in recent),
    }
    return render_page(request, "runners/detail.html", context, fragment="facts")


def _changes(row: Runner) -> "QuerySet[FieldChange]":
    rows = FieldChange.objects.filter(item=FieldChange.Item.RUNNER, item_pk=row.pk)
    return rows.select_related("operation").order_by("-at", "-pk")[:100]


def _is_offered(row: Runner) -> bool | None:
    """Whether the runner's image is in the account's list of images; nothing when that list was never read."""
    images = Image.objects.filter(account_id=row.account_id, source=row.image_source or Image.Source.GITHUB)
    if not images.exists():
        return None
    return images.present().filter(github_id=row.image_id).exists()
