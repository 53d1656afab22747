"""Notices: events that need a person, the channels they are sent to, and each delivery."""

import uuid
from datetime import datetime, time, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models

from runners_app.models.accounts import Account
from runners_app.models.groups import RunnerGroup


class Event(models.Model):
    """A condition that needs a person, from its beginning to its end.

    At most one event of each `key` is open at a time.
    """

    class Kind(models.TextChoices):
        TOKEN_EXPIRING = "token_expiring", "A token expires in 14, 7 or 1 days"
        CREDENTIAL_REFUSED = "credential_refused", "A credential is disabled"
        READING_STALE = "reading_stale", "An account could not be read for an hour"
        RUNNER_STUCK = "runner_stuck", "A runner is Stuck, or Provisioning for 30 minutes"
        OPERATION_WAITS = "operation_waits", "An operation needs a decision"
        APPROVAL_WAITS = "approval_waits", "Operations wait for approval"
        ADMINISTRATOR_ADDED = "administrator_added", "Somebody was made an administrator"
        STATIC_IPS = "static_ips", "Static IPs are 80 % used, or all"
        JOB_WAITS = "job_waits", "A job waits for longer than the SLO of its runner"
        SLO_MISSED = "slo_missed", "Too many jobs waited for longer than the SLO of a runner"
        JOB_EVENTS_SILENT = "job_events_silent", "Job events of an account stopped arriving"
        JOB_COVERAGE = "job_coverage", "The runner of too many jobs is not known"
        LABEL_WITHOUT_POOL = "label_without_pool", "Jobs ask for a label that no runner has"
        API_TOKEN_EXPIRING = "api_token_expiring", "An API token expires in 14, 7 or 1 days"
        IMAGE_NOT_OFFERED = "image_not_offered", "A runner's image is no longer offered"
        RANGES_CHANGED = "ranges_changed", "Static IP ranges were added or removed"

    class Severity(models.TextChoices):
        CRITICAL = "critical", "Critical"
        WARNING = "warning", "Warning"
        INFO = "info", "Information"

    # Of kinds that are not named here, the severity is a warning.
    SEVERITIES: ClassVar[dict[str, str]] = {
        Kind.CREDENTIAL_REFUSED: Severity.CRITICAL,
        Kind.READING_STALE: Severity.CRITICAL,
        Kind.RUNNER_STUCK: Severity.CRITICAL,
        Kind.JOB_COVERAGE: Severity.INFO,
        Kind.RANGES_CHANGED: Severity.INFO,
    }
    # Something that happened, and is never over.
    MOMENTARY = (Kind.RANGES_CHANGED,)

    kind = models.CharField(max_length=30, choices=Kind)
    key = models.CharField(max_length=200)
    topic = models.CharField(max_length=200, db_default="", help_text="The key without the stage.")
    account_pk = models.BigIntegerField(db_default=0)
    item = models.CharField(
        max_length=20, blank=True, db_default="", help_text="Model of the row it is about."
    )
    item_pk = models.BigIntegerField(default=0, db_default=0)
    title = models.CharField(max_length=500)
    path = models.CharField(max_length=300, help_text="The page about it.")
    data: "models.JSONField[Any, Any]" = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="What messages say of it: `name`, `size`, `image`, `added`, `removed`.",
    )
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["key"], condition=models.Q(ended_at=None), name="event_open_once"
            ),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def severity(self) -> "Event.Severity":
        return Event.Severity(self.SEVERITIES.get(self.kind, Event.Severity.WARNING))


class Snooze(models.Model):
    """Until when nothing is sent about one kind of event in one account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="snoozes")
    kind = models.CharField(max_length=30, choices=Event.Kind)
    until = models.DateTimeField()
    by = models.CharField(max_length=200)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["account", "kind"], name="snooze_unique"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} in {self.account}"


class Channel(models.Model):
    """Where notices are sent.

    Either a user's own mailbox, or an address shared by administrators (mail, Slack, Teams,
    webhook). A shared address is a secret: anyone who knows it can post there.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="channel",
    )
    name = models.CharField(max_length=100)
    scheme = models.CharField(max_length=20, blank=True)
    sealed_address = models.TextField(blank=True)
    kinds = models.JSONField(default=list)
    is_on = models.BooleanField(default=True)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    zone = models.CharField(max_length=60, default="UTC")
    always_critical = models.BooleanField(
        default=False, db_default=False, help_text="Critical notices ignore the quiet hours."
    )
    accounts: "models.ManyToManyField[Account, Any]" = models.ManyToManyField(
        Account, blank=True, related_name="+", help_text="Only about these; none means all."
    )
    groups: "models.ManyToManyField[RunnerGroup, Any]" = models.ManyToManyField(
        RunnerGroup, blank=True, related_name="+", help_text="Only about runners in these."
    )
    runner_owners = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        help_text="Only about runners of these owners, separated by commas.",
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name

    @property
    def owner_keys(self) -> set[str]:
        """The owners it is limited to, lower case."""
        names = (name.strip().lower() for name in self.runner_owners.split(","))
        return {name for name in names if name}

    def due_at(self, now: datetime, severity: str = "") -> datetime:
        """When a notice of this severity may be sent: after quiet hours and the snooze."""
        is_loud = self.always_critical and severity == Event.Severity.CRITICAL
        moment = now if is_loud else self.next_loud_moment(now)
        return max(moment, self.snoozed_until or moment)

    def next_loud_moment(self, now: datetime) -> datetime:
        """Now, or the end of the quiet hours if `now` lies in them."""
        if (
            self.quiet_from is None
            or self.quiet_until is None
            or self.quiet_from == self.quiet_until
        ):
            return now
        here = now.astimezone(ZoneInfo(self.zone))
        if not _is_between(here.time(), self.quiet_from, self.quiet_until):
            return now
        end = here.replace(
            hour=self.quiet_until.hour, minute=self.quiet_until.minute, second=0, microsecond=0
        )
        return end if end > here else end + timedelta(days=1)


def _is_between(moment: time, begin: time, end: time) -> bool:
    return begin <= moment < end if begin < end else moment >= begin or moment < end


class Notice(models.Model):
    """One message to one channel, sent from `due_at` on until the limit of `tries` is reached."""

    class Phase(models.TextChoices):
        BEGIN = "begin", "Began"
        END = "end", "Over"
        TEST = "test", "Test"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="notices")
    event = models.ForeignKey(Event, null=True, on_delete=models.CASCADE, related_name="notices")
    phase = models.CharField(max_length=10, choices=Phase)
    made_at = models.DateTimeField()
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    failure = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["channel", "event", "phase"], name="notice_once"),
        )
        indexes = (models.Index(fields=["sent_at", "due_at"], name="notice_by_due"),)

    def __str__(self) -> str:
        return f"{self.get_phase_display()}: {self.event or 'test'}"
