"""Operations: one write to GitHub each, from a person's request to its proven outcome."""

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from runners_app.models.accounts import Account
from runners_app.models.visibility import OwnedQuerySet


def new_nonce() -> str:
    return str(uuid.uuid4())


class OperationQuerySet(OwnedQuerySet["Operation"]):
    def unfinished(self) -> Self:
        return self.filter(state__in=Operation.UNFINISHED)

    def needing_attention(self) -> Self:
        """A person must decide: the outcome is unclear, or it was not sent for too long."""
        return self.filter(
            Q(state=Operation.State.NEEDS_ATTENTION) | is_stale_request(timezone.now())
        )

    def stopped(self) -> Self:
        """Cancelled by a person before anything was changed, which is no failure."""
        return self.filter(state=Operation.State.CANCELLED, reason=Operation.STOPPED)

    def not_done(self) -> Self:
        """Rejected, given up or undecided; without those that a person stopped."""
        failed = (
            Operation.State.REJECTED,
            Operation.State.CANCELLED,
            Operation.State.NEEDS_ATTENTION,
        )
        stopped = Q(state=Operation.State.CANCELLED, reason=Operation.STOPPED)
        return self.filter(state__in=failed).exclude(stopped)

    def moving(self, now: datetime) -> Self:
        """Those that a worker carries on with, without a person."""
        return self.filter(state__in=Operation.CARRIED_BY_WORKER).exclude(
            is_held() | is_overdue(now)
        )

    def due(self, now: datetime) -> Self:
        """Operations whose next step a worker may take now, oldest first.

        Operations on one target run in the order of their requests; creates of one name count as
        one target. Nothing is sent for accounts that are set to observe only.
        """
        same_target = Q(target_id=OuterRef("target_id"))
        same_name = Q(target_id=None, kind=OuterRef("kind"), target_name=OuterRef("target_name"))
        earlier = Operation.objects.filter(
            same_target | same_name,
            account_id=OuterRef("account_id"),
            target=OuterRef("target"),
            pk__lt=OuterRef("pk"),
            state__in=Operation.CARRIED_BY_WORKER,
        ).exclude(is_held() | is_overdue(now))
        return (
            self.filter(
                state__in=Operation.CARRIED_BY_WORKER, next_step_at__lte=now, account__paused=False
            )
            .exclude(is_held() | is_overdue(now))
            .exclude(nothing_applied(), account__observe_only=True)
            .exclude(Exists(earlier))
            .order_by("pk")
        )


def unsent_limit() -> timedelta:
    """How long an operation may stay unsent before a person must confirm it again."""
    return timedelta(seconds=settings.UNSENT_LIMIT_SECONDS)


def nothing_applied() -> Q:
    """Never sent, or provably not applied when it was sent (a rate limit, no connection)."""
    return Q(state=Operation.State.REQUESTED) | Q(
        state=Operation.State.SENT, known_not_applied=True, begun=False
    )


def is_held() -> Q:
    """Not sent until a person decides, for the reason in `held_because`."""
    return nothing_applied() & ~Q(held_because="")


def is_overdue(now: datetime) -> Q:
    """Not sent for too long, and not yet held: nothing old is sent by surprise.

    The time does not count while writes of the same credential or batch are answered, nor while a
    pause lasts for which GitHub gave a time (both are in `Credential.progress_at`).
    """
    limit = now - unsent_limit()
    credential = "account__credential__progress_at"
    idle = Q(**{credential: None}) | Q(**{f"{credential}__lte": limit})
    batch = Operation.objects.filter(
        batch=OuterRef("batch"), sent_at__gt=limit, known_not_applied=False
    )
    overdue = Q(held_because="", confirmed_at__lte=limit)
    return nothing_applied() & overdue & idle & Q(~Exists(batch))


def is_stale_request(now: datetime) -> Q:
    """Waiting for a person who must confirm it again before it is sent."""
    unwanted = Q(held_because__in=Operation.HELD_BY_CIRCUMSTANCE)
    return (nothing_applied() & unwanted) | is_overdue(now)


