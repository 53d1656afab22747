"""Reading jobs over REST: what webhooks lost, what stays open for long, and the weeks before
Trackside was connected.

Each run asks for a little and publishes it, so that all three can be stopped anywhere and go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from runners_app.credentials.credentials import app_client
from runners_app.github import Forbidden, GitHubClient, Invalid, NotFound, Page
from runners_app.github.webhooks import WebhookDelivery
from runners_app.github.workflow_runs import RawJob, WorkflowRun
from runners_app.jobs import store
from runners_app.jobs.hooks import address_of, secret_of
from runners_app.jobs.normalise import JobFacts, Phase, from_rest
from runners_app.jobs.store import Told
from runners_app.jobs.sums import hour_of
from runners_app.models import Account, Delivery, Hook, Job, JobRepository, JobsVersion, Repository
from runners_app.readings.fetcher import Fetched, Fetcher
from runners_app.readings.publish import Counts

OPEN_FOR, VERIFIED_FOR, MOST_OPEN = timedelta(minutes=30), timedelta(minutes=15), 50
LOG_KEPT, MOST_LOST, MOST_LOG_PAGES = timedelta(days=3), 20, 30
ASKED_TIMES = 10  # so many times LOST_DELIVERY_SECONDS a redelivery is waited for
HISTORY_SHARE, STOP_BELOW_PERCENT, USUAL_LIMIT = 0.2, 20, 5000
MOST_AT_ONCE, MOST_RUNS = 40, 1000  # few, because all that one run read is published at once
SILENT_FOR, POLL_EVERY, OVERLAP = timedelta(hours=1), timedelta(minutes=10), timedelta(hours=6)


def fetch_open_jobs(fetcher: Fetcher) -> None:
    """Ask about jobs open for more than half an hour, the oldest first. What GitHub no longer has
    is lost.
    """
    now = timezone.now()
    open_jobs = Job.objects.open().filter(
        Q(verified_at=None) | Q(verified_at__lt=now - VERIFIED_FOR),
        account=fetcher.account,
        created_at__lt=now - OPEN_FOR,
    )
    told, readable = list[Told](), dict[str, bool]()
    for job in open_jobs.select_related("repository").order_by("created_at")[:MOST_OPEN]:
        name = job.repository.name
        try:
            answer = fetcher.client.get_workflow_job(name, job.github_id)
            facts = from_rest(answer.data, now)
        except NotFound:
            if not _is_readable(fetcher, name, readable):
                continue  # the credential may not see the repository: the job stays unverified
            facts = JobFacts(id=job.github_id, phase=Phase(job.phase), lost=True)
        except ValueError:
            continue  # no name a path can carry, or an answer about no job
        finally:
            fetcher.fetched.requests += 1
        told.append(Told(facts, job.repository.github_id, name, now, by_rest=True))
        fetcher.between_pages()
    _publish(fetcher, told)


def _is_readable(fetcher: Fetcher, repository: str, known: dict[str, bool]) -> bool:
    """Whether the credential may see workflow runs of a repository; asked once in a reading."""
    if repository not in known:
        fetcher.fetched.requests += 1
        try:
            next(fetcher.client.list_workflow_runs(repository, per_page=1))
            known[repository] = True
        except NotFound:
            known[repository] = False
    return known[repository]


def fetch_lost_deliveries(fetcher: Fetcher) -> None:
    """Find deliveries that never arrived in the hook's log, and have GitHub deliver them again.

    What still has not come ten minutes later is read from the log, body included: so a hook may
    point at an address that never answers.
    """
    hook = Hook.objects.select_related("account").filter(account=fetcher.account).first()
    if hook is not None:
        try:
            if not _is_there(fetcher, hook):
                return
        except (Forbidden, NotFound, Invalid) as error:
            Hook.objects.filter(pk=hook.pk).update(error=str(error))
            return
        _repair(fetcher, hook, _OrganizationLog(fetcher, hook))
    elif (hook := _hook_of_app(fetcher.account)) is not None and hook.app is not None:
        client = app_client(hook.app)
        client.before_request = fetcher.client.before_request
        with closing(client):
            _repair(fetcher, hook, _AppLog(client))


def _hook_of_app(account: Account) -> Hook | None:
    """The hook of the App that an account is connected by; one account repairs for all of them."""
    app = account.credential.app_id
    hook = Hook.objects.select_related("app").filter(app=app, wanted=True).first() if app else None
    first = Account.objects.filter(credential__app=app, paused=False).order_by("pk").first()
    return hook if first == account else None


class _Log(Protocol):
    """A hook's log of deliveries at GitHub."""

    def pages(self) -> Iterator[Page[WebhookDelivery]]: ...
    def one(self, delivery: int) -> WebhookDelivery: ...
    def redeliver(self, delivery: int) -> None: ...


