"""Readings: the sync state of one resource of one account, its runs, and cached responses."""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from runners_app.models.accounts import Account
from runners_app.models.clock import database_now
from runners_app.models.visibility import OwnedQuerySet

STALE_AFTER = timedelta(hours=1)


class ReadingQuerySet(OwnedQuerySet["Reading"]):
    def due(self, now: datetime) -> Self:
        return self.filter(due_at__lte=now, account__paused=False)

    def schedule_now(self, account: Account, *resources: str) -> None:
        """Make the named resources due now, or all of them; refused ones are tried again too."""
        rows = self.filter(account=account)
        if resources:
            rows = rows.filter(resource__in=resources)
        rows.update(due_at=database_now(), failures=0)

    def create_for(self, account: Account) -> None:
        """Create the readings of a new account, due now."""
        now = database_now()
        self.bulk_create(
            Reading(account=account, resource=resource, order=order, due_at=now)
            for order, resource in enumerate(Reading.ORDER)
            if account.kind == Account.Kind.ORGANIZATION
            or resource not in Reading.OF_ORGANIZATIONS_ONLY
        )

    def failing(self) -> Self:
        """Readings with an error that a person may have to fix, unlike a rate limit.

        Jobs are an addition: a credential that may not read them is what somebody chose.
        """
        chosen = Q(error="permission", resource__in=Reading.OF_JOBS)
        return self.exclude(error__in=("", "rate_limit", "not_offered")).exclude(chosen)

    def stale(self, now: datetime) -> Self:
        """Overdue without an error: no worker is running."""
        return self.filter(
            error="", due_at__lte=now - STALE_AFTER, last_good_at__lte=now - STALE_AFTER
        )


