"""Approvals: the decision of a second person about what the first one asked for."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from runners_app.models.accounts import Account
from runners_app.models.operations import Operation, nothing_applied
from runners_app.models.visibility import OwnedQuerySet


class ApprovalQuerySet(OwnedQuerySet["Approval"]):
    def of_operations(self) -> Self:
        """Without changes of an account's own setting."""
        return self.exclude(kind=Approval.Kind.SETTING)

    def waiting(self) -> Self:
        """Not decided yet, and with something left to decide about."""
        held = Operation.objects.filter(
            nothing_applied(),
            approval=OuterRef("pk"),
            held_because=Operation.HeldBecause.APPROVAL,
        )
        return self.filter(
            Q(kind=Approval.Kind.SETTING) | Q(Exists(held)), state=Approval.State.WAITING
        )


class Approval(models.Model):
    """One decision: about the operations of one account that were requested together, or about
    switching its four eyes off.

    Four eyes mean two people who both may do it. A proposal comes from a person who may not, and
    whoever approves it answers for it. While it waits, the operations are held. It covers the
    operations with its `digest`, no others: an undo, a retry, or sending what was held again gets
    an approval of its own.
    """

    class Kind(models.TextChoices):
        FOUR_EYES = "four_eyes", "Four eyes"
        PROPOSAL = "proposal", "Proposal"
        SETTING = "setting", "Change of four eyes"

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for approval"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"

    kind = models.CharField(max_length=20, choices=Kind)
    state = models.CharField(max_length=20, choices=State, default=State.WAITING)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="approvals")
    batch = models.UUIDField(null=True, db_index=True)
    wanted = models.JSONField(
        default=dict, help_text="Of a change of four eyes: the column's new value."
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_by_name = models.CharField(max_length=200)
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_by_name = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)
    digest = models.CharField(
        max_length=64, blank=True, help_text="Of the operations as they were decided about."
    )
    reason = models.TextField(blank=True, help_text="Why it was approved or declined.")

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=["account", "state"], name="approval_by_state"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.account}: {self.get_state_display()}"