class Operation(models.Model):
    """One write. The target is GitHub's id and no foreign key, because its row may be deleted."""

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        SENT = "sent", "Sent"
        UNKNOWN = "unknown", "Answer lost"
        OBSERVING = "observing", "Waiting to see it"
        CONFIRMED = "confirmed", "Confirmed"
        REJECTED = "rejected", "Rejected by GitHub"
        CANCELLED = "cancelled", "Cancelled"
        NEEDS_ATTENTION = "needs_attention", "Needs attention"

    # The reason of an operation that a person cancelled in time.
    STOPPED = "Cancelled before anything was changed."

    CARRIED_BY_WORKER = (State.REQUESTED, State.SENT, State.UNKNOWN, State.OBSERVING)
    UNFINISHED = (*CARRIED_BY_WORKER, State.NEEDS_ATTENTION)

    class Kind(models.TextChoices):
        CREATE_RUNNER = "create_runner", "Create runner"
        UPDATE_RUNNER = "update_runner", "Edit runner"
        DELETE_RUNNER = "delete_runner", "Delete runner"
        DELETE_IMAGE = "delete_image", "Delete image"
        DELETE_IMAGE_VERSION = "delete_image_version", "Delete image version"
        CREATE_GROUP = "create_group", "Create runner group"
        UPDATE_GROUP = "update_group", "Edit runner group"
        DELETE_GROUP = "delete_group", "Delete runner group"
        MOVE_SELF_HOSTED_RUNNER = "move_self_hosted_runner", "Move self-hosted runner"
        DELETE_SELF_HOSTED_RUNNER = "delete_self_hosted_runner", "Delete self-hosted runner"

    class HeldBecause(models.TextChoices):
        """Why an operation is not sent until a person decides."""

        STAGED = "staged", "The rest of a batch that is tried on its first operations"
        SCHEDULED = "scheduled", "Waits for its time"
        APPROVAL = "approval", "Waits for approval"
        ACTOR = "actor", "The person who requested it lost the right"
        STALE = "stale", "Not sent for too long"
        RESTORED = "restored", "The database was restored from a backup"
        AFTER = "after", "Waits for the deletion before it"

    # Holds that nobody chose: a person should look at them.
    HELD_BY_CIRCUMSTANCE = (HeldBecause.ACTOR, HeldBecause.STALE, HeldBecause.RESTORED)

    CREATES = (Kind.CREATE_RUNNER, Kind.CREATE_GROUP)

    class Target(models.TextChoices):
        RUNNER = "runner", "Runner"
        IMAGE = "image", "Image"
        IMAGE_VERSION = "image_version", "Image version"
        GROUP = "group", "Runner group"
        SELF_HOSTED_RUNNER = "self_hosted_runner", "Self-hosted runner"

    nonce = models.CharField(
        max_length=36, unique=True, default=new_nonce, help_text="One form, one operation."
    )
    batch = models.UUIDField(null=True, db_index=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="operations")
    kind = models.CharField(max_length=30, choices=Kind)
    state = models.CharField(max_length=20, choices=State, default=State.REQUESTED)
    target = models.CharField(max_length=20, choices=Target)
    target_id = models.BigIntegerField(
        null=True, help_text="GitHub's id of the runner, image or group."
    )
    target_name = models.CharField(max_length=500)
    target_version = models.CharField(max_length=500, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=200)

    base = models.JSONField(default=dict, help_text="The values the form started from.")
    wanted = models.JSONField(default=dict, help_text="The requested values.")
    ids_before = models.JSONField(
        null=True, help_text="Ids in a complete list read just before a create."
    )
    steps = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="Calls of a write that needs two, in order: do, done.",
    )
    begun = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The first of several steps was applied: the rest must follow.",
    )
    held_because = models.CharField(
        max_length=20,
        choices=HeldBecause,
        blank=True,
        default="",
        db_default="",
        help_text="Why it waits for a person; empty if it may be sent.",
    )
    sends = models.PositiveSmallIntegerField(default=0)
    known_not_applied = models.BooleanField(
        default=False,
        help_text="GitHub or the network proved it; the operation may be sent again.",
    )
    refused_probes = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        db_column="refused_looks",
        help_text="Consecutive refusals to show whether it took effect.",
    )
    absent_since = models.DateTimeField(
        null=True, help_text="When a complete answer first did not show the effect."
    )
    reason = models.TextField(
        blank=True, help_text="Why it is in this state, in words for a person."
    )
    refusal = models.JSONField(
        null=True, help_text="GitHub's words: status, message, errors, request_id."
    )
    conflict = models.JSONField(null=True, help_text="Field → [now on GitHub, before, requested].")
    candidates = models.JSONField(null=True, help_text="Runner ids that may be the one created.")
    again_from = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="sent_again_as"
    )

    after = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="followers",
        help_text="The deletion whose confirmation lets it be sent, as when recreating.",
    )
    approval = models.ForeignKey(
        "Approval",
        null=True,
        on_delete=models.RESTRICT,
        related_name="operations",
        help_text="The decision it needs from a second person; empty if it needs none.",
    )
    undoes = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="undone_by",
        help_text="The edit whose values it sets back.",
    )

    requested_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(
        db_column="person_agreed_at", help_text="When a person last said this should be sent."
    )
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who confirmed it since, and answers for it instead of the actor.",
    )
    next_step_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    observing_since = models.DateTimeField(null=True)
    unknown_since = models.DateTimeField(
        null=True, help_text="When an answer was first lost; empty once the outcome is known."
    )
    finished_at = models.DateTimeField(null=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["state", "next_step_at"], name="operation_by_step"),
            models.Index(
                fields=["account", "target", "target_id", "id"], name="operation_by_target"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.target_name}"

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    @property
    def is_moving(self) -> bool:
        return (
            self.state in self.CARRIED_BY_WORKER and not self.is_held and not self.waits_for_person
        )

    @property
    def was_stopped(self) -> bool:
        """Whether a person cancelled it in time, as in `stopped`."""
        return self.state == self.State.CANCELLED and self.reason == self.STOPPED

    @property
    def is_cancellable(self) -> bool:
        """Whether it can be cancelled without asking GitHub, as in `nothing_applied`."""
        sent = self.state == self.State.SENT and self.known_not_applied and not self.begun
        return sent or self.state == self.State.REQUESTED

    @property
    def is_held(self) -> bool:
        """Whether it is not sent until a person decides, as in the function `is_held`."""
        return self.is_cancellable and bool(self.held_because)

    @property
    def waits_for_deletion(self) -> bool:
        """Whether it is sent as soon as the deletion before it is confirmed."""
        return self.is_held and self.held_because == self.HeldBecause.AFTER

    @property
    def waits_for_approval(self) -> bool:
        """Whether a second person must approve it before it is sent."""
        return self.is_held and self.held_because == self.HeldBecause.APPROVAL

    @property
    def waits_for_person(self) -> bool:
        """Whether a person must confirm it again, as in `is_stale_request`."""
        return self.is_cancellable and (
            self.held_because in self.HELD_BY_CIRCUMSTANCE or self.is_overdue
        )

    @property
    def is_overdue(self) -> bool:
        """Whether it was confirmed too long ago to be sent now, as in the function `is_overdue`."""
        limit = timezone.now() - unsent_limit()
        if self.held_because or self.confirmed_at > limit:
            return False
        progress_at = self.account.credential.progress_at
        if progress_at is not None and progress_at > limit:
            return False
        batch = Operation.objects.filter(
            batch=self.batch, sent_at__gt=limit, known_not_applied=False
        )
        return self.batch is None or not batch.exists()

    @property
    def target_github_id(self) -> int:
        """GitHub's id of the target. Raises ValueError for a create that has none yet."""
        if self.target_id is None:
            raise ValueError("This operation has no target yet.")
        return self.target_id

    @property
    def changed_fields(self) -> dict[str, object]:
        """Field → requested value, of the fields an update sends."""
        return {
            field: value for field, value in self.wanted.items() if self.base.get(field) != value
        }


class OperationEvent(models.Model):
    """A line in the timeline of an operation."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    state = models.CharField(max_length=20, choices=Operation.State)
    by = models.CharField(max_length=200, blank=True, help_text="The person; empty for the worker.")
    note = models.TextField(blank=True)
    request_id = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.operation}: {self.state}"
