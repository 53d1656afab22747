"""Facts about jobs: who waits too long, and whether Trackside would know.

Notices of waiting are off until a manager sets the SLO of a pool and asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, Min, OuterRef, Q
from django.urls import reverse

from runners_app.jobs.attribution import STANDARD_GROUP
from runners_app.jobs.normalise import Phase
from runners_app.models import Event, Hook, Job, PoolSlo
from runners_app.notices.fact import Fact

K = Event.Kind
# Both windows must be over: the long one ignores a bad minute, the short one ends with the trouble.
BURN_WINDOWS = ((timedelta(hours=1), 5), (timedelta(hours=6), 20))  # and jobs it needs at least
OVER_SHARE = 0.05
KNOWN_SHARE, KNOWN_WITHIN, KNOWN_JOBS = 0.98, timedelta(days=7), 50
SILENT_FOR = timedelta(hours=1)
ASKED_FOR = timedelta(minutes=10)


def slos_not_kept(now: datetime) -> Iterator[Fact]:
    """Facts about the pools whose SLO somebody set with notices."""
    rows = PoolSlo.objects.filter(notices=True, pool__gone_at=None, pool__account__demo=False)
    watched = list(rows.select_related("pool__account").order_by("pk"))
    if watched:
        yield from _waiting_too_long(watched, now)
        yield from _missed(watched, now)


def _waiting_too_long(watched: list[PoolSlo], now: datetime) -> Iterator[Fact]:
    """One fact per pool whose oldest waiting job is over the SLO."""
    wanting = Job.objects.open().filter(
        pool__slo__notices=True, started_at=None, phase__gte=Phase.QUEUED
    )
    oldest = dict(wanting.values_list("pool").annotate(Min("queued_at")))
    for slo in watched:
        since = oldest.get(slo.pool_id)
        if since is not None and now - since >= timedelta(seconds=slo.seconds):
            title = (
                f"A job has waited for {slo.pool.name} of {slo.pool.account}"
                f" for more than {slo.seconds} s"
            )
            yield _of_pool(K.JOB_WAITS, f"job-waits:{slo.pool_id}", title, slo, "insight")


def _missed(watched: list[PoolSlo], now: datetime) -> Iterator[Fact]:
    """One fact per pool for which too many jobs waited too long, in each of the windows."""
    counts = {}
    for window, _ in BURN_WINDOWS:
        jobs = Job.objects.real().filter(pool__slo__notices=True, started_at__gte=now - window)
        late_ones = Q(queue_seconds__gt=F("pool__slo__seconds"))
        counted = jobs.values_list("pool").annotate(
            number=Count("pk"), late=Count("pk", filter=late_ones)
        )
        for pool, number, late in counted:
            counts[pool, window] = (number, late)
    for slo in watched:
        found = [counts.get((slo.pool_id, window), (0, 0)) for window, _ in BURN_WINDOWS]
        if all(
            number >= least and late > OVER_SHARE * number
            for (number, late), (_, least) in zip(found, BURN_WINDOWS, strict=True)
        ):
            number, late = found[0]
            title = (
                f"{late} of {number} jobs waited for {slo.pool.name} of {slo.pool.account} for more"
                f" than {slo.seconds} s in the last hour"
            )
            yield _of_pool(K.SLO_MISSED, f"slo-missed:{slo.pool_id}", title, slo, "insight-waits")


def hooks_silent(now: datetime) -> Iterator[Fact]:
    """One fact per account whose hook told of nothing for an hour, although jobs ran since."""
    rows = Hook.objects.filter(
        account__demo=False, account__paused=False, last_event_at__lte=now - SILENT_FOR
    )
    untold = Job.objects.real().filter(
        account=OuterRef("account"),
        created_at__gt=OuterRef("last_event_at"),
        created_at__lte=now - SILENT_FOR,
    )
    for hook in rows.filter(Exists(untold)).select_related("account"):
        account = hook.account
        yield Fact(
            K.JOB_EVENTS_SILENT,
            f"hook-silent:{hook.pk}",
            f"No job event of {account} arrived for an hour, although jobs ran",
            reverse("job-events", args=[hook.account_id]),
            hook.account_id or 0,
        )


def pools_unknown(now: datetime) -> Iterator[Fact]:
    """One fact per account with webhooks in which the pool of too many jobs is not known."""
    told = Q(account__job_hook__last_event_at__isnull=False)
    told |= Q(account__credential__app__job_hook__last_event_at__isnull=False)
    jobs = Job.objects.real().on_larger()
    jobs = jobs.filter(told, account__demo=False, started_at__gte=now - KNOWN_WITHIN)
    counted = jobs.values_list("account", "account__slug").annotate(
        number=Count("pk"), unknown=Count("pk", filter=Q(pool=None))
    )
    for pk, slug, number, unknown in counted:
        if number >= KNOWN_JOBS and number - unknown < KNOWN_SHARE * number:
            title = f"The runner of {unknown} of {number} jobs of {slug} is not known"
            yield Fact(K.JOB_COVERAGE, f"job-coverage:{pk}", title, reverse("insight-coverage"), pk)


def labels_without_pool(now: datetime) -> Iterator[Fact]:
    """One fact per account and label that waiting jobs ask for and no runner has."""
    jobs = Job.objects.open().on_larger()
    jobs = jobs.filter(
        account__demo=False,
        pool=None,
        started_at=None,
        phase__gte=Phase.QUEUED,
        queued_at__lte=now - ASKED_FOR,
    )
    asked = {
        (job.account_id, job.account.slug, ", ".join(job.labels))
        for job in jobs.select_related("account")
        if job.labels and job.group_name.casefold() != STANDARD_GROUP
    }
    for pk, slug, labels in sorted(asked):
        topic = f"label:{pk}:{labels}"[:200]
        title = f"Jobs of {slug} wait for {labels}, a label that no runner has"
        yield Fact(K.LABEL_WITHOUT_POOL, topic, title, reverse("insight"), pk)


def _of_pool(kind: str, topic: str, title: str, slo: PoolSlo, page: str) -> Fact:
    path = f"{reverse(page)}?pool={slo.pool_id}"
    return Fact(kind, topic, title, path, slo.pool.account_id, "runner", slo.pool_id)