@dataclass(frozen=True)
class _OrganizationLog:
    fetcher: Fetcher
    hook: Hook

    def pages(self) -> Iterator[Page[WebhookDelivery]]:
        client, owner = self.fetcher.client, self.fetcher.owner
        return client.list_organization_hook_deliveries(owner, self.hook.github_id or 0)

    def one(self, delivery: int) -> WebhookDelivery:
        client, owner = self.fetcher.client, self.fetcher.owner
        hook = self.hook.github_id or 0
        return client.get_organization_hook_delivery(owner, hook, delivery).data

    def redeliver(self, delivery: int) -> None:
        client, owner = self.fetcher.client, self.fetcher.owner
        client.redeliver_organization_hook_delivery(owner, self.hook.github_id or 0, delivery)


@dataclass(frozen=True)
class _AppLog:
    client: GitHubClient

    def pages(self) -> Iterator[Page[WebhookDelivery]]:
        return self.client.list_app_hook_deliveries()

    def one(self, delivery: int) -> WebhookDelivery:
        return self.client.get_app_hook_delivery(delivery).data

    def redeliver(self, delivery: int) -> None:
        self.client.redeliver_app_hook_delivery(delivery)


def _repair(fetcher: Fetcher, hook: Hook, deliveries: _Log) -> None:
    missing = _missing(fetcher, hook, deliveries)
    known = Delivery.objects.filter(hook=hook, guid__in=missing)
    asked = dict(known.filter(outcome=Delivery.Outcome.ASKED).values_list("guid", "received_at"))
    here = set(known.values_list("guid", flat=True)) - set(asked)
    now, repaired = timezone.now(), 0
    for guid, delivery in missing.items():
        if guid in here or repaired >= MOST_LOST:
            continue
        repaired += 1
        if guid not in asked:
            _ask_again(fetcher, hook, deliveries, delivery, now)
        elif (now - asked[guid]).total_seconds() > ASKED_TIMES * settings.LOST_DELIVERY_SECONDS:
            _read_from_log(fetcher, hook, deliveries, delivery)
        fetcher.between_pages()


def _is_there(fetcher: Fetcher, hook: Hook) -> bool:
    """Whether GitHub has the hook; made now if somebody wanted that. One of another address is
    moved.
    """
    address = address_of(hook)
    if hook.github_id is not None:
        fetcher.fetched.requests += 1
        try:
            at_github = fetcher.client.get_organization_hook(fetcher.owner, hook.github_id).data
        except NotFound:  # somebody deleted it
            Hook.objects.filter(pk=hook.pk).update(github_id=None)
            hook.github_id = None
        else:
            if hook.wanted and address and at_github.url != address:
                fetcher.fetched.requests += 1
                fetcher.client.update_organization_hook_config(
                    fetcher.owner, hook.github_id, address, secret_of(hook)
                )
            return True
    if _find_hook(fetcher, hook):
        return True
    if not hook.wanted or not address:
        return False
    fetcher.fetched.requests += 1
    made = fetcher.client.create_organization_hook(fetcher.owner, address, secret_of(hook)).data
    Hook.objects.filter(pk=hook.pk).update(github_id=made.id, error="")
    hook.github_id = made.id
    return True


def _find_hook(fetcher: Fetcher, hook: Hook) -> bool:
    """The hook somebody pasted the address of into GitHub's page."""
    for page in fetcher.client.list_organization_hooks(fetcher.owner):
        fetcher.note(page)
        for row in page.items or ():
            if row.url.endswith(hook.path):
                Hook.objects.filter(pk=hook.pk).update(github_id=row.id)
                hook.github_id = row.id
                return True
    return False


