"""Image pages. Custom images and their versions can be deleted; all other images are read-only."""

from django.db.models import Exists, OuterRef
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.images.filters import ImageFilter
from runners_app.images.queries import (
    CUSTOM,
    USERS_SHOWN,
    attach_accounts,
    attach_used_by,
    changes_of,
    offer_of,
    offers_of,
    one_row_per_image,
    operations_on,
    runners_on,
    sizes_and_platforms,
    versions_of,
    with_deletion,
)
from runners_app.images.requests import request_delete_image, request_delete_image_version
from runners_app.models import Account, Image, Reading
from runners_app.web.filter_menu import accounts_of, filter_menu, search_of
from runners_app.web.filters import GONE
from runners_app.web.forms import DeleteForm
from runners_app.web.freshness import freshness_of, freshness_of_one, unchanged
from runners_app.web.lists import count_once, order_of, read_again
from runners_app.web.pages import (
    Request,
    came_from,
    is_unchanged,
    manage_or_403,
    query_without,
    render_page,
    version_of,
    visible_or_404,
)
from runners_app.web.paging import Order, page_by_key

R = Reading.Resource
MENU = {"org": "Account", "platform": "Platform", "state": "State"}
SORTS = {
    "name": Order("name", folded=True),
    "platform": Order("platform"),
    "versions": Order("versions_count", nullable=True),
    "size": Order("size_gb", nullable=True),
    "state": Order("state"),
}


@require_safe
def images(request: Request) -> HttpResponse:
    """List the images of one source, chosen by `?source=`."""
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    source = request.GET.get("source", "")
    source = source if source in Image.Source.values else CUSTOM
    resource = R.CUSTOM_IMAGES if source == CUSTOM else R.CATALOG
    if is_unchanged(request, version):
        return unchanged(accounts, resource)

    offer = offer_of(accounts, source)
    vocabulary = {
        "account": accounts_of(accounts),
        "platform": offer["platforms"],
        "state": [*(offer["states"] if source == CUSTOM else ()), GONE],
    }
    listed = ImageFilter(
        request.GET,
        queryset=Image.objects.within(accounts).filter(source=source),
        vocabulary=vocabulary,
    )
    if request.GET.get("menu"):
        return filter_menu(
            request, listed, vocabulary, MENU, title="Images", address=reverse("images")
        )
    found = listed.qs if listed.shows_gone else listed.qs.filter(gone_at=None)
    sort, order = order_of(request, SORTS)
    if source == CUSTOM:
        page = page_by_key(with_deletion(found), order, request.GET)
        total = count_once("images", version, found.count)
    else:
        page, total = one_row_per_image(found, order, request.GET)
    attach_accounts(page.rows, accounts)
    attach_used_by(page.rows, request.user, listed.values_of("account"))

    context = {
        "accounts": accounts,
        **search_of(listed, vocabulary),
        "page": page,
        "total": total,
        "version": version,
        "source": source,
        "shows_gone": listed.shows_gone,
        "sort": sort,
        "moving": any(image.is_moving or getattr(image, "deletion", None) for image in page.rows),
        **offer,
        **freshness_of(accounts, resource),
    }
    return render_page(request, "images/list.html", context, fragment="table")


@require_POST
def images_refresh(request: Request) -> HttpResponse:
    """Schedule a reading of the images of every visible account."""
    read_again(request, R.CUSTOM_IMAGES, R.IMAGE_VERSIONS, R.CATALOG)
    return redirect(came_from(request) or "images")


