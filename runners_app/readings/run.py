"""Running a reading: fetch all pages of a resource, then publish them in one transaction.

A failed reading leaves the last good content in place, with its age and the reason.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Subquery

from runners_app.credentials.leases import Lease, LeaseLost
from runners_app.github import BadCredentials, GitHubClient, GitHubError, NotFound, RateLimited
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
from runners_app.models.clock import database_now
from runners_app.readings.failures import Failure, failure_of
from runners_app.readings.fetcher import Fetched, Fetcher, IncompleteList
from runners_app.readings.identity import (
    IdentityChanged,
    Renamed,
    check_enterprise,
    check_organization,
    follow_rename,
)
from runners_app.readings.publish import Counts, RowSet, publish_rows
from runners_app.readings.schedule import due_after, interval_of
from runners_app.security.secrets import SecretUnreadable

FAILURES = (GitHubError, IncompleteList, SecretUnreadable, IdentityChanged, Renamed)
Fetch = Callable[[Fetcher], None]


@dataclass(frozen=True)
class RunResult:
    """Cost and result of one run.

    `failure` says why nothing was published, and `error` is the exception behind it.
    """

    reading: Reading
    counts: Counts
    seconds: float
    requests: int = 0
    not_modified: int = 0
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
    *,
    unconditional: bool = False,
) -> RunResult:
    """Fetch one resource with `fetch`, the function of its subject, and publish it.

    `unconditional` reads the pages without `If-None-Match`, where a list must prove something.
    Failures are stored on the reading and returned. Raises LeaseLost.
    """
    clock = time.perf_counter()
    reading.last_started_at = database_now()
    if reading.last_good_at is None:  # a person may be waiting for the first one
        Reading.objects.filter(pk=reading.pk).update(last_started_at=reading.last_started_at)

    fetcher = Fetcher(reading, client, between_pages, unconditional=unconditional)
    try:
        fetch(fetcher)
        if has_news(reading, fetcher.fetched):
            check_organization(reading.account, client)
            check_enterprise(reading.account, fetcher.fetched.row_sets, client)
    except NotFound as error:
        return _fail_not_found(reading, error, client, lease, clock)
    except (BadCredentials, RateLimited) as error:
        try:
            return fail_reading(reading, error, lease, time.perf_counter() - clock)
        except LeaseLost:  # the caller must stop using the credential all the same
            raise error from None
    except FAILURES as error:
        return fail_reading(reading, error, lease, time.perf_counter() - clock)
    return _publish(reading, fetcher.fetched, lease, clock)


def _fail_not_found(
    reading: Reading, error: NotFound, client: GitHubClient, lease: Lease, clock: float
) -> RunResult:
    """A 404 may mean that the organization was renamed: then follow it."""
    reason: Exception = error
    try:
        follow_rename(reading.account, client)
    except (BadCredentials, RateLimited, *FAILURES) as found_out:
        reason = found_out
    return fail_reading(reading, reason, lease, time.perf_counter() - clock)


def has_news(reading: Reading, fetched: Fetched) -> bool:
    """Whether the pages differ from those that were published last, or must prove something."""
    return bool(reading.missing_since or fetched.incomplete or _changed_responses(fetched))


def _publish(reading: Reading, fetched: Fetched, lease: Lease, clock: float) -> RunResult:
    """Publish what was fetched by a run that began at `clock`, and plan the next run."""
    account = reading.account
    with transaction.atomic():
        credential = lease.check()
        counts = _publish_content(reading, fetched)
        result = RunResult(
            reading,
            counts,
            time.perf_counter() - clock,
            fetched.requests,
            fetched.not_modified,
        )

        before = (reading.error, reading.error_message, reading.last_good_at is None)
        _store_success(result, credential, fetched.incomplete)
        _record_run(result)

        if counts.any or before != (reading.error, reading.error_message, False):
            Account.objects.filter(pk=account.pk).raise_versions()
        if counts.any and reading.resource in Reading.FOLLOW_UP:
            Reading.objects.schedule_now(account, *Reading.FOLLOW_UP[reading.resource])
    return result


def _publish_content(reading: Reading, fetched: Fetched) -> Counts:
    # Pages that were not modified have rows that were not: writing a row in another way deletes
    # the cached responses. Missing rows, and lists that do not add up, are the exceptions.
    account = reading.account
    row_sets = fetched.row_sets if has_news(reading, fetched) else []
    # Checked first, because publishing sets `observed_at` itself.
    is_outdated = any(_was_written_since(rows, fetched.begun) for rows in row_sets)

    counts = Counts()
    for rows in row_sets:
        counts += publish_rows(rows, account=account, begun=fetched.begun)
    if fetched.limits is not None:
        counts += _publish_limits(account, fetched.limits)
    for publish in fetched.others:
        counts += publish(fetched)

    if is_outdated:  # the next run must not take these pages for unchanged
        fetched.responses.clear()
    _store_responses(fetched)
    return counts


def publish_fresh(
    row_set: RowSet,
    *,
    account: Account,
    lease: Lease,
    operation: Operation | None = None,
    resource: str,
) -> None:
    """Publish the items of an answer to a write, or to a direct GET, as of now. Raises LeaseLost.

    Cached responses of the resource are deleted, so that the next reading does not take pages that
    show an older state for unchanged.
    """
    with transaction.atomic():
        lease.check()
        counts = publish_rows(row_set, account=account, begun=database_now(), operation=operation)
        CachedResponse.objects.filter(reading__account=account, reading__resource=resource).delete()
        if counts.any:
            Reading.objects.filter(account=account, resource=resource).update(
                last_changed_at=database_now()
            )
            Account.objects.filter(pk=account.pk).raise_versions()


def _publish_limits(account: Account, limits: GitHubLimits) -> Counts:
    maximum, used = limits.maximum, limits.current_usage
    if maximum is None or used is None:
        return Counts()
    current = Limits.objects.current().filter(account=account)
    if current.filter(maximum=maximum, used=used).exists():
        return Counts()
    had_limits = current.update(current=False)
    Limits.objects.create(account=account, maximum=maximum, used=used, observed_at=database_now())
    return Counts(changed=1) if had_limits else Counts(added=1)


def _was_written_since(row_set: RowSet, begun: datetime) -> bool:
    return row_set.model._default_manager.filter(**row_set.scope, observed_at__gt=begun).exists()


def _store_responses(fetched: Fetched) -> None:
    """Replace the cached responses of the reading by those of this run.

    Equal ones are not written, even if a write has deleted them since the run began.
    """
    if old := [row.pk for url, row in fetched.cached.items() if url not in fetched.responses]:
        CachedResponse.objects.filter(pk__in=old).delete()
    if changed := _changed_responses(fetched):
        CachedResponse.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["credential", "url"],
            update_fields=["reading", "etag", "body_sha256", "next_url", "total_count", "ids"],
        )


def _changed_responses(fetched: Fetched) -> list[CachedResponse]:
    return [
        response
        for url, response in fetched.responses.items()
        if url not in fetched.cached or _fingerprint(fetched.cached[url]) != _fingerprint(response)
    ]


def _fingerprint(response: CachedResponse) -> tuple[int, str, str, str]:
    return (response.credential_id, response.etag, response.body_sha256, response.next_url)


def _store_success(result: RunResult, credential: Credential, incomplete: str) -> None:
    """Store a good run; `incomplete` says why a list was published although it never adds up."""
    reading, now = result.reading, database_now()
    values: dict[str, Any] = {"last_good_at": now, "missing_since": result.counts.missing_since}
    values |= {"error": "", "error_message": "", "error_help_url": ""}
    values |= {"error_since": None, "failures": 0}
    if incomplete:
        values |= {
            "error": "incomplete",
            "error_message": f"{incomplete} What came is shown, with all that was there before.",
            "error_since": reading.error_since or now,
            "failures": reading.failures,
        }
    if result.counts.any:
        reading.last_changed_at = values["last_changed_at"] = now
    seconds = values["interval_seconds"] = interval_of(reading, credential, now)
    due_at = due_after(seconds, now)
    if (since := result.counts.missing_since) is not None:
        due_at = min(due_at, since + timedelta(seconds=settings.ABSENCE_PROOF_SECONDS))
    _store(result, due_at, values)


def fail_reading(reading: Reading, error: Exception, lease: Lease, seconds: float) -> RunResult:
    """Store why a run failed, after `seconds`; the last good content stays. Raises LeaseLost."""
    now = database_now()
    failure = failure_of(error, reading)
    result = RunResult(reading, Counts(), seconds, failure=failure, error=error)
    with transaction.atomic():
        lease.check()
        is_news = (reading.error, reading.error_message) != (failure.kind, failure.message)
        values = {
            "error": failure.kind,
            "error_message": failure.message,
            "error_help_url": failure.help_url,
            "error_since": reading.error_since or now,
            "failures": min(reading.failures + 1, 1000),
        }
        _store(result, None if failure.retry_in is None else now + failure.retry_in, values)
        _record_run(result)
        if is_news and failure.kind != "rate_limit":
            Account.objects.filter(pk=reading.account.pk).raise_versions()
    return result


def _store(result: RunResult, due_at: datetime | None, values: dict[str, Any]) -> None:
    """Write these columns of the reading, and add the run to its totals.

    The next time is only written if no other time was requested while the run went on.
    """
    reading = result.reading
    for name, value in values.items():
        setattr(reading, name, value)
    row = Reading.objects.filter(pk=reading.pk)
    row.update(
        **values,
        last_started_at=reading.last_started_at,
        last_seconds=result.seconds,
        requests_total=F("requests_total") + result.requests,
        not_modified_total=F("not_modified_total") + result.not_modified,
        failures_total=F("failures_total") + (0 if result.failure is None else 1),
    )
    row.filter(due_at=reading.due_at).update(due_at=due_at)


def _record_run(result: RunResult) -> None:
    """Add a run, or count it on the row of the run before if nothing changed since."""
    now = database_now()
    outcome = ReadingRun.Outcome.UNCHANGED
    if result.failure is not None:
        outcome = ReadingRun.Outcome.FAILED
    elif result.counts.any:
        outcome = ReadingRun.Outcome.CHANGED

    if outcome != ReadingRun.Outcome.CHANGED:
        last = ReadingRun.objects.filter(reading=result.reading).order_by("-pk").values("pk")[:1]
        same = ReadingRun.objects.filter(
            pk=Subquery(last), outcome=outcome, message=result.failure_message
        )
        if same.update(
            last_at=now,
            runs=F("runs") + 1,
            requests=F("requests") + result.requests,
            not_modified=F("not_modified") + result.not_modified,
            seconds=result.seconds,
        ):
            return

    ReadingRun.objects.create(
        reading=result.reading,
        outcome=outcome,
        message=result.failure_message,
        first_at=now,
        last_at=now,
        requests=result.requests,
        not_modified=result.not_modified,
        added=result.counts.added,
        changed=result.counts.changed,
        removed=result.counts.removed,
        seconds=result.seconds,
    )


def next_due(credential_id: int, now: datetime) -> Reading | None:
    """The reading a worker should run now: fast resources of any account before slow ones."""
    due = Reading.objects.due(now).filter(account__credential_id=credential_id)
    return due.select_related("account").order_by("order", "due_at").first()
