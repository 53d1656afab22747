"""What an account's runners are made of, remembered per version of the account: choices of filters, names of groups.

Reading it from all runners of a large installation takes long; when one account changes, only that one is read again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.core.cache import caches

from runners_app.models import Image, Runner, RunnerGroup

KEPT_SECONDS = 3600


@dataclass
class Facets:
    """The distinct values of one account's runners; `not_offered` are images (source, id) it is offered no more."""

    statuses: set[str] = field(default_factory=set)
    platforms: set[str] = field(default_factory=set)
    sizes: set[str] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    groups: dict[int, str] = field(default_factory=dict)
    not_offered: set[tuple[str, str]] = field(default_factory=set)


def read_facets(versions: Mapping[int, int]) -> dict[int, Facets]:
    """The facets of accounts, given as primary key → version."""
    kept = caches["pages"].get_many([_key(pk, version) for pk, version in versions.items()])
    found = {pk: kept[_key(pk, version)] for pk, version in versions.items() if _key(pk, version) in kept}
    missing = {pk: Facets() for pk in versions if pk not in found}
    if missing:
        _fill(missing)
        caches["pages"].set_many({_key(pk, versions[pk]): each for pk, each in missing.items()}, KEPT_SECONDS)
    return {**found, **missing}


def _key(pk: int, version: int) -> str:
    return f"facets:{pk}:{version}"


def _fill(missing: dict[int, Facets]) -> None:
    listed: dict[int, set[tuple[str, str]]] = {pk: set() for pk in missing}
    offered: dict[int, set[tuple[str, str]]] = {pk: set() for pk in missing}
    images = Image.objects.filter(account__in=missing).values_list("account_id", "source", "github_id", "gone_at")
    for account, source, image_id, gone_at in images.iterator():
        listed[account].add((source, ""))
        if gone_at is None:
            offered[account].add((source, image_id))
    for account, github_id, name in RunnerGroup.objects.filter(account__in=missing).values_list(
        "account_id", "github_id", "name"
    ):
        missing[account].groups[github_id] = name
    columns = ("account_id", "status", "platform", "size", "image_name", "image_source", "image_id")
    runners = Runner.objects.present().filter(account__in=missing).order_by()
    for account, status, platform, size, image, source, image_id in runners.values_list(*columns).distinct():
        facets = missing[account]
        facets.statuses.add(status)
        facets.platforms.add(platform)
        facets.sizes.add(size)
        facets.images.add(image)
        if image_id and (source, "") in listed[account] and (source, image_id) not in offered[account]:
            facets.not_offered.add((source, image_id))
