"""Jobs, the deliveries that told of them, and their sums.

A job's columns are of two kinds: what GitHub and the clock said (the facts, merged in any order),
and what follows from it (pool, group, times). Only `jobs.store` writes either.
"""

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q

from runners_app.models.accounts import Account, web_origin
from runners_app.models.credentials import App
from runners_app.models.runners import Runner
from runners_app.models.visibility import jobs_visible_to, within_token

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Hook(models.Model):
    """An inbox for webhooks: of one account, or of a GitHub App for all its installations.

    `uid` is its address, the sealed secret what GitHub signs with. `github_id` is set where
    Trackside made the hook.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.OneToOneField(
        Account, null=True, on_delete=models.CASCADE, related_name="job_hook"
    )
    app = models.OneToOneField(App, null=True, on_delete=models.CASCADE, related_name="job_hook")
    sealed_secret = models.TextField()
    github_id = models.BigIntegerField(null=True, help_text="GitHub's id of the hook.")
    wanted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Trackside is to make the hook at GitHub by itself.",
    )
    made_at = models.DateTimeField(auto_now_add=True)
    last_ping_at = models.DateTimeField(null=True)
    last_event_at = models.DateTimeField(null=True)
    first_job_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, db_default="", help_text="Why GitHub could not be asked.")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(account=None) ^ Q(app=None), name="hook_of_account_or_app"
            ),
        )

    def __str__(self) -> str:
        return f"job events of {self.account or self.app}"

    @property
    def path(self) -> str:
        return f"/hooks/github/{self.uid}/"

    @property
    def api_url(self) -> str:
        owner = self.account or self.app
        return owner.api_url if owner else ""


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> Self:
        """Stored, and not yet turned into a job."""
        return self.filter(outcome=Delivery.Outcome.STORED)


class Delivery(models.Model):
    """One webhook delivery. The body goes once it is normalised; the row stays as proof that it
    came.
    """

    class Outcome(models.TextChoices):
        STORED = "stored"
        NORMALISED = "normalised"
        IGNORED = "ignored"  # another event, or another organization's
        UNREADABLE = "unreadable"
        ASKED = "asked"  # known from GitHub's log to have failed; a redelivery was asked for

    hook = models.ForeignKey(
        Hook, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    guid = models.CharField(max_length=64, help_text="X-GitHub-Delivery: kept on redelivery.")
    event = models.CharField(max_length=60)
    outcome = models.CharField(max_length=12, choices=Outcome)
    received_at = models.DateTimeField()
    live = models.BooleanField(default=True, help_text="Came by itself; false if it was repaired.")
    body = models.BinaryField(default=b"")

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = (models.UniqueConstraint(fields=["hook", "guid"], name="delivery_unique"),)
        indexes = (
            models.Index(fields=["id"], condition=Q(outcome="stored"), name="delivery_waiting"),
            models.Index(fields=["received_at"], name="delivery_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.event} {self.guid}"


class JobRepository(models.Model):
    """A repository jobs came from. Its name is the newest one told; who sees none of its jobs never
    learns it.
    """

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="job_repositories", db_index=False
    )
    github_id = models.BigIntegerField()
    name = models.CharField(max_length=200, help_text="owner/name")
    named_at = models.DateTimeField(help_text="When a delivery or answer last told the name.")
    properties = models.JSONField(default=dict, help_text="Custom properties, as texts.")
    backfilled_to = models.DateTimeField(
        null=True, help_text="Runs created since then, until read_until, are read over REST."
    )
    read_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "job repositories"
        constraints = (
            models.UniqueConstraint(fields=["account", "github_id"], name="job_repository_unique"),
        )

    def __str__(self) -> str:
        return self.name


class JobWorkflow(models.Model):
    """A workflow by its name in one repository; jobs of workflows without a name have none."""

    repository = models.ForeignKey(
        JobRepository, on_delete=models.CASCADE, related_name="workflows", db_index=False
    )
    name = models.CharField(max_length=200)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["repository", "name"], name="job_workflow_unique"),
        )

    def __str__(self) -> str:
        return self.name


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs follow the group they ran in, or ask for."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Jobs of accounts the person sees in full, and of the groups they are limited to.

        A job of an organization that an enterprise's pool ran is the enterprise's, too.
        """
        rows = self.filter(within_token(self.model, user))
        if user.is_active and user.is_superuser:
            return rows
        return rows.filter(jobs_visible_to(user))

    def real(self) -> Self:
        """Without what a re-run lists again, and what GitHub no longer knows."""
        return self.filter(copied=False, lost=False)

    def on_larger(self) -> Self:
        """Of larger runners, as far as anybody can tell."""
        return self.filter(kind__in=(Job.Kind.LARGER, Job.Kind.UNKNOWN))

    def overlapping(self, since: datetime, until: datetime) -> Self:
        """Jobs that waited or ran in [since, until), found by when they started unless they are
        long.
        """
        near = Q(started_at__gte=since - Job.LONG, started_at__lt=until + Job.LONG, is_long=False)
        ends_later = Q(ended_at=None) | Q(ended_at__gt=since)
        found = self.filter(near | (Q(is_long=True) & ends_later), ends_later)
        return found.filter(queued_at__lt=until)

    def open(self) -> Self:
        return self.filter(ended_at=None, lost=False)