class Reading(models.Model):
    """The sync state of one resource of one account, which is read, published and fails alone.

    While it fails, the last good content stays; `last_good_at` is its age, `error` the reason.
    """

    class Resource(models.TextChoices):
        RUNNERS = "runners", "Runners"
        LIMITS = "limits", "Static IPs"
        GROUPS = "groups", "Runner groups"
        CATALOG = "catalog", "GitHub and partner images, sizes, platforms"
        CUSTOM_IMAGES = "custom_images", "Custom images"
        IMAGE_VERSIONS = "image_versions", "Image versions"
        GROUP_ACCESS = "group_access", "Access to runner groups"
        REPOSITORIES = "repositories", "Repositories"
        SELF_HOSTED_RUNNERS = "self_hosted_runners", "Self-hosted runners"
        ACCESS_CHECKS = "access_checks", "Questions about one repository"
        OPEN_JOBS = "open_jobs", "Jobs open for long"
        JOB_DELIVERIES = "job_deliveries", "Job events that got lost"
        JOB_HISTORY = "job_history", "Jobs of the last weeks"

    # Runners first: they appear before the slow resources.
    ORDER = (
        Resource.RUNNERS,
        Resource.LIMITS,
        Resource.GROUPS,
        Resource.ACCESS_CHECKS,
        Resource.CATALOG,
        Resource.CUSTOM_IMAGES,
        Resource.IMAGE_VERSIONS,
        Resource.GROUP_ACCESS,
        Resource.SELF_HOSTED_RUNNERS,
        Resource.REPOSITORIES,
        Resource.JOB_DELIVERIES,
        Resource.OPEN_JOBS,
        Resource.JOB_HISTORY,
    )
    OF_ORGANIZATIONS_ONLY = frozenset(
        {
            Resource.ACCESS_CHECKS,
            Resource.REPOSITORIES,
            Resource.JOB_DELIVERIES,
            Resource.OPEN_JOBS,
            Resource.JOB_HISTORY,
        }
    )
    OF_JOBS = frozenset({Resource.JOB_DELIVERIES, Resource.OPEN_JOBS, Resource.JOB_HISTORY})
    # Resources that change together: a change of the key makes the values due at once.
    FOLLOW_UP: ClassVar[dict[str, tuple[str, ...]]] = {
        Resource.CUSTOM_IMAGES: (Resource.IMAGE_VERSIONS,),
        Resource.GROUPS: (Resource.GROUP_ACCESS,),
    }
    # Longest interval in seconds; runners and limits adapt to the activity of the account.
    SLOWEST: ClassVar[dict[str, int]] = {
        Resource.GROUPS: 600,
        Resource.GROUP_ACCESS: 600,
        Resource.SELF_HOSTED_RUNNERS: 600,
        Resource.REPOSITORIES: 1800,
        Resource.CUSTOM_IMAGES: 300,
        Resource.IMAGE_VERSIONS: 1800,
        Resource.CATALOG: 86_400,
        Resource.ACCESS_CHECKS: 86_400,
        Resource.OPEN_JOBS: 300,
        Resource.JOB_DELIVERIES: 300,
        Resource.JOB_HISTORY: 60,
    }

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="readings")
    resource = models.CharField(max_length=20, choices=Resource)
    order = models.PositiveSmallIntegerField(
        help_text="Runners first: they appear before the slow resources."
    )
    due_at = models.DateTimeField(null=True, help_text="Empty: not read until a person acts.")
    last_started_at = models.DateTimeField(null=True)
    last_good_at = models.DateTimeField(null=True)
    last_changed_at = models.DateTimeField(null=True)
    interval_seconds = models.PositiveIntegerField(default=60)
    last_seconds = models.FloatField(null=True, help_text="Duration of the last run.")
    requests_total = models.PositiveBigIntegerField(default=0, db_default=0)
    not_modified_total = models.PositiveBigIntegerField(default=0, db_default=0)
    failures_total = models.PositiveBigIntegerField(default=0, db_default=0)
    missing_since = models.DateTimeField(
        null=True, help_text="Since when lists lack rows; the next ones are read unconditionally."
    )
    error = models.CharField(
        max_length=40,
        blank=True,
        help_text="Kind of failure; empty after a good run.",
    )
    error_message = models.TextField(blank=True)
    error_help_url = models.TextField(blank=True)
    error_since = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)

    objects = ReadingQuerySet.as_manager()

    class Meta:
        ordering = ("order",)
        constraints = (
            models.UniqueConstraint(fields=["account", "resource"], name="reading_unique"),
        )
        indexes = (models.Index(fields=["due_at"], name="reading_by_due"),)

    def __str__(self) -> str:
        return f"{self.get_resource_display()} of {self.account}"

    @property
    def is_missing_at_server(self) -> bool:
        return self.error == "not_offered"


class ReadingRun(models.Model):
    """Cost and result of one run of a reading. Consecutive runs without a change share one row."""

    class Outcome(models.TextChoices):
        CHANGED = "changed"
        UNCHANGED = "unchanged"
        FAILED = "failed"

    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="runs")
    outcome = models.CharField(max_length=20, choices=Outcome)
    message = models.TextField(blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    runs = models.PositiveIntegerField(default=1)
    requests = models.PositiveIntegerField(default=0)
    not_modified = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0, help_text="Duration of the last run.")

    class Meta:
        indexes = (models.Index(fields=["reading", "-last_at"], name="run_by_reading"),)

    def __str__(self) -> str:
        return f"{self.reading}: {self.outcome}, {self.runs} times"


class CachedResponse(models.Model):
    """ETag, hash and ids of one page at its last publication, per credential and URL.

    ETags are only valid for one token. The row is written in the transaction that publishes the
    page's content, and deleted whenever that content is written in another way.
    """

    credential = models.ForeignKey(
        "Credential", on_delete=models.CASCADE, related_name="cached_responses"
    )
    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="cached_responses")
    url = models.CharField(max_length=700)
    etag = models.CharField(max_length=300, blank=True)
    body_sha256 = models.CharField(max_length=64)
    next_url = models.TextField(blank=True)
    total_count = models.BigIntegerField(null=True)
    ids = models.JSONField(default=list)

    class Meta:
        db_table = "runners_app_knownanswer"
        constraints = (
            models.UniqueConstraint(fields=["credential", "url"], name="known_answer_unique"),
        )

    def __str__(self) -> str:
        return self.url