def _missing(fetcher: Fetcher, hook: Hook, deliveries: _Log) -> dict[str, WebhookDelivery]:
    """By GUID, the newest attempt of job events of the last three days that no row tells of."""
    attempts: dict[str, WebhookDelivery] = {}
    now = timezone.now()
    for number, page in enumerate(deliveries.pages()):
        fetcher.note(page)
        items = page.items or ()
        for delivery in items:
            if delivery.event == "workflow_job" and delivery.delivered_at:
                attempts.setdefault(delivery.guid, delivery)
        fetcher.between_pages()
        oldest = min((d.delivered_at for d in items if d.delivered_at), default=now)
        if oldest < now - LOG_KEPT or number + 1 >= MOST_LOG_PAGES:
            break
    # What was sent a moment ago may be about to arrive.
    latest = now - timedelta(seconds=settings.LOST_DELIVERY_SECONDS)
    old = {guid: d for guid, d in attempts.items() if d.delivered_at and d.delivered_at <= latest}
    rows = Delivery.objects.filter(hook=hook, guid__in=old).exclude(outcome="asked")
    arrived = set(rows.values_list("guid", flat=True))
    return {guid: delivery for guid, delivery in old.items() if guid not in arrived}


def _ask_again(
    fetcher: Fetcher, hook: Hook, deliveries: _Log, delivery: WebhookDelivery, now: datetime
) -> None:
    """The row is written first: what arrives then counts as repaired, not as received when it
    happened.
    """
    Delivery.objects.get_or_create(
        hook=hook,
        guid=delivery.guid,
        defaults={
            "event": delivery.event,
            "outcome": Delivery.Outcome.ASKED,
            "received_at": now,
            "live": False,
        },
    )
    fetcher.fetched.requests += 1
    deliveries.redeliver(delivery.id)


def _read_from_log(
    fetcher: Fetcher, hook: Hook, deliveries: _Log, delivery: WebhookDelivery
) -> None:
    fetcher.fetched.requests += 1
    read = deliveries.one(delivery.id)
    body = json.dumps(read.payload or {}).encode()
    asked = Delivery.objects.filter(hook=hook, guid=delivery.guid, outcome=Delivery.Outcome.ASKED)
    asked.update(outcome=Delivery.Outcome.STORED, body=body, live=False)


def fetch_history(fetcher: Fetcher) -> None:
    """Read runs and jobs over REST: those of before, newest first; and new ones while no webhook
    tells of them.

    Spends at most a fifth of the hourly budget, and nothing of the last fifth.
    """
    now = timezone.now()
    version, _ = JobsVersion.objects.get_or_create(account=fetcher.account)
    allowed = min(MOST_AT_ONCE, _allowance(fetcher, version, now))
    _add_repositories(fetcher, now)
    before = fetcher.fetched.requests
    for repository, since, until in _windows(fetcher, version, now):
        if fetcher.fetched.requests - before >= allowed:
            break
        told, reached = _read_window(fetcher, repository, since, until, before + allowed)
        since = since if reached is None else reached
        _publish(fetcher, told, (repository.pk, since, until))
    spent = fetcher.fetched.requests - before
    row = JobsVersion.objects.filter(pk=version.pk)
    if version.history_hour == hour_of(now):
        row.update(history_requests=F("history_requests") + spent)
    else:
        row.update(history_hour=hour_of(now), history_requests=spent)


