"""Facts about runners: stuck ones, images that are gone, and static IP ranges that changed."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from runners_app.models import Event, FieldChange, Operation, Runner
from runners_app.notices.fact import Fact
from runners_app.overview.attention import is_stuck, provisions_too_long
from runners_app.static_ips.ranges import in_order, networks_of

K = Event.Kind
# A change of ranges stays a fact for so long, so that a worker that was down still tells of it.
RANGES_TOLD_FOR = timedelta(hours=1)


def runners_stuck(now: datetime) -> Iterator[Fact]:
    rows = Runner.objects.present().filter(account__demo=False).select_related("account")
    for row in rows.filter(is_stuck() | provisions_too_long(now)):
        least = "" if row.status_start_was_seen else "at least "
        long = f"has been Provisioning for {least}30 minutes"
        what = "is Stuck" if row.status == "Stuck" else long
        title = f"The runner {row.name} of {row.account} {what}"
        yield _of_runner(K.RUNNER_STUCK, f"runner:{row.pk}", title, row, stage=row.status)


def images_not_offered(now: datetime) -> Iterator[Fact]:
    """One fact per runner, so that its group and its owner hear of it."""
    rows = Runner.objects.image_not_offered().filter(account__demo=False)
    for row in rows.select_related("account"):
        title = (
            f"The image {row.image_name or row.image_id} of the runner {row.name} of {row.account}"
            " is no longer offered"
        )
        topic = f"image:{row.pk}:{row.image_id}"[:200]
        yield _of_runner(K.IMAGE_NOT_OFFERED, topic, title, row)


def ranges_changed(now: datetime) -> Iterator[Fact]:
    """One fact per runner and change. What a batch changed counts from its last operation on.

    Runners that were there when their account was first read are not news.
    """
    since = now - RANGES_TOLD_FOR
    batches = Operation.objects.exclude(batch=None).filter(finished_at__gt=since)
    ended = Q(operation__batch__in=batches.values("batch"))
    changes = FieldChange.objects.filter(
        Q(at__gt=since) | ended,
        item=FieldChange.Item.RUNNER,
        field__in=("public_ips", "gone_at"),
        account__demo=False,
    )
    found = list(changes.order_by("pk"))
    rows = Runner.objects.select_related("account")
    runners = rows.in_bulk({change.item_pk for change in found})
    for change in found:
        if runner := runners.get(change.item_pk):
            yield from _ranges(f"ranges:{change.pk}", runner, *_before_and_after(change, runner))

    earlier = Runner.objects.filter(
        account=OuterRef("account"), first_seen_at__lt=OuterRef("first_seen_at")
    )
    new = rows.filter(Exists(earlier), first_seen_at__gt=since, account__demo=False)
    for runner in new.exclude(public_ips=[]):
        yield from _ranges(f"ranges:new:{runner.pk}", runner, [], runner.public_ips)


def _before_and_after(change: FieldChange, runner: Runner) -> tuple[list[Any], list[Any]]:
    if change.field == "public_ips":
        return change.before or [], change.after or []
    return (runner.public_ips, []) if change.after else ([], runner.public_ips)


def _ranges(topic: str, runner: Runner, before: list[Any], after: list[Any]) -> Iterator[Fact]:
    then, now = set(networks_of(before)[0]), set(networks_of(after)[0])
    if then == now:
        return
    title = f"Static IP ranges of the runner {runner.name} of {runner.account} changed"
    added, removed = in_order(now - then), in_order(then - now)
    data = {"added": list(map(str, added)), "removed": list(map(str, removed))}
    yield _of_runner(K.RANGES_CHANGED, topic, title, runner, data=data)


def _of_runner(
    kind: str,
    topic: str,
    title: str,
    row: Runner,
    stage: str = "",
    data: Mapping[str, object] | None = None,
) -> Fact:
    path = reverse("runner", args=[row.pk])
    about = {"name": row.name, "size": row.size, "image": row.image_name, "status": row.status}
    return Fact(
        kind, topic, title, path, row.account_id, "runner", row.pk, stage, {**about, **(data or {})}
    )


def being_changed(now: datetime, facts: Iterable[Fact | Event]) -> set[str]:
    """The keys of facts about runners and operations of batches that are still being carried out.

    A person who changes a hundred runners is told once, at the end.
    """
    moving = Operation.objects.moving(now).exclude(batch=None)
    batches: set[UUID | None] = set(moving.order_by().values_list("batch", flat=True).distinct())
    if not batches:
        return set()

    of_batches = Operation.objects.filter(batch__in=batches, target=Operation.Target.RUNNER)
    of_runner = of_batches.filter(account=OuterRef("account"), target_id=OuterRef("github_id"))
    runners = set(Runner.objects.filter(Exists(of_runner)).values_list("pk", flat=True))
    operations = set(Operation.objects.filter(batch__in=batches).values_list("pk", flat=True))
    changing = {"runner": runners, "operation": operations}
    return {fact.key for fact in facts if fact.item_pk in changing.get(fact.item, ())}
