"""Readings: keep our tables like GitHub's, one resource of one account at a time.

`run_reading` fetches all pages, then publishes in one transaction; a failure leaves the last good
content standing, with its age and the reason.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F, Subquery
from django.utils import timezone

from runners_app.credentials.leases import Lease, LeaseLost
from runners_app.github import BadCredentials, GitHubClient, GitHubError, RateLimited
from runners_app.github import Limits as GitHubLimits
from runners_app.models import (
    Account,
    CachedResponse,
    Credential,
    Limits,
    Operation,
    Reading,
    ReadingRun,
)
from runners_app.readings.failures import Failure, failure_of
from runners_app.readings.fetcher import Fetched, Fetcher, IncompleteList
from runners_app.readings.publish import Counts, RowSet, publish_rows
from runners_app.readings.schedule import due_after, interval_of
from runners_app.security.secrets import SecretUnreadable

log = logging.getLogger(__name__)
R = Reading.Resource
Fetch = Callable[[Fetcher], None]


@dataclass(frozen=True)
class Ran:
    """What a run cost, for the totals of its reading."""

    seconds: float
    requests: int = 0
    not_modified: int = 0
    failures: int = 0


@dataclass(frozen=True)
class RunResult:
    """What one run cost and brought; `failure` says why it published nothing, `error` is what was
    raised.
    """

    reading: Reading
    counts: Counts
    requests: int
    not_modified: int
    seconds: float
    failure: Failure | None = None
    error: Exception | None = None

    @property
    def failure_message(self) -> str:
        return self.failure.message if self.failure else ""


def run_reading(
    reading: Reading,
    client: GitHubClient,
    lease: Lease,
    fetch: Fetch,
    between_pages: Callable[[], None] = lambda: None,
) -> RunResult:
    """Fetch one resource with `fetch`, its subject's function, and publish it.

    Failures are kept on the reading and answered; LeaseLost is raised.
    """
    clock = time.perf_counter()
    reading.last_started_at = timezone.now()
    if reading.last_good_at is None:  # somebody may be watching the first one
        Reading.objects.filter(pk=reading.pk).update(last_started_at=reading.last_started_at)
    try:
        fetcher = Fetcher(reading, client, between_pages)
        fetch(fetcher)
        fetched = fetcher.fetched
    except (BadCredentials, RateLimited) as error:
        try:
            return fail_reading(reading, error, lease, time.perf_counter() - clock)
        except LeaseLost:  # the credential must be left alone all the same
            raise error from None
    except (GitHubError, IncompleteList, SecretUnreadable) as error:
        return fail_reading(reading, error, lease, time.perf_counter() - clock)
    counts = _publish(reading, fetched, lease, time.perf_counter() - clock)
    return RunResult(
        reading, counts, fetched.requests, fetched.not_modified, time.perf_counter() - clock
    )


def _publish(reading: Reading, fetched: Fetched, lease: Lease, seconds: float) -> Counts:
    account = reading.account
    with transaction.atomic():
        credential = lease.check()
        # Pages as they were have rows as they were: a fresh write would have forgotten what they
        # are known by.
        news = fetched.row_sets if _differing(fetched.cached, fetched.responses) else []
        overtaken = any(_was_written_since(rows, fetched.begun) for rows in news)
        counts = Counts()
        for row_set in news:
            counts += publish_rows(row_set, account=account, begun=fetched.begun)
        if fetched.limits is not None:
            counts += _publish_limits(account, fetched.limits)
        for publish in fetched.others:
            counts += publish(fetched)
        _remember_answers(fetched.cached, {} if overtaken else fetched.responses)
        ran = Ran(seconds, fetched.requests, fetched.not_modified)
        recovered = _succeed(reading, credential, counts, ran)
        _note_run(
            reading,
            ReadingRun.Outcome.CHANGED if counts.any else ReadingRun.Outcome.UNCHANGED,
            requests=fetched.requests,
            not_modified=fetched.not_modified,
            counts=counts,
            seconds=seconds,
        )
        if counts.any or recovered:
            Account.objects.filter(pk=account.pk).raise_versions()
        if counts.any and reading.resource in Reading.FOLLOW_UP:
            Reading.objects.schedule_now(account, *Reading.FOLLOW_UP[reading.resource])
    return counts


def publish_fresh(
    row_set: RowSet,
    *,
    account: Account,
    lease: Lease,
    operation: Operation | None = None,
    resource: str,
) -> None:
    """Publish a single item from an answer to a write or a look at it, as of now.

    The pages that list it are forgotten, so that the next reading takes them as they are and not as
    unchanged.
    """
    with transaction.atomic():
        lease.check()
        counts = publish_rows(row_set, account=account, begun=timezone.now(), operation=operation)
        CachedResponse.objects.filter(reading__account=account, reading__resource=resource).delete()
        if counts.any:
            Reading.objects.filter(account=account, resource=resource).update(
                last_changed_at=timezone.now()
            )
            Account.objects.filter(pk=account.pk).raise_versions()


def _publish_limits(account: Account, limits: GitHubLimits) -> Counts:
    maximum, used = limits.maximum, limits.current_usage
    if maximum is None or used is None:
        return Counts()
    current = Limits.objects.current().filter(account=account)
    if current.filter(maximum=maximum, used=used).exists():
        return Counts()
    had = current.update(current=False)
    Limits.objects.create(account=account, maximum=maximum, used=used, observed_at=timezone.now())
    return Counts(changed=1) if had else Counts(added=1)


def _was_written_since(row_set: RowSet, begun: datetime) -> bool:
    return row_set.model._default_manager.filter(**row_set.scope, observed_at__gt=begun).exists()


def _remember_answers(known: dict[str, CachedResponse], answers: dict[str, CachedResponse]) -> None:
    """Keep what the pages are known by; nothing after a fresh write meanwhile, so that the next run
    takes them anew.

    `known` may have been forgotten meanwhile, by a fresh write: then an equal answer is not kept
    either.
    """
    if stale := [answer.pk for url, answer in known.items() if url not in answers]:
        CachedResponse.objects.filter(pk__in=stale).delete()
    if differing := _differing(known, answers):
        CachedResponse.objects.bulk_create(
            differing,
            update_conflicts=True,
            unique_fields=["credential", "url"],
            update_fields=["reading", "etag", "body_sha256", "next_url", "total_count", "ids"],
        )


def _differing(
    known: dict[str, CachedResponse], answers: dict[str, CachedResponse]
) -> list[CachedResponse]:
    return [
        answer
        for url, answer in answers.items()
        if url not in known or _fingerprint(known[url]) != _fingerprint(answer)
    ]


def _fingerprint(answer: CachedResponse) -> tuple[int, str, str, str]:
    return (answer.credential_id, answer.etag, answer.body_sha256, answer.next_url)


def _succeed(reading: Reading, credential: Credential, counts: Counts, ran: Ran) -> bool:
    """Note the good run and plan the next; says whether pages show a difference because an error is
    over.
    """
    now = timezone.now()
    recovered = bool(reading.error) or reading.last_good_at is None
    stored = ["last_good_at", "interval_seconds", *ERROR_COLUMNS]
    reading.last_good_at = now
    if counts.any:
        reading.last_changed_at = now
        stored.append("last_changed_at")
    reading.error = reading.error_message = reading.error_help_url = ""
    reading.error_since, reading.failures = None, 0
    reading.interval_seconds = interval_of(reading, credential, now)
    _store(reading, stored, due_after(reading.interval_seconds, now), ran)
    return recovered


ERROR_COLUMNS = ("error", "error_message", "error_help_url", "error_since", "failures")


def _store(reading: Reading, columns: Iterable[str], due_at: datetime | None, ran: Ran) -> None:
    """Write some columns, and the next time unless somebody asked for another one while this run
    went on.
    """
    written = {
        **{name: getattr(reading, name) for name in columns},
        "last_started_at": reading.last_started_at,
        "last_seconds": ran.seconds,
        "requests_total": F("requests_total") + ran.requests,
        "not_modified_total": F("not_modified_total") + ran.not_modified,
        "failures_total": F("failures_total") + ran.failures,
    }
    row = Reading.objects.filter(pk=reading.pk)
    if not row.filter(due_at=reading.due_at).update(**written, due_at=due_at):
        row.update(**written)


def fail_reading(reading: Reading, error: Exception, lease: Lease, seconds: float) -> RunResult:
    """Keep the reason; the last good content stands."""
    failure = failure_of(error, reading)
    now = timezone.now()
    with transaction.atomic():
        lease.check()
        is_news = (reading.error, reading.error_message) != (failure.kind, failure.message)
        reading.error, reading.error_message, reading.error_help_url = (
            failure.kind,
            failure.message,
            failure.help_url,
        )
        reading.error_since = reading.error_since or now
        reading.failures = min(reading.failures + 1, 1000)
        due_at = None if failure.retry_in is None else now + failure.retry_in
        _store(reading, ERROR_COLUMNS, due_at, Ran(seconds, failures=1))
        _note_run(reading, ReadingRun.Outcome.FAILED, message=failure.message, seconds=seconds)
        if is_news and failure.kind != "rate_limit":
            Account.objects.filter(pk=reading.account.pk).raise_versions()
    return RunResult(reading, Counts(), 0, 0, seconds, failure, error)


def _note_run(
    reading: Reading,
    outcome: str,
    *,
    seconds: float,
    counts: Counts | None = None,
    requests: int = 0,
    not_modified: int = 0,
    message: str = "",
) -> None:
    now = timezone.now()
    counts = counts or Counts()
    last = ReadingRun.objects.filter(reading=reading).order_by("-pk").values("pk")[:1]
    same = ReadingRun.objects.filter(pk=Subquery(last), outcome=outcome, message=message)
    if outcome != ReadingRun.Outcome.CHANGED and same.update(
        last_at=now,
        runs=F("runs") + 1,
        requests=F("requests") + requests,
        not_modified=F("not_modified") + not_modified,
        seconds=seconds,
    ):
        return
    ReadingRun.objects.create(
        reading=reading,
        outcome=outcome,
        message=message,
        first_at=now,
        last_at=now,
        requests=requests,
        not_modified=not_modified,
        added=counts.added,
        changed=counts.changed,
        removed=counts.removed,
        seconds=seconds,
    )


def next_due(credential_id: int, now: datetime) -> Reading | None:
    """The reading to run now: runners of any account before slower resources."""
    due: Iterable[Reading] = (
        Reading.objects.due(now)
        .filter(account__credential_id=credential_id)
        .select_related("account")
        .order_by("order", "due_at")[:1]
    )
    return next(iter(due), None)
