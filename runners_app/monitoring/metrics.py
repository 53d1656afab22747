"""The metrics of `/metrics`, counted in the database at each request, in a fixed number of queries.

Labels are names of accounts, GitHub's words and our own. Values GitHub could invent without limit,
such as statuses and sizes, are folded into "other".
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from celery import current_app
from django.db.models import Count, Min, Q
from django.utils import timezone
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboard.broker import waiting_messages
from runners_app.jobs.normalise import Phase
from runners_app.models import (
    Credential,
    Delivery,
    Event,
    Job,
    Limits,
    Operation,
    Reading,
    Runner,
)
from runners_app.models.clock import skew
from runners_app.notices.facts import find_facts
from runners_app.web.incidents import current_incidents

OTHER = "other"
MOST_WORDS = 30
# Kind and server tell accounts with the same slug apart.
ACCOUNT = ("account", "kind", "api_url")
COLUMNS = ("account__slug", "account__kind", "account__api_url")

PAGE_SECONDS = Histogram(
    "trackside_page_seconds",
    "Time from request to response.",
    ["page", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=None,
)


class Database(Collector):
    """All metrics that are read from the database and the broker."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        yield _runners()
        yield from _static_ips()
        yield from _readings(now)
        yield from _budgets(now)
        yield _operations()
        yield _needs_attention(now)
        waiting = GaugeMetricFamily(
            "trackside_credentials_waiting", "Credentials with work that no worker has taken."
        )
        waiting.add_metric([], len(Credential.objects.due(now)))
        yield waiting
        yield from _jobs(now)
        yield _deliveries()
        yield _incidents()
        yield _clock_skew()
        yield from _queue()


def _incidents() -> Metric:
    metric = GaugeMetricFamily(
        "trackside_github_incidents", "Open incidents at GitHub.", labels=("component",)
    )
    counts = Counter(
        component for incident in current_incidents() for component in incident.components
    )
    for component in ("Actions", "API Requests", "Webhooks"):
        metric.add_metric((component,), counts[component])
    return metric


def _clock_skew() -> Metric:
    metric = GaugeMetricFamily(
        "trackside_clock_skew_seconds", "The database's clock minus this host's."
    )
    metric.add_metric([], skew().total_seconds())
    return metric


def registry_of_database() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Database())
    return registry


def _runners() -> Metric:
    names = (*ACCOUNT, "status", "platform", "size")
    metric = GaugeMetricFamily(
        "trackside_runners", "GitHub-hosted runners that GitHub lists.", labels=names
    )
    rows = Runner.objects.present().order_by().values_list(*COLUMNS, "status", "platform", "size")
    counts = list(rows.annotate(count=Count("pk")))
    kept = [_most_used((row[column], row[-1]) for row in counts) for column in (3, 4, 5)]
    folded: Counter[tuple[str, ...]] = Counter()
    for *account, status, platform, size, count in counts:
        labels = list(account)
        for word, common in zip((status, platform, size), kept, strict=True):
            labels.append(word if word in common else OTHER)
        folded[tuple(labels)] += count
    for values, count in folded.items():
        metric.add_metric(values, count)
    return metric


def _jobs(now: datetime) -> Iterator[Metric]:
    """Of the pool that runs or would run them; without a pool where none is known."""
    names = (*ACCOUNT, "pool")
    running = GaugeMetricFamily("trackside_jobs_running", "Jobs that run now.", labels=names)
    waiting = GaugeMetricFamily(
        "trackside_jobs_waiting", "Jobs that wait for a machine now.", labels=names
    )
    oldest = GaugeMetricFamily(
        "trackside_jobs_oldest_wait_seconds",
        "Seconds that the first of the waiting jobs has waited.",
        labels=names,
    )
    waits = Q(started_at=None, phase__gte=Phase.QUEUED)
    rows = Job.objects.open().real().on_larger().order_by().values_list(*COLUMNS, "pool__name")
    counted = rows.annotate(
        runs=Count("pk", filter=Q(started_at__isnull=False)),
        waits=Count("pk", filter=waits),
        since=Min("queued_at", filter=waits),
    )
    for *account, pool, runs, waiters, since in counted:
        labels = [*account, pool or ""]
        running.add_metric(labels, runs)
        waiting.add_metric(labels, waiters)
        oldest.add_metric(labels, max(0.0, (now - since).total_seconds()) if since else 0.0)
    yield running
    yield waiting
    yield oldest


def _deliveries() -> Metric:
    """Of the days that deliveries are remembered. A GitHub App's hook serves many organizations."""
    metric = GaugeMetricFamily(
        "trackside_job_deliveries",
        "Webhook deliveries of the last days: received, failed at first, and repaired since.",
        labels=("account", "app", "outcome"),
    )
    rows = Delivery.objects.order_by().values_list("hook__account__slug", "hook__app__slug")
    is_failed, is_repaired = Q(outcome=Delivery.Outcome.ASKED), Q(live=False)
    counted = rows.annotate(
        received=Count("pk", filter=~is_failed),
        failed=Count("pk", filter=is_failed | is_repaired),
        repaired=Count("pk", filter=is_repaired & ~is_failed),
    )
    for account, app, received, failed, repaired in counted:
        labels = (account or "", app or "")
        metric.add_metric((*labels, "received"), received)
        metric.add_metric((*labels, "failed"), failed)
        metric.add_metric((*labels, "repaired"), repaired)
    return metric