def _allowance(fetcher: Fetcher, version: JobsVersion, now: datetime) -> int:
    """How many requests may still be spent on history in this hour."""
    credential = fetcher.account.credential
    left = credential.budget_left(now)
    if left is not None and left < STOP_BELOW_PERCENT:
        return 0
    spent = version.history_requests if version.history_hour == hour_of(now) else 0
    share = int((credential.rate_limit or USUAL_LIMIT) * HISTORY_SHARE)
    sharing = credential.accounts.filter(paused=False).count() or 1
    return max(0, share // sharing - spent)


def _add_repositories(fetcher: Fetcher, now: datetime) -> None:
    """Every repository the credential may list is looked at once."""
    known = JobRepository.objects.filter(account=fetcher.account).values("github_id")
    new = Repository.objects.present().filter(account=fetcher.account, archived=False)
    rows = [
        JobRepository(
            account=fetcher.account,
            github_id=row.github_id,
            name=f"{fetcher.account.slug}/{row.name}",
            named_at=now,
        )
        for row in new.exclude(github_id__in=known)
    ]
    JobRepository.objects.bulk_create(rows, ignore_conflicts=True)


def _windows(
    fetcher: Fetcher, version: JobsVersion, now: datetime
) -> Iterator[tuple[JobRepository, datetime, datetime]]:
    """What is to be read next: new runs if no webhook tells of them, then old ones, the newest
    first.
    """
    oldest = now - timedelta(days=settings.JOBS_BACKFILL_DAYS)
    repositories = JobRepository.objects.filter(account=fetcher.account)
    hook = Hook.objects.filter(
        Q(account=fetcher.account) | Q(app__credential__accounts=fetcher.account)
    )
    is_silent = not hook.filter(last_event_at__gt=now - SILENT_FOR).exists()
    if is_silent:
        for row in repositories.filter(read_until__lt=now - POLL_EVERY).order_by("read_until"):
            yield row, max(oldest, (row.read_until or now) - OVERLAP), now
    unread = repositories.filter(Q(backfilled_to=None) | Q(backfilled_to__gt=oldest))
    for row in unread.order_by(F("backfilled_to").desc(nulls_first=True), "pk"):
        yield row, oldest, row.backfilled_to or now


def _read_window(
    fetcher: Fetcher, repository: JobRepository, since: datetime, until: datetime, most: int
) -> tuple[list[Told], datetime | None]:
    """The jobs of runs created in [since, until), newest first; and how far it came, if not to the
    end.
    """
    told, last = list[Told](), until
    created = f"{since:%Y-%m-%dT%H:%M:%SZ}..{until:%Y-%m-%dT%H:%M:%SZ}"
    try:
        seen = 0
        for page in fetcher.client.list_workflow_runs(repository.name, created=created):
            fetcher.note(page)
            for run in page.items or ():
                seen += 1
                told += _jobs_of_run(fetcher, repository, run)
                last = run.created_at or last
                fetcher.between_pages()
                if fetcher.fetched.requests >= most:
                    return told, last
        # GitHub gives no more than 1,000 of a search; the rest is asked for from there on.
        return told, last if seen >= MOST_RUNS else None
    except (NotFound, ValueError):  # not for this credential to see, or no name a path can carry
        return told, None


def _jobs_of_run(fetcher: Fetcher, repository: JobRepository, run: WorkflowRun) -> list[Told]:
    now, jobs = timezone.now(), list[RawJob]()
    for page in fetcher.client.list_workflow_run_jobs(repository.name, run.id):
        fetcher.note(page)
        jobs += page.items or ()
    began = {run.run_attempt: run.run_started_at}
    told = []
    for job in jobs:
        attempt = job.get("run_attempt")
        if isinstance(attempt, int) and 1 < attempt < run.run_attempt and attempt not in began:
            fetcher.fetched.requests += 1
            read = fetcher.client.get_workflow_run_attempt(repository.name, run.id, attempt)
            began[attempt] = read.data.run_started_at
        started_at = began.get(attempt) if isinstance(attempt, int) else None
        try:
            facts = from_rest(job, now, started_at)
        except ValueError:
            continue
        told.append(Told(facts, repository.github_id, repository.name, now, by_rest=True))
    return told


def _publish(
    fetcher: Fetcher, told: list[Told], covered: tuple[int, datetime, datetime] | None = None
) -> None:
    """Have facts merged in the transaction that publishes the reading, and note which time is
    read.
    """
    account = fetcher.account

    def publish(_: Fetched) -> Counts:
        # Jobs have a version of their own: nothing other pages show has changed.
        if told:
            store.apply(account, told)
        if covered:
            pk, since, until = covered
            row = JobRepository.objects.get(pk=pk)
            row.backfilled_to = min(row.backfilled_to or since, since)
            row.read_until = max(row.read_until or until, until)
            row.save(update_fields=["backfilled_to", "read_until"])
        return Counts()

    fetcher.fetched.others.append(publish)
