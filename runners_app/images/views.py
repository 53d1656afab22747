"""Images: what runners can be made from. Custom images with their versions can be deleted; GitHub's
are only shown.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.core.cache import cache
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.images.filters import ImageFilter
from runners_app.images.requests import request_delete_image, request_delete_image_version
from runners_app.models import (
    Account,
    FieldChange,
    Image,
    ImageVersion,
    MachineSize,
    Operation,
    Platform,
    Reading,
    Runner,
)
from runners_app.models.operations import OperationQuerySet
from runners_app.web.forms import DeleteForm
from runners_app.web.freshness import freshness_of, freshness_of_one, unchanged
from runners_app.web.lists import count_once, order_of, read_again
from runners_app.web.numbers import number_in
from runners_app.web.pages import (
    Request,
    came_from,
    chips_of,
    is_unchanged,
    manage_or_403,
    query_without,
    render_page,
    version_of,
    visible_or_404,
)
from runners_app.web.paging import KeyPage, Order, page_by_key

CUSTOM, GITHUB, PARTNER = Image.Source.CUSTOM, Image.Source.GITHUB, Image.Source.PARTNER
R = Reading.Resource
SORTS = {
    "name": Order("name"),
    "platform": Order("platform"),
    "versions": Order("versions_count", nullable=True),
    "size": Order("size_gb", nullable=True),
    "state": Order("state"),
}
USERS_SHOWN = 25
# What images, and rows of sizes, are told apart by across accounts.
SAME_IMAGE = ("github_id", "platform")
SAME_SIZE = ("github_id", "cpu_cores", "memory_gb", "storage_gb")


@require_safe
def images(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    source = _source(request)
    resource = R.CUSTOM_IMAGES if source == CUSTOM else R.CATALOG
    if is_unchanged(request, version):
        return unchanged(accounts, resource)
    listed = ImageFilter(request.GET, queryset=Image.objects.within(accounts).filter(source=source))
    found = listed.qs if listed.shows_gone else listed.qs.filter(gone_at=None)
    sort, order = order_of(request, SORTS)
    if source == CUSTOM:
        page = page_by_key(_with_deletion(found), order, request.GET)
        total = count_once("images", version, found.count)
    else:
        page, total = _one_of_each(found, order, request)
    _attach_accounts(page.rows, accounts)
    _count_users(page.rows, request, listed.form.cleaned_data.get("account", ""))
    context = {
        "accounts": accounts,
        "chips": chips_of(listed, request.GET),
        "page": page,
        "total": total,
        "version": version,
        "source": source,
        "shows_gone": listed.shows_gone,
        "sort": sort,
        "moving": any(image.is_moving or getattr(image, "deletion", None) for image in page.rows),
        **_offer(accounts, source),
        **freshness_of(accounts, resource),
    }
    return render_page(request, "images/list.html", context, fragment="table")


def _source(request: Request) -> str:
    asked = request.GET.get("source", "")
    return asked if asked in Image.Source.values else CUSTOM


def _with_deletion(found: "QuerySet[Image]") -> "QuerySet[Image]":
    """Images with `deletion`, the operation that is about to delete them."""
    asked = Operation.objects.unfinished().filter(
        account=OuterRef("account"), target=Operation.Target.IMAGE, kind=Operation.Kind.DELETE_IMAGE
    )
    asked = asked.annotate(image=Cast("target_id", CharField())).filter(image=OuterRef("github_id"))
    return found.annotate(deletion=Subquery(asked.values("pk")[:1]))


def _one_of_each(
    found: "QuerySet[Image]", order: Order, request: Request
) -> tuple[KeyPage[Image], int]:
    """GitHub and its partners offer the same images to all: one row each, with how many accounts
    are offered it.
    """
    same = list(found.values(*SAME_IMAGE).annotate(first=Min("pk"), accounts=Count("pk")))
    rows = Image.objects.filter(pk__in=[each["first"] for each in same])
    page = page_by_key(rows, order, request.GET)
    offered = {each["first"]: each["accounts"] for each in same}
    for image in page.rows:
        image.offered_in = offered[image.pk]
    return page, len(same)


def _attach_accounts(rows: Iterable[Image | Runner], accounts: list[Account]) -> None:
    by_id = {account.pk: account for account in accounts}
    for row in rows:
        row.account = by_id[row.account_id]


def _count_users(rows: list[Image], request: Request, account: str) -> None:
    """How many runners use each image: of its own account when it is custom, else of the account
    the list is filtered by, or of all one may see.
    """
    if not rows:
        return
    source = rows[0].source
    users = Runner.objects.visible_to(request.user).present().filter(image_source=source)
    users = users.filter(image_id__in={row.github_id for row in rows})
    if source != CUSTOM and account:
        users = users.filter(account__slug__iexact=account)
    counts: dict[tuple[int, str], int] = {}
    for account_id, image_id, count in users.values_list("account_id", "image_id").annotate(
        count=Count("pk")
    ):
        key = (account_id if source == CUSTOM else 0, image_id)
        counts[key] = counts.get(key, 0) + count
    for row in rows:
        row.used_by = counts.get((row.account_id if source == CUSTOM else 0, row.github_id), 0)


def _offer(accounts: list[Account], source: str) -> dict[str, Any]:
    """The tabs with how many images each holds, and what the filters offer; the same until an
    account changes.
    """

    def read() -> list[tuple[str, str, str, int, int]]:
        rows = Image.objects.present().within(accounts).values_list("source", "platform", "state")
        return list(rows.annotate(ids=Count("github_id", distinct=True), rows=Count("pk")))

    seen = cache.get_or_set(f"images-offered:{version_of(accounts)}", read, 3600) or []
    tabs = [
        (
            value.value,
            value.label,
            sum(rows if value == CUSTOM else ids for of, _, _, ids, rows in seen if of == value),
        )
        for value in (CUSTOM, GITHUB, PARTNER)
    ]
    return {
        "tabs": tabs,
        "platforms": sorted({platform for of, platform, *_ in seen if of == source and platform}),
        "states": sorted({state for of, _, state, *_ in seen if of == source and state}),
    }


@require_POST
def images_refresh(request: Request) -> HttpResponse:
    read_again(request, R.CUSTOM_IMAGES, R.IMAGE_VERSIONS, R.CATALOG)
    return redirect(came_from(request) or "images")


@require_safe
def image(request: Request, pk: int) -> HttpResponse:
    mine = Account.objects.manageable_by(request.user).filter(pk=OuterRef("account"))
    rows = Image.objects.select_related("account__credential").annotate(manageable=Exists(mine))
    row: Image = visible_or_404(rows, request, pk)
    account = row.account
    asked = list(_operations_on(row).visible_to(request.user)[:20])
    version = version_of([account], row.pk, asked[0].pk if asked else 0)
    if is_unchanged(request, version):
        return unchanged([account], R.CUSTOM_IMAGES if row.source == CUSTOM else R.CATALOG)
    readings = _readings(row)
    versions = _versions(row) if row.source == CUSTOM else []
    users = _users(row, request)
    _attach_pinned(versions, users)
    deletion = next(
        (each for each in asked if not each.is_finished and not each.target_version), None
    )
    context = {
        "image": row,
        "account": account,
        "versions": versions,
        "users": users[:USERS_SHOWN],
        "more_users": len(users) > USERS_SHOWN,
        "offered": _offered(row, request) if row.source != CUSTOM else [],
        "changes": _changes(row),
        "operations": asked,
        "deletion": deletion,
        "may_delete": row.may_be_deleted and deletion is None,
        "readings": readings,
        "version": version,
        "moving": row.is_moving
        or any(each.is_moving for each in versions)
        or any(each.is_moving for each in asked),
        **freshness_of_one(account, next(iter(readings), None)),
    }
    return render_page(request, "images/detail.html", context, fragment="facts")


def _versions(row: Image) -> list[ImageVersion]:
    """Newest first; those that are gone stay in the history only."""
    return list(row.versions.filter(gone_at=None).order_by("-created_on", "-pk"))


def _users(row: Image, request: Request) -> list[Runner]:
    """All runners on a custom image; the first on one that all accounts share, of those the person
    may see.
    """
    runners = Runner.objects.visible_to(request.user).present().select_related("account")
    runners = runners.filter(image_source=row.source, image_id=row.github_id).order_by("name", "pk")
    return list(
        runners.filter(account=row.account) if row.source == CUSTOM else runners[: USERS_SHOWN + 1]
    )


def _attach_pinned(versions: list[ImageVersion], users: list[Runner]) -> None:
    for version in versions:
        version.pinned = [runner for runner in users if runner.image_version == version.version]


def _offered(row: Image, request: Request) -> "QuerySet[Image]":
    same = Image.objects.visible_to(request.user).present().filter(source=row.source)
    same = same.filter(github_id=row.github_id, platform=row.platform)
    return same.select_related("account").order_by("account__slug", "pk")


def _operations_on(row: Image) -> OperationQuerySet:
    """Writes that concern the image or a version of it, newest first."""
    target = number_in(row.github_id)
    if row.source != CUSTOM or target is None:
        return Operation.objects.none()
    targets = (Operation.Target.IMAGE, Operation.Target.IMAGE_VERSION)
    asked = Operation.objects.filter(account=row.account, target__in=targets, target_id=target)
    return asked.order_by("-pk")


def _changes(row: Image) -> "QuerySet[FieldChange]":
    """Of the image and its versions; `version` names the one a change is about."""
    of_image = Q(item=FieldChange.Item.IMAGE, item_pk=row.pk)
    of_versions = Q(item=FieldChange.Item.IMAGE_VERSION, item_pk__in=row.versions.values("pk"))
    changes = FieldChange.objects.filter(of_image | of_versions).select_related("operation")
    names = Subquery(row.versions.filter(pk=OuterRef("item_pk")).values("version"))
    version = Case(When(item=FieldChange.Item.IMAGE_VERSION, then=names), default=Value(""))
    return changes.annotate(version=version).order_by("-at", "-pk")[:100]


def _readings(row: Image) -> list[Reading]:
    wanted = (R.CUSTOM_IMAGES, R.IMAGE_VERSIONS) if row.source == CUSTOM else (R.CATALOG,)
    return list(Reading.objects.filter(account=row.account, resource__in=wanted).order_by("order"))


def _custom(request: Request, pk: int) -> Image:
    """A custom image that is still there and that the person may delete."""
    row = visible_or_404(
        Image.objects.present().filter(source=CUSTOM).select_related("account"), request, pk
    )
    manage_or_403(request, row.account)
    return row


@require_http_methods(["GET", "HEAD", "POST"])
def image_delete(request: Request, pk: int) -> HttpResponse:
    row = _custom(request, pk)
    form = DeleteForm(request.POST or None, expected=row.name)
    if form.is_valid():
        operation = request_delete_image(row, by=request.user, nonce=form.nonce_text)
        return redirect("operation", operation.pk)
    context = {
        "image": row,
        "account": row.account,
        "form": form,
        "users": _users(row, request),
        "versions": _versions(row),
        "asked": _operations_on(row).unfinished().filter(target_version="").first(),
    }
    return render(request, "images/delete.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def image_version_delete(request: Request, pk: int, version_id: int) -> HttpResponse:
    row = _custom(request, pk)
    versions = _versions(row)
    version = next((each for each in versions if each.pk == version_id), None)
    if version is None:
        raise Http404
    version.image = row
    form = DeleteForm(request.POST or None, expected=f"{row.name} {version}")
    if form.is_valid():
        operation = request_delete_image_version(version, by=request.user, nonce=form.nonce_text)
        return redirect("operation", operation.pk)
    users = _users(row, request)
    context = {
        "image": row,
        "image_version": version,
        "account": row.account,
        "form": form,
        "pinned": [runner for runner in users if runner.image_version == version.version],
        "followers": [runner for runner in users if runner.follows_latest],
        "is_latest": version.version == row.latest_version,
        "is_only": len(versions) == 1,
        "asked": _operations_on(row).unfinished().filter(target_version=version.version).first(),
    }
    return render(
        request, "images/version_delete.html", context, status=422 if form.is_bound else 200
    )


@require_safe
def machine_sizes(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    if is_unchanged(request, version):
        return unchanged(accounts, R.CATALOG)
    asked = request.GET.get("account", "").lower()
    shown = [account for account in accounts if asked in ("", account.slug.lower())]
    used = _count_by_machine(shown)
    context = {
        "accounts": accounts,
        "shown": shown,
        "sizes": _sizes(shown, used),
        "platforms_offered": _platforms(shown, used),
        "version": version,
        **_offer(accounts, ""),
        **freshness_of(accounts, R.CATALOG),
    }
    return render_page(request, "images/sizes.html", context, fragment="tables")


def _count_by_machine(accounts: list[Account]) -> Counter[tuple[str, str]]:
    """How many runners have each ("size", its id) and each ("platform", its name)."""
    runners = Runner.objects.present().within(accounts)
    used: Counter[tuple[str, str]] = Counter()
    for size, platform, count in runners.values_list("size", "platform").annotate(
        count=Count("pk")
    ):
        used["size", size] += count
        used["platform", platform] += count
    return used


def _sizes(accounts: list[Account], used: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    rows = (
        MachineSize.objects.present()
        .filter(account__in=accounts)
        .values_list("account_id", *SAME_SIZE)
    )
    by_size: dict[tuple[Any, ...], set[int]] = {}
    for account_id, *facts in rows:
        by_size.setdefault(tuple(facts), set()).add(account_id)
    sizes = [
        {
            **dict(zip(SAME_SIZE, facts, strict=True)),
            "used_by": used["size", facts[0]],
            "offered_to": offered,
        }
        for facts, offered in by_size.items()
    ]
    _attach_offer(sizes, accounts)
    return sorted(
        sizes, key=lambda size: (size["cpu_cores"] or 0, size["memory_gb"] or 0, size["github_id"])
    )


def _platforms(accounts: list[Account], used: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    by_name: dict[str, set[int]] = {}
    rows = (
        Platform.objects.present()
        .filter(account__in=accounts)
        .values_list("account_id", "github_id")
    )
    for account_id, name in rows:
        by_name.setdefault(name, set()).add(account_id)
    platforms: list[dict[str, Any]] = [
        {"github_id": name, "used_by": used["platform", name], "offered_to": offered}
        for name, offered in by_name.items()
    ]
    _attach_offer(platforms, accounts)
    return sorted(platforms, key=lambda platform: str(platform["github_id"]))


def _attach_offer(rows: list[dict[str, Any]], accounts: list[Account]) -> None:
    """`names`: who is offered it; empty when that is everybody whose offer is known."""
    known = set().union(*(row["offered_to"] for row in rows)) if rows else set()
    for row in rows:
        row["count"], row["of"] = len(row["offered_to"]), len(known)
        offered = [account.slug for account in accounts if account.pk in row["offered_to"]]
        row["names"] = offered if row["offered_to"] != known or len(known) == 1 else []
