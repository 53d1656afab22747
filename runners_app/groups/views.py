"""Pages of runner groups: list and detail. Pages that change them are in `form_views`."""

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from runners_app.groups.filters import YES_NO, GroupFilter
from runners_app.models import (
    Account,
    FieldChange,
    Reading,
    Runner,
    RunnerGroup,
    SelfHostedRunner,
    SharedRunner,
)
from runners_app.web.annotations import may_annotate
from runners_app.web.filter_menu import accounts_of, filter_menu, search_of
from runners_app.web.filters import GONE, NONE
from runners_app.web.forms import new_nonce
from runners_app.web.freshness import freshness_of, freshness_of_one, unchanged
from runners_app.web.lists import count_once, order_of, read_again
from runners_app.web.pages import (
    Request,
    came_from,
    is_unchanged,
    manage_or_403,
    may_manage,
    query_without,
    render_page,
    version_of,
    visible_account_or_404,
    visible_or_404,
)
from runners_app.web.paging import Order, page_by_key

SORTS = {"name": Order("name", folded=True), "visibility": Order("visibility")}
VISIBILITIES = {
    "all": "All repositories",
    "selected": "Selected",
    "private": "Private repositories",
}
MENU = {
    "org": "Account",
    "visibility": "Visibility",
    "public": "Public repositories",
    "inherited": "Inherited from the enterprise",
    "owner": "Owner",
    "tag": "Tag",
    "state": "State",
}
R = Reading.Resource
VALUES_KNOWN = 500
RUNNERS_SHOWN = LINES_SHOWN = 50


@require_safe
def groups(request: Request) -> HttpResponse:
    """List the groups the user may see."""
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    if is_unchanged(request, version):
        return unchanged(accounts, R.GROUPS)
    rows = RunnerGroup.objects.within(accounts)
    vocabulary = _vocabulary(request, accounts, rows)
    listed = GroupFilter(request.GET, queryset=rows, vocabulary=vocabulary)
    if request.GET.get("menu"):
        return filter_menu(
            request, listed, vocabulary, MENU, title="Groups", address=reverse("groups")
        )
    found = listed.qs if listed.shows_gone else listed.qs.filter(gone_at=None)
    sort, order = order_of(request, SORTS)
    page = page_by_key(found, order, request.GET)
    _attach(page.rows, accounts)
    context = {
        "accounts": accounts,
        **search_of(listed, vocabulary),
        "page": page,
        "total": count_once("groups", version, found.count),
        "version": version,
        "sort": sort,
        "visibilities": VISIBILITIES,
        "may_create": any(account.may_be_changed for account in accounts),
        **freshness_of(accounts, R.GROUPS),
    }
    return render_page(request, "groups/list.html", context, fragment="table")


def _vocabulary(
    request: Request, accounts: list[Account], rows: "QuerySet[RunnerGroup]"
) -> dict[str, list[str]]:
    """The values of each filter. Owners and tags are looked up only where they are asked for."""
    owners, tags = set[str](), set[str]()
    typed = request.GET.get("q", "")
    if "own" in typed or "tag" in typed or {"menu", "owner", "tag"} & request.GET.keys():
        named = rows.filter(gone_at=None).order_by().exclude(owner="", tags="")
        for owner, tag in named.values_list("owner", "tags").distinct()[:VALUES_KNOWN]:
            owners.add(owner)
            tags.update(tag.split())
    return {
        "account": accounts_of(accounts),
        "visibility": list(VISIBILITIES),
        "public": list(YES_NO),
        "inherited": list(YES_NO),
        "owner": [*sorted(owners - {""}, key=str.lower), NONE],
        "tag": [*sorted(tags), NONE],
        "state": [GONE],
    }


def _attach(rows: list[RunnerGroup], accounts: list[Account]) -> None:
    """Attach the account and the number of runners to each row."""
    by_id = {account.pk: account for account in accounts}
    runners = Runner.objects.present().filter(
        account__in={row.account_id for row in rows}, group_id__in={row.github_id for row in rows}
    )
    counted = runners.values_list("account_id", "group_id").annotate(count=Count("pk"))
    counts = {(account_id, group_id): count for account_id, group_id, count in counted}
    inherited = SharedRunner.objects.filter(group__in=[row for row in rows if row.inherited])
    shared = dict(inherited.values_list("group_id").annotate(count=Count("pk")))
    for row in rows:
        row.account = by_id[row.account_id]
        row.runners_count = shared.get(row.pk) or counts.get((row.account_id, row.github_id), 0)


@require_POST
def groups_refresh(request: Request) -> HttpResponse:
    """Schedule the readings of groups, access lists and self-hosted runners now."""
    read_again(request, R.GROUPS, R.GROUP_ACCESS, R.SELF_HOSTED_RUNNERS)
    return redirect(came_from(request) or "groups")