def _most_used(counted: Iterable[tuple[str, int]]) -> set[str]:
    totals: Counter[str] = Counter()
    for word, count in counted:
        totals[word] += count
    return {word for word, _ in totals.most_common(MOST_WORDS)}


def _static_ips() -> Iterator[Metric]:
    used = GaugeMetricFamily(
        "trackside_static_ips_used", "Runners with static IPs.", labels=ACCOUNT
    )
    maximum = GaugeMetricFamily(
        "trackside_static_ips_maximum", "Runners that may have static IPs.", labels=ACCOUNT
    )
    rows = Limits.objects.current().values_list(*COLUMNS, "used", "maximum")
    for *account, used_now, allowed in rows:
        used.add_metric(account, used_now)
        maximum.add_metric(account, allowed)
    yield used
    yield maximum


def _readings(now: datetime) -> Iterator[Metric]:
    names = (*ACCOUNT, "resource")
    age = GaugeMetricFamily(
        "trackside_reading_age_seconds", "Seconds since the last successful reading.", labels=names
    )
    duration = GaugeMetricFamily(
        "trackside_reading_seconds", "Duration of the last reading.", labels=names
    )
    failing = GaugeMetricFamily(
        "trackside_reading_failing", "1 while the reading fails.", labels=(*names, "error")
    )
    requests = CounterMetricFamily(
        "trackside_reading_requests", "Requests to GitHub.", labels=names
    )
    free = CounterMetricFamily(
        "trackside_reading_not_modified", "Requests that cost no budget.", labels=names
    )
    errors = CounterMetricFamily("trackside_reading_errors", "Readings that failed.", labels=names)
    for reading in Reading.objects.select_related("account").only(
        *COLUMNS, "resource", "last_good_at", "error", "last_seconds", *COUNTED
    ):
        account = reading.account
        labels = (account.slug, account.kind, account.api_url, reading.resource)
        if reading.last_good_at:
            age.add_metric(labels, (now - reading.last_good_at).total_seconds())
        if reading.last_seconds is not None:
            duration.add_metric(labels, reading.last_seconds)
        if reading.error:
            failing.add_metric((*labels, reading.error), 1)
        for metric, name in zip((requests, free, errors), COUNTED, strict=True):
            metric.add_metric(labels, getattr(reading, name))
    yield from (age, duration, failing, requests, free, errors)


COUNTED = ("requests_total", "not_modified_total", "failures_total")


def _budgets(now: datetime) -> Iterator[Metric]:
    names = ("credential", "kind")
    limit = GaugeMetricFamily(
        "trackside_rate_limit", "Requests per hour that GitHub allows.", labels=names
    )
    remaining = GaugeMetricFamily(
        "trackside_rate_remaining", "Requests left in this hour.", labels=names
    )
    paused = GaugeMetricFamily(
        "trackside_credential_paused", "1 while GitHub asks it to wait.", labels=names
    )
    disabled = GaugeMetricFamily(
        "trackside_credential_quarantined", "1 while it is disabled.", labels=names
    )
    for row in Credential.objects.all():
        labels = (str(row.pk), row.kind)
        if row.rate_limit is not None and row.rate_remaining is not None:
            is_full = row.rate_reset_at is not None and row.rate_reset_at <= now
            limit.add_metric(labels, row.rate_limit)
            remaining.add_metric(labels, row.rate_limit if is_full else row.rate_remaining)
        paused.add_metric(labels, row.paused_until is not None and row.paused_until > now)
        disabled.add_metric(labels, row.quarantined_at is not None)
    yield from (limit, remaining, paused, disabled)


def _operations() -> Metric:
    metric = GaugeMetricFamily(
        "trackside_operations", "Operations by state.", labels=("state", "kind")
    )
    counts = Operation.objects.order_by().values_list("state", "kind").annotate(count=Count("pk"))
    for state, kind, count in counts:
        metric.add_metric((state, kind), count)
    return metric


def _needs_attention(now: datetime) -> Metric:
    """By the rules of notices, which leave demo accounts out; a kind without problems counts 0."""
    metric = GaugeMetricFamily(
        "trackside_needs_attention", "Things that need a person.", labels=("kind",)
    )
    counts = Counter(fact.kind for fact in find_facts(now))
    for kind in Event.Kind:
        if kind not in Event.MOMENTARY:
            metric.add_metric((kind.value,), counts[kind])
    return metric


def _queue() -> Iterator[Metric]:
    """No metric while the broker is down (see `/readyz`). A queue not yet declared is 0."""
    depth = GaugeMetricFamily("trackside_queue_depth", "Wake-ups that no worker has taken.")
    try:
        depth.add_metric([], waiting_messages(current_app))
    except Exception:  # noqa: BLE001 - each transport raises its own kinds of errors
        return
    yield depth