class Job(models.Model):
    """One job of a workflow run. See `jobs.normalise.JobFacts` for the facts and `JobTimes` for the
    times.
    """

    class Kind(models.TextChoices):
        LARGER = "larger", "Larger runner"
        STANDARD = "standard", "Standard runner"
        SELF_HOSTED = "self_hosted", "Self-hosted runner"
        UNKNOWN = "unknown", "Unknown"

    LONG = timedelta(hours=6)

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="jobs", db_index=False
    )
    github_id = models.BigIntegerField()
    repository = models.ForeignKey(
        JobRepository, on_delete=models.CASCADE, related_name="jobs", db_index=False
    )
    workflow = models.ForeignKey(
        JobWorkflow, null=True, on_delete=models.CASCADE, related_name="jobs", db_index=False
    )

    # What was said.
    phase = models.PositiveSmallIntegerField()
    run_id = models.BigIntegerField()
    run_attempt = models.PositiveIntegerField(default=1)
    name = models.CharField(max_length=200)
    head_branch = models.CharField(max_length=200, blank=True)
    labels = models.JSONField(default=list)
    conclusion = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(null=True)
    said_started_at = models.DateTimeField(null=True)
    first_step_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    machine_id = models.BigIntegerField(null=True, help_text="GitHub's runner_id.")
    machine_name = models.CharField(max_length=200, blank=True, help_text="GitHub's runner_name.")
    machine_group_id = models.BigIntegerField(null=True, help_text="GitHub's runner_group_id.")
    group_name = models.CharField(max_length=200, blank=True)
    approval = models.BooleanField(default=False)
    waiting_seen_at = models.DateTimeField(null=True)
    queued_seen_at = models.DateTimeField(null=True)
    queued_again_at = models.DateTimeField(null=True)
    in_progress_seen_at = models.DateTimeField(null=True)
    pending_seen_at = models.DateTimeField(null=True)
    copied = models.BooleanField(default=False)
    lost = models.BooleanField(default=False)

    # What follows.
    kind = models.CharField(max_length=12, choices=Kind)
    pool = models.ForeignKey(
        Runner, null=True, on_delete=models.SET_NULL, related_name="jobs", db_index=False
    )
    group_id = models.BigIntegerField(null=True, help_text="The group as the account knows it.")
    pool_account = models.ForeignKey(
        Account, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    pool_group_id = models.BigIntegerField(
        null=True, help_text="With pool_account: the group as the pool's enterprise knows it."
    )
    queued_at = models.DateTimeField(null=True, help_text="When it began to want a machine.")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    queue_seconds = models.FloatField(null=True)
    run_seconds = models.FloatField(default=0)
    approval_seconds = models.FloatField(default=0)
    concurrency_seconds = models.FloatField(default=0)
    is_long = models.BooleanField(
        default=False, help_text="Lasted over six hours, never started, or is still open."
    )
    estimated = models.BooleanField(default=False)
    negative = models.BooleanField(default=False)
    verified_at = models.DateTimeField(null=True, help_text="When REST last told of it.")

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["account", "github_id"], name="job_unique"),)
        indexes = (
            models.Index(fields=["account", "started_at"], name="job_by_account"),
            models.Index(fields=["pool", "started_at"], name="job_by_pool"),
            models.Index(fields=["repository", "started_at"], name="job_by_repository"),
            models.Index(
                fields=["account", "queued_at"], condition=Q(ended_at=None), name="job_open"
            ),
            models.Index(fields=["ended_at"], condition=Q(is_long=True), name="job_long"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def web_url(self) -> str:
        """The job's page on GitHub, of an account and repository read with it."""
        origin = web_origin(self.account.api_url)
        job = f"actions/runs/{self.run_id}/job/{self.github_id}"
        return f"{origin}/{quote(self.repository.name)}/{job}"


class JobsVersion(models.Model):
    """Rises whenever jobs of the account changed. Not the account's own: every kept page would be
    void.
    """

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="jobs_version")
    version = models.PositiveBigIntegerField(default=1)
    last_event_at = models.DateTimeField(null=True, help_text="When a job was last told of.")
    history_hour = models.DateTimeField(null=True, help_text="The hour history_requests are of.")
    history_requests = models.PositiveIntegerField(
        default=0, db_default=0, help_text="What reading the history cost in that hour."
    )

    def __str__(self) -> str:
        return f"{self.account}: {self.version}"


class StaleHour(models.Model):
    """An hour whose sums are to be made again, because a job that lies in it changed."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    hour = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "hour"], name="stale_hour_unique"),
        )

    def __str__(self) -> str:
        return f"{self.account} {self.hour:%Y-%m-%d %H}"


class Span(models.TextChoices):
    HOUR = "hour"
    DAY = "day"


class SummedQuerySet(models.QuerySet[models.Model]):
    """Sums of jobs: seen by whoever sees the jobs they are of."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        rows = self.filter(within_token(self.model, user))
        if user.is_active and user.is_superuser:
            return rows
        return rows.filter(jobs_visible_to(user))


class Sums(models.Model):
    """Of the jobs that started in [start, start + span): numbers, seconds and a histogram of queue
    times.

    `pool` is a runner's primary key, 0 where it is unknown; so is `group_id`. `buckets` as
    `jobs.histogram.as_text`.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    pool = models.BigIntegerField(default=0)
    group_id = models.BigIntegerField(default=0)
    pool_account = models.ForeignKey(
        Account, null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    pool_group_id = models.BigIntegerField(null=True)
    start = models.DateTimeField()
    jobs = models.PositiveIntegerField()
    over_slo = models.PositiveIntegerField()
    estimated = models.PositiveIntegerField()
    run_seconds = models.FloatField()
    billable_minutes = models.PositiveBigIntegerField()
    approval_seconds = models.FloatField()
    longest = models.FloatField()
    last_job_at = models.DateTimeField()
    buckets = models.TextField()

    objects = SummedQuerySet.as_manager()

    class Meta:
        abstract = True


class PoolSums(Sums):
    """Sums per pool and the group it had, by hour and by day."""

    span = models.CharField(max_length=4, choices=Span)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "span", "start", "pool", "group_id"], name="pool_sums_unique"
            ),
        )
        indexes = (models.Index(fields=["pool", "span", "start"], name="pool_sums_by_pool"),)

    def __str__(self) -> str:
        return f"{self.pool} {self.span} {self.start}"


class WorkflowSums(Sums):
    """Daily sums per pool, group, repository and workflow (0: without a name)."""

    repository = models.ForeignKey(
        JobRepository, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    workflow = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "start", "pool", "group_id", "repository", "workflow"],
                name="workflow_sums_unique",
            ),
        )
        indexes = (
            models.Index(fields=["pool", "start"], name="workflow_sums_by_pool"),
            models.Index(fields=["repository", "start"], name="workflow_sums_by_repository"),
        )

    def __str__(self) -> str:
        return f"{self.repository} {self.start}"


class PoolLevels(models.Model):
    """Seconds at each number of busy machines, and of jobs that run or wait, in one hour or day of
    a pool.

    `parts` lists [since, until, maximum, running, demand], split where the maximum changed; times
    are seconds after `start`, levels are keys of objects. All accounts' jobs count. `group_id` is
    the one group all of them had, else empty.
    """

    pool = models.ForeignKey(Runner, on_delete=models.CASCADE, related_name="+", db_index=False)
    group_id = models.BigIntegerField(null=True)
    span = models.CharField(max_length=4, choices=Span)
    start = models.DateTimeField()
    parts = models.JSONField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["pool", "span", "start"], name="pool_levels_unique"),
        )
        indexes = (models.Index(fields=["span", "start"], name="pool_levels_by_time"),)

    def __str__(self) -> str:
        return f"{self.pool} {self.span} {self.start}"


class PoolSlo(models.Model):
    """How long a job may wait for a pool, where somebody set it, and whether notices tell of
    more.
    """

    pool = models.OneToOneField(Runner, on_delete=models.CASCADE, related_name="slo")
    seconds = models.PositiveIntegerField()
    notices = models.BooleanField(default=False)
    keep_because = models.TextField(
        blank=True, help_text="Why the maximum stays although the pool is often full."
    )
    set_at = models.DateTimeField(auto_now=True)
    set_by = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.pool}: {self.seconds} s"