@require_safe
def group(request: Request, pk: int) -> HttpResponse:
    """Show one group with its runners, access list and history."""
    row = visible_or_404(RunnerGroup.objects.select_related("account__credential"), request, pk)
    version = version_of([row.account], row.pk)
    if is_unchanged(request, version):
        return unchanged([row.account], R.GROUPS)
    runners = list(_runners(row)[: RUNNERS_SHOWN + 1])
    machines = list(_machines(row)[: RUNNERS_SHOWN + 1])
    lines = list(row.access.order_by("name", "pk")[: LINES_SHOWN + 1])
    readings = _readings(row)
    manages = row.gone_at is None and may_manage(request, row.account)
    context = {
        "group": row,
        "account": row.account,
        "lines": lines[:LINES_SHOWN],
        "listed": row.access.count(),
        "machines": machines[:RUNNERS_SHOWN],
        "more_machines": len(machines) > RUNNERS_SHOWN,
        "shared": list(row.shared_runners.order_by("name", "pk")[:RUNNERS_SHOWN])
        if row.inherited
        else [],
        "may_manage": manages,
        "may_annotate": may_annotate(visible_account_or_404(request, row.account_id)),
        "targets": list(_other_groups(row)) if manages else [],
        "nonce": new_nonce(),
        "runners": runners[:RUNNERS_SHOWN],
        "more_runners": len(runners) > RUNNERS_SHOWN,
        "same_name": _same_name(row, request),
        "changes": _changes(row),
        "access_reading": readings.get(R.GROUP_ACCESS),
        "runners_reading": readings.get(R.RUNNERS),
        **freshness_of_one(row.account, readings.get(R.GROUPS)),
        "version": version,
    }
    return render_page(request, "groups/detail.html", context, fragment="facts")


@require_safe
def group_add_runners(request: Request, pk: int) -> HttpResponse:
    """Tick runners of the same account, to be moved into the group through the bulk preview."""
    row = visible_or_404(RunnerGroup.objects.present().select_related("account"), request, pk)
    manage_or_403(request, row.account)
    if row.inherited:
        messages.info(request, f"Runners of {row.name} are managed in the enterprise.")
        return redirect("group", row.pk)
    words = request.GET.get("q", "").replace("\0", "").strip()[:100]
    elsewhere = (
        Runner.objects.visible_to(request.user)
        .present()
        .filter(account=row.account)
        .exclude(group_id=row.github_id)
    )
    if words:
        elsewhere = elsewhere.filter(name__icontains=words)
    page = page_by_key(elsewhere, Order("name"), request.GET)
    names = dict(RunnerGroup.objects.filter(account=row.account).values_list("github_id", "name"))
    for runner in page.rows:
        runner.group_name = names.get(runner.group_id or 0, "")
    context = {"group": row, "account": row.account, "page": page, "words": words}
    return render_page(request, "groups/add_runners.html", context, fragment="rows")


def _runners(row: RunnerGroup) -> "QuerySet[Runner]":
    return (
        Runner.objects.present()
        .filter(account=row.account, group_id=row.github_id)
        .order_by("name", "pk")
    )


def _machines(row: RunnerGroup) -> "QuerySet[SelfHostedRunner]":
    inside = SelfHostedRunner.objects.present().filter(account=row.account, group_id=row.github_id)
    return inside.order_by("name", "pk")


def _other_groups(row: RunnerGroup) -> "QuerySet[RunnerGroup]":
    """Groups that runners can be moved to: GitHub refuses inherited ones."""
    own = RunnerGroup.objects.present().filter(account=row.account, inherited=False)
    return own.exclude(pk=row.pk).order_by("name", "pk")


def _readings(row: RunnerGroup) -> dict[str, Reading]:
    wanted = (R.GROUPS, R.GROUP_ACCESS, R.RUNNERS)
    return {
        each.resource: each
        for each in Reading.objects.filter(account=row.account, resource__in=wanted)
    }


def _same_name(row: RunnerGroup, request: Request) -> "QuerySet[RunnerGroup]":
    """The enterprise's row of an inherited group, or an enterprise group's rows in organizations.

    GitHub gives the same group another id in every organization, so they are matched by name.
    """
    others = RunnerGroup.objects.visible_to(request.user).present().select_related("account")
    others = others.filter(
        name=row.name, default=False, account__api_url=row.account.api_url
    ).exclude(pk=row.pk)
    if row.inherited:
        others = others.filter(account__kind=Account.Kind.ENTERPRISE)
    elif row.account.kind == Account.Kind.ENTERPRISE:
        others = others.filter(inherited=True)
    else:
        others = others.none()
    return others.order_by("account__slug", "pk")[:RUNNERS_SHOWN]


def _changes(row: RunnerGroup) -> "QuerySet[FieldChange]":
    changes = FieldChange.objects.filter(item=FieldChange.Item.GROUP, item_pk=row.pk)
    return changes.select_related("operation").order_by("-at", "-pk")[:100]
