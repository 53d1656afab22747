"""Operations: one write to GitHub somebody asked for, from the request to its proven outcome."""

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
        """A person must decide: the outcome is unclear, or it lay unsent too long."""
        return self.filter(
            Q(state=Operation.State.NEEDS_ATTENTION) | is_stale_request(timezone.now())
        )

    def due(self, now: datetime) -> Self:
        """What a worker may carry on with now. Operations on one target run in the order they were
        asked for.

        Creates of one name count as one target. Nothing is sent for an account that is only
        observed.
        """
        same_runner = Q(target_id=OuterRef("target_id"))
        same_name = Q(target_id=None, kind=OuterRef("kind"), target_name=OuterRef("target_name"))
        earlier = Operation.objects.filter(
            same_runner | same_name,
            account_id=OuterRef("account_id"),
            target=OuterRef("target"),
            pk__lt=OuterRef("pk"),
            state__in=Operation.CARRIED_BY_WORKER,
        ).exclude(is_stale_request(now))
        return (
            self.filter(
                state__in=Operation.CARRIED_BY_WORKER, next_step_at__lte=now, account__paused=False
            )
            .exclude(is_stale_request(now))
            .exclude(nothing_applied(), account__observe_only=True)
            .exclude(Exists(earlier))
            .order_by("pk")
        )


def unsent_limit() -> timedelta:
    """How long an operation may lie unsent before a person must confirm it again."""
    return timedelta(seconds=settings.UNSENT_LIMIT_SECONDS)


def nothing_applied() -> Q:
    """GitHub did nothing for it yet: never sent, or sent and provably not taken (a rate limit, no
    connection).
    """
    return Q(state=Operation.State.REQUESTED) | Q(
        state=Operation.State.SENT, known_not_applied=True, begun=False
    )


def is_stale_request(now: datetime) -> Q:
    """Unsent for so long that a person must confirm it again: nothing old fires by surprise."""
    return nothing_applied() & Q(confirmed_at__lte=now - unsent_limit())


class Operation(models.Model):
    """One write. Its target is known by GitHub's id, without a foreign key: the row may be gone by
    then.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        SENT = "sent", "Sent"
        UNKNOWN = "unknown", "Answer lost"
        OBSERVING = "observing", "Waiting to see it"
        CONFIRMED = "confirmed", "Confirmed"
        REJECTED = "rejected", "Rejected by GitHub"
        CANCELLED = "cancelled", "Cancelled"
        NEEDS_ATTENTION = "needs_attention", "Needs attention"

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
    wanted = models.JSONField(default=dict, help_text="The values asked for.")
    ids_before = models.JSONField(
        null=True, help_text="Ids of a complete list read just before a create."
    )
    steps = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        help_text="Of a write that needs two calls, in order: do, done.",
    )
    begun = models.BooleanField(
        default=False,
        db_default=False,
        help_text="A first of several steps was applied: the rest must follow.",
    )
    sends = models.PositiveSmallIntegerField(default=0)
    known_not_applied = models.BooleanField(
        default=False,
        help_text="GitHub or the network said so while the operation was sent; it may be sent again.",
    )
    refused_probes = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        db_column="refused_looks",
        help_text="How often in a row GitHub refused to show whether it took effect.",
    )
    absent_since = models.DateTimeField(
        null=True, help_text="First complete answer that did not show the effect."
    )
    reason = models.TextField(
        blank=True, help_text="Why it stands where it stands, in words for a person."
    )
    refusal = models.JSONField(
        null=True, help_text="GitHub's words: status, message, errors, request_id."
    )
    conflict = models.JSONField(null=True, help_text="Field → [on GitHub now, before, asked for].")
    candidates = models.JSONField(null=True, help_text="Runner ids that may be the one created.")
    again_from = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="sent_again_as"
    )

    requested_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(
        db_column="person_agreed_at", help_text="When a person last said this should be sent."
    )
    next_step_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    observing_since = models.DateTimeField(null=True)
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
        return self.state in self.CARRIED_BY_WORKER and not self.waits_for_person

    @property
    def is_cancellable(self) -> bool:
        """Nothing was applied yet, as in `nothing_applied`: it can be cancelled without asking
        GitHub.
        """
        sent = self.state == self.State.SENT and self.known_not_applied and not self.begun
        return sent or self.state == self.State.REQUESTED

    @property
    def waits_for_person(self) -> bool:
        """As in `is_stale_request`."""
        return self.is_cancellable and self.confirmed_too_long_ago

    @property
    def confirmed_too_long_ago(self) -> bool:
        return self.confirmed_at <= timezone.now() - unsent_limit()

    @property
    def target_github_id(self) -> int:
        """The target's id. Raises ValueError for a create whose target is not known yet."""
        if self.target_id is None:
            raise ValueError("This operation has no target yet.")
        return self.target_id

    @property
    def changed_fields(self) -> dict[str, object]:
        """Only these are sent by an update."""
        return {
            field: value for field, value in self.wanted.items() if self.base.get(field) != value
        }


class OperationEvent(models.Model):
    """A step in the life of an operation, for its timeline."""

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