@require_safe
def image(request: Request, pk: int) -> HttpResponse:
    """Show one image with its versions and the runners that use it."""
    mine = Account.objects.manageable_by(request.user).filter(pk=OuterRef("account"))
    rows = Image.objects.select_related("account__credential").annotate(manageable=Exists(mine))
    row: Image = visible_or_404(rows, request, pk)
    account = row.account
    operations = list(operations_on(row).visible_to(request.user)[:20])
    version = version_of([account], row.pk, operations[0].pk if operations else 0)
    resources = (R.CUSTOM_IMAGES, R.IMAGE_VERSIONS) if row.source == CUSTOM else (R.CATALOG,)
    if is_unchanged(request, version):
        return unchanged([account], resources[0])

    readings = list(
        Reading.objects.filter(account=account, resource__in=resources).order_by("order")
    )
    versions = versions_of(row)
    users = runners_on(row, request.user)
    for each in versions:
        each.pinned = [runner for runner in users if runner.image_version == each.version]
    deletions = [each for each in operations if not each.is_finished and not each.target_version]
    deletion = deletions[0] if deletions else None

    context = {
        "image": row,
        "account": account,
        "versions": versions,
        "users": users[:USERS_SHOWN],
        "more_users": len(users) > USERS_SHOWN,
        "offered": offers_of(row, request.user),
        "changes": changes_of(row),
        "operations": operations,
        "deletion": deletion,
        "may_delete": row.may_be_deleted and deletion is None,
        "readings": readings,
        "version": version,
        "moving": row.is_moving
        or any(version.is_moving for version in versions)
        or any(operation.is_moving for operation in operations),
        **freshness_of_one(account, readings[0] if readings else None),
    }
    return render_page(request, "images/detail.html", context, fragment="facts")


def _custom_image_or_404(request: Request, pk: int) -> Image:
    """A custom image that exists and that the user may delete; 404 or 403 otherwise."""
    rows = Image.objects.present().filter(source=CUSTOM).select_related("account")
    row = visible_or_404(rows, request, pk)
    manage_or_403(request, row.account)
    return row


@require_http_methods(["GET", "HEAD", "POST"])
def image_delete(request: Request, pk: int) -> HttpResponse:
    """Delete a custom image with all its versions, after its name was typed."""
    row = _custom_image_or_404(request, pk)
    form = DeleteForm(request.POST or None, expected=row.name)
    if form.is_valid():
        operation = request_delete_image(row, by=request.user, nonce=form.nonce_text)
        return redirect("operation", operation.pk)

    context = {
        "image": row,
        "account": row.account,
        "form": form,
        "users": runners_on(row, request.user),
        "versions": versions_of(row),
        "deletion": operations_on(row).unfinished().filter(target_version="").first(),
    }
    return render(request, "images/delete.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def image_version_delete(request: Request, pk: int, version_id: int) -> HttpResponse:
    """Delete one version of a custom image, after image and version were typed."""
    row = _custom_image_or_404(request, pk)
    versions = {version.pk: version for version in versions_of(row)}
    if version_id not in versions:
        raise Http404
    version = versions[version_id]
    version.image = row
    form = DeleteForm(request.POST or None, expected=f"{row.name} {version}")
    if form.is_valid():
        operation = request_delete_image_version(version, by=request.user, nonce=form.nonce_text)
        return redirect("operation", operation.pk)

    users = runners_on(row, request.user)
    deletions = operations_on(row).unfinished().filter(target_version=version.version)
    context = {
        "image": row,
        "image_version": version,
        "account": row.account,
        "form": form,
        "pinned": [runner for runner in users if runner.image_version == version.version],
        "followers": [runner for runner in users if runner.follows_latest],
        "is_latest": version.version == row.latest_version,
        "is_only": len(versions) == 1,
        "deletion": deletions.first(),
    }
    return render(
        request, "images/version_delete.html", context, status=422 if form.is_bound else 200
    )


@require_safe
def machine_sizes(request: Request) -> HttpResponse:
    """List the machine sizes and platforms that accounts are offered."""
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    if is_unchanged(request, version):
        return unchanged(accounts, R.CATALOG)

    slug = request.GET.get("account", "").lower()
    shown = [account for account in accounts if not slug or account.is_named(slug)]
    sizes, platforms = sizes_and_platforms(shown)
    context = {
        "accounts": accounts,
        "shown": shown,
        "sizes": sizes,
        "platforms_offered": platforms,
        "version": version,
        **offer_of(accounts, ""),
        **freshness_of(accounts, R.CATALOG),
    }
    return render_page(request, "images/sizes.html", context, fragment="tables")
