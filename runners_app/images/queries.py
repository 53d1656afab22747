"""Queries behind the image pages: how many runners use an image, and where it is offered."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import (
    Case,
    CharField,
    Count,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.http import QueryDict

from runners_app.models import (
    Account,
    FieldChange,
    Image,
    ImageVersion,
    MachineSize,
    Operation,
    Platform,
    Runner,
)
from runners_app.models.operations import OperationQuerySet
from runners_app.web.filters import TokenFilter
from runners_app.web.numbers import number_in
from runners_app.web.pages import version_of
from runners_app.web.paging import KeyPage, Order, page_by_key

CUSTOM, GITHUB, PARTNER = Image.Source.CUSTOM, Image.Source.GITHUB, Image.Source.PARTNER
USERS_SHOWN = 25
CHANGES_SHOWN = 100
OFFER_KEPT_SECONDS = 3600
# Images, and rows of sizes, with these values in common are the same in every account.
SAME_IMAGE = ("github_id", "platform")
SAME_SIZE = ("github_id", "cpu_cores", "memory_gb", "storage_gb")


def with_deletion(images: "QuerySet[Image]") -> "QuerySet[Image]":
    """Add `deletion`: the primary key of the unfinished operation that deletes the image."""
    deletions = Operation.objects.unfinished().filter(
        account=OuterRef("account"), target=Operation.Target.IMAGE, kind=Operation.Kind.DELETE_IMAGE
    )
    of_image = deletions.annotate(image=Cast("target_id", CharField())).filter(
        image=OuterRef("github_id")
    )
    return images.annotate(deletion=Subquery(of_image.values("pk")[:1]))


def one_row_per_image(
    images: "QuerySet[Image]", order: Order, query: QueryDict
) -> tuple[KeyPage[Image], int]:
    """One row for an image that many accounts are offered, with their number as `offered_in`.

    Returns the page and the number of different images. Only for images by GitHub and its partners.
    """
    same = list(images.values(*SAME_IMAGE).annotate(first=Min("pk"), accounts=Count("pk")))
    offered_in = {each["first"]: each["accounts"] for each in same}
    page = page_by_key(Image.objects.filter(pk__in=offered_in), order, query)
    for image in page.rows:
        image.offered_in = offered_in[image.pk]
    return page, len(same)


def attach_accounts(rows: Iterable[Image], accounts: Sequence[Account]) -> None:
    """Set each row's `account` to the one read with `visible_to`."""
    by_id = {account.pk: account for account in accounts}
    for row in rows:
        row.account = by_id[row.account_id]


def attach_used_by(images: list[Image], user: User, slugs: Sequence[str] = ()) -> None:
    """Set `used_by`, the number of visible runners on each image; all images have one source.

    A custom image counts the runners of its own account, any other those of the accounts with
    these slugs, or of all visible accounts if there are none.
    """
    if not images:
        return
    source = images[0].source
    runners = Runner.objects.visible_to(user).present().filter(image_source=source)
    runners = runners.filter(image_id__in={image.github_id for image in images})
    if source != CUSTOM and slugs:
        runners = runners.filter(reduce(or_, (TokenFilter.by_account(slug) for slug in slugs)))

    counts: Counter[tuple[int, str]] = Counter()
    by_image = runners.values_list("account_id", "image_id").annotate(count=Count("pk"))
    for account_id, image_id, count in by_image:
        counts[account_id if source == CUSTOM else 0, image_id] += count
    for image in images:
        image.used_by = counts[image.account_id if source == CUSTOM else 0, image.github_id]


def offer_of(accounts: Sequence[Account], source: str) -> dict[str, Any]:
    """The tabs with their numbers of images, and the platforms and states to filter one source by.

    `tabs` holds (source, label, count). Cached until one of the accounts changes.
    """

    def read() -> list[tuple[str, str, str, int, int]]:
        rows = Image.objects.present().within(accounts).values_list("source", "platform", "state")
        return list(rows.annotate(ids=Count("github_id", distinct=True), rows=Count("pk")))

    key = f"images-offered:{version_of(accounts)}"
    offered = cache.get_or_set(key, read, OFFER_KEPT_SECONDS) or []

    counts: Counter[str] = Counter()
    platforms, states = set(), set()
    for image_source, platform, state, ids, rows in offered:
        # A custom image belongs to one account; all accounts share the others.
        counts[image_source] += rows if image_source == CUSTOM else ids
        if image_source == source:
            platforms.add(platform)
            states.add(state)
    return {
        "tabs": [(each.value, each.label, counts[each]) for each in (CUSTOM, GITHUB, PARTNER)],
        "platforms": sorted(platforms - {""}),
        "states": sorted(states - {""}),
    }


