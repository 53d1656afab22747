"""GitHub Apps and credentials, with the lease, pace, pauses and quarantine of each."""

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from runners_app.models.operations import Operation
from runners_app.models.readings import Reading

ASKED_FOR = timedelta(minutes=10)


class AppQuerySet(models.QuerySet["App"]):
    def unanswered(self, now: datetime) -> "AppQuerySet":
        """Apps whose list of installations was requested within ASKED_FOR and has not arrived.

        Without Apps whose installations a worker is listing now.
        """
        free = Q(asking_until=None) | Q(asking_until__lte=now)
        requested = self.filter(free, asked_at__gt=now - ASKED_FOR)
        return requested.filter(Q(answered_at=None) | Q(answered_at__lt=F("asked_at")))


class App(models.Model):
    """A GitHub App: its id and private key. Each of its installations is a credential."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    api_url = models.CharField(max_length=300)
    issuer = models.CharField(
        max_length=100, help_text="App id or client id; the `iss` of its tokens."
    )
    name = models.CharField(max_length=200, blank=True)
    sealed_key = models.TextField()
    slug = models.CharField(max_length=200, blank=True, db_default="")
    owner = models.CharField(max_length=200, blank=True, db_default="")
    asked_at = models.DateTimeField(
        null=True, blank=True, help_text="When a list of its installations was last requested."
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    asking_until = models.DateTimeField(
        null=True, blank=True, help_text="Until when a worker has reserved listing them."
    )
    refusal = models.TextField(
        blank=True, db_default="", help_text="Why they could not be listed; empty if they were."
    )
    installations = models.JSONField(
        default=list,
        db_default=Value([], models.JSONField()),
        help_text="For each: id, account, target_type, permissions, suspended.",
    )

    objects = AppQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["api_url", "issuer"], name="app_unique"),)

    def __str__(self) -> str:
        return self.name or f"GitHub App {self.issuer}"

    @property
    def is_asking(self) -> bool:
        return self.asked_at is not None and (
            self.answered_at is None or self.answered_at < self.asked_at
        )


class CredentialQuerySet(models.QuerySet["Credential"]):
    def usable(self, now: datetime) -> "CredentialQuerySet":
        """Neither paused at GitHub's request, nor leased by a worker, nor quarantined.

        A quarantined one that may be tried again is among them.
        """
        return self.filter(
            Q(quarantined_at=None) | Q(retry_at__lte=now),
            Q(paused_until=None) | Q(paused_until__lte=now),
            Q(lease_expires_at=None) | Q(lease_expires_at__lte=now),
        )

    def due(self, now: datetime) -> list[int]:
        """Ids of usable credentials that have work to do."""
        account = Q(account__credential=OuterRef("pk"))
        readings = Reading.objects.due(now).filter(account)
        operations = Operation.objects.due(now).filter(account)
        has_work = (
            Exists(readings) | Exists(operations) | Q(check_due_at__lte=now) | Q(retry_at__lte=now)
        )
        return list(self.usable(now).filter(has_work).order_by("pk").values_list("pk", flat=True))


class Credential(models.Model):
    """One token or one App installation, serving one or many accounts of one origin.

    Lease, time of the next write, pauses and quarantine are kept per credential: all accounts
    under one token behave as one client, and a broken token stops only itself.
    """

    class Kind(models.TextChoices):
        CLASSIC = "classic", "Classic personal access token"
        FINE_GRAINED = "fine_grained", "Fine-grained personal access token"
        INSTALLATION = "installation", "GitHub App installation"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    api_url = models.CharField(max_length=300)
    kind = models.CharField(max_length=20, choices=Kind)
    label = models.CharField(max_length=200, blank=True)
    sealed_secret = models.TextField(
        blank=True, help_text="Encrypted token; empty for an installation."
    )
    fingerprint = models.CharField(
        max_length=64, help_text="Keyed hash of the token, or hash of app and installation id."
    )
    app = models.ForeignKey(App, null=True, blank=True, on_delete=models.PROTECT)
    installation_id = models.BigIntegerField(null=True, blank=True)
    sealed_installation_token = models.TextField(blank=True)
    installation_token_expires_at = models.DateTimeField(null=True, blank=True)

    lease_token = models.CharField(max_length=64, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    next_write_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    pause_reason = models.TextField(blank=True)
    limits_in_a_row = models.PositiveSmallIntegerField(default=0)
    refusals_in_a_row = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Consecutive 401 responses."
    )
    quarantined_at = models.DateTimeField(null=True, blank=True)
    quarantine_reason = models.TextField(blank=True)
    retry_at = models.DateTimeField(
        null=True, blank=True, help_text="While quarantined: when one request may try it again."
    )
    progress_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When GitHub last answered a write, or when a pause it asked for ends.",
    )

    rate_limit = models.PositiveIntegerField(null=True, blank=True)
    rate_remaining = models.PositiveIntegerField(null=True, blank=True)
    rate_reset_at = models.DateTimeField(null=True, blank=True)
    scopes = models.JSONField(null=True, blank=True)
    token_expires_at = models.DateTimeField(null=True, blank=True)
    permissions = models.JSONField(
        null=True, blank=True, help_text="Installations only, as GitHub lists them."
    )
    stored_at = models.DateTimeField(default=timezone.now, db_default=Now())
    check_due_at = models.DateTimeField(
        null=True, blank=True, help_text="When to check its rights again."
    )
    checked_at = models.DateTimeField(null=True, blank=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["api_url", "fingerprint"], name="credential_unique"),
        )

    def __str__(self) -> str:
        return self.label or self.get_kind_display()

    def budget_left(self, now: datetime) -> int | None:
        """Percent of the hourly rate budget, full again from its reset on; None while unknown."""
        if not self.rate_limit or self.rate_remaining is None:
            return None
        if self.rate_reset_at and self.rate_reset_at <= now:
            return 100
        return min(100, self.rate_remaining * 100 // self.rate_limit)
