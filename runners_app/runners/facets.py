"""Facets: the distinct values of an account's runners, cached per account version.

Filters offer them, and lists take group names from them. When one account changes, only its facets
are read again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.core.cache import caches
from django.db.models import Count

from runners_app.models import Account, Image, Runner, RunnerGroup

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEPT_SECONDS = 3600


@dataclass
class Facets:
    """The distinct values of one account's runners.

    `groups` maps ids to names; `not_offered` holds the (source, id) of images that runners use but
    that the account is no longer offered.
    """

    runners: int = 0
    statuses: set[str] = field(default_factory=set)
    platforms: set[str] = field(default_factory=set)
    sizes: set[str] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    groups: dict[int, str] = field(default_factory=dict)
    not_offered: set[tuple[str, str]] = field(default_factory=set)


def read_facets(accounts: Iterable[Account], user: "User | None" = None) -> dict[int, Facets]:
    """Facets by the account's primary key, limited to what `user` may see if one is given."""
    keys = {account.pk: _key(account, user) for account in accounts}
    cached = caches["pages"].get_many(list(keys.values()))
    found = {pk: cached[key] for pk, key in keys.items() if key in cached}
    missing = {pk: Facets() for pk in keys if pk not in found}
    if missing:
        _fill(missing, user)
        caches["pages"].set_many({keys[pk]: each for pk, each in missing.items()}, KEPT_SECONDS)
    return {**found, **missing}


def _key(account: Account, user: "User | None") -> str:
    """Users who see the whole account share its facets."""
    limited_by = getattr(account, "limited_by", None) if user else None
    return f"facets:{account.pk}:{account.version}:{limited_by}"


def _fill(missing: dict[int, Facets], user: "User | None") -> None:
    listed: dict[int, set[str]] = {pk: set() for pk in missing}
    offered: dict[int, set[tuple[str, str]]] = {pk: set() for pk in missing}
    images = Image.objects.filter(account__in=missing).values_list(
        "account_id", "source", "github_id", "gone_at"
    )
    for account, source, image_id, gone_at in images:
        listed[account].add(source)
        if gone_at is None:
            offered[account].add((source, image_id))
    groups = RunnerGroup.objects.visible_to(user) if user else RunnerGroup.objects.all()
    of_groups = groups.filter(account__in=missing).values_list("account_id", "github_id", "name")
    for account, github_id, name in of_groups:
        missing[account].groups[github_id] = name
    columns = (
        "account_id",
        "status",
        "platform",
        "size",
        "image_name",
        "image_source",
        "image_id",
        "owner",
        "tags",
    )
    runners = Runner.objects.visible_to(user) if user else Runner.objects.all()
    of_runners = runners.present().filter(account__in=missing).order_by().values_list(*columns)
    for row in of_runners.annotate(count=Count("pk")):
        account, status, platform, size, image, source, image_id, owner, tags, count = row
        facets = missing[account]
        facets.runners += count
        facets.statuses.add(status)
        facets.platforms.add(platform)
        facets.sizes.add(size)
        facets.images.add(image)
        facets.owners.add(owner)
        facets.tags.update(tags.split())
        if image_id and source in listed[account] and (source, image_id) not in offered[account]:
            facets.not_offered.add((source, image_id))