def versions_of(image: Image) -> list[ImageVersion]:
    """The versions of a custom image that exist, newest first; none of any other image."""
    if image.source != CUSTOM:
        return []
    return list(image.versions.filter(gone_at=None).order_by("-created_on", "-pk"))


def runners_on(image: Image, user: User) -> list[Runner]:
    """Runners on an image, by name: all on a custom image, else the first visible ones.

    An image that all accounts share may have thousands, so one more than USERS_SHOWN is read.
    """
    runners = Runner.objects.visible_to(user).present().select_related("account")
    runners = runners.filter(image_source=image.source, image_id=image.github_id)
    runners = runners.order_by("name", "pk")
    if image.source == CUSTOM:
        return list(runners.filter(account=image.account))
    return list(runners[: USERS_SHOWN + 1])


def offers_of(image: Image, user: User) -> "QuerySet[Image]":
    """The same image in every visible account that is offered it; none of a custom image."""
    if image.source == CUSTOM:
        return Image.objects.none()
    same = Image.objects.visible_to(user).present().filter(source=image.source)
    same = same.filter(github_id=image.github_id, platform=image.platform)
    return same.select_related("account").order_by("account__slug", "pk")


def operations_on(image: Image) -> OperationQuerySet:
    """Operations on an image or one of its versions, newest first."""
    target_id = number_in(image.github_id)
    if image.source != CUSTOM or target_id is None:
        return Operation.objects.none()
    targets = (Operation.Target.IMAGE, Operation.Target.IMAGE_VERSION)
    operations = Operation.objects.filter(account=image.account, target__in=targets)
    return operations.filter(target_id=target_id).order_by("-pk")


def changes_of(image: Image) -> "QuerySet[FieldChange]":
    """Changes of an image and its versions, newest first; `version` is empty or names one."""
    of_image = Q(item=FieldChange.Item.IMAGE, item_pk=image.pk)
    of_versions = Q(item=FieldChange.Item.IMAGE_VERSION, item_pk__in=image.versions.values("pk"))
    names = Subquery(image.versions.filter(pk=OuterRef("item_pk")).values("version"))
    version = Case(When(item=FieldChange.Item.IMAGE_VERSION, then=names), default=Value(""))
    changes = FieldChange.objects.filter(of_image | of_versions).select_related("operation")
    return changes.annotate(version=version).order_by("-at", "-pk")[:CHANGES_SHOWN]


def sizes_and_platforms(
    accounts: Sequence[Account],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The machine sizes and the platforms offered to accounts, smallest size first.

    Each has its values, `used_by` (runners), `count` of `of` accounts that are offered it, and
    `names` of these accounts, unless all are offered it.
    """
    runners = Runner.objects.present().within(accounts)
    size_users: Counter[str] = Counter()
    platform_users: Counter[str] = Counter()
    by_machine = runners.values_list("size", "platform").annotate(count=Count("pk"))
    for size, platform, count in by_machine:
        size_users[size] += count
        platform_users[platform] += count

    sizes: dict[tuple[Any, ...], set[int]] = {}
    rows = MachineSize.objects.present().filter(account__in=accounts)
    for account_id, *values in rows.values_list("account_id", *SAME_SIZE):
        sizes.setdefault(tuple(values), set()).add(account_id)

    platforms: dict[tuple[Any, ...], set[int]] = {}
    names = Platform.objects.present().filter(account__in=accounts)
    for account_id, name in names.values_list("account_id", "github_id"):
        platforms.setdefault((name,), set()).add(account_id)

    return (
        sorted(_offers(sizes, SAME_SIZE, size_users, accounts), key=_by_capacity),
        sorted(_offers(platforms, ("github_id",), platform_users, accounts), key=_by_capacity),
    )


def _offers(
    offered: dict[tuple[Any, ...], set[int]],
    columns: Sequence[str],
    users: Counter[str],
    accounts: Sequence[Account],
) -> list[dict[str, Any]]:
    known = set().union(*offered.values())
    rows = []
    for values, offered_to in offered.items():
        names = [str(account) for account in accounts if account.pk in offered_to]
        rows.append(
            {
                **dict(zip(columns, values, strict=True)),
                "used_by": users[values[0]],
                "count": len(offered_to),
                "of": len(known),
                "names": names if offered_to != known or len(known) == 1 else [],
            }
        )
    return rows


def _by_capacity(row: dict[str, Any]) -> tuple[int, int, str]:
    return (row.get("cpu_cores") or 0, row.get("memory_gb") or 0, row["github_id"])
