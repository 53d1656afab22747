"""The audit log: who requested what.

The database refuses to change entries, and to delete those within the retention (400 days).
"""

import json
from datetime import UTC

from django.db import models


class AuditEntry(models.Model):
    """One entry. It has no foreign keys, because it outlives the rows it is about."""

    class Action(models.TextChoices):
        """What was done. The request of an operation is `operation.` followed by its kind."""

        SIGN_IN = "sign_in", "Signed in"
        SIGN_IN_FAILED = "sign_in.failed", "Sign-in failed"
        SIGN_OUT = "sign_out", "Signed out"
        SECOND_FACTOR_ADDED = "second_factor.added", "Added a second factor"
        SECOND_FACTOR_REMOVED = "second_factor.removed", "Removed a second factor"
        SECOND_FACTOR_RENEWED = "second_factor.renewed", "Renewed recovery codes"
        SECOND_FACTOR_TAKEN = "second_factor.taken", "Removed another person's second factor"
        PROVIDER_CONNECTED = "provider.connected", "Connected a sign-in provider"
        PROVIDER_DISCONNECTED = "provider.disconnected", "Disconnected a sign-in provider"
        SESSIONS_ENDED = "sessions.ended", "Ended sessions elsewhere"
        ACCOUNT_CONNECTED = "account.connected", "Connected an account"
        ACCOUNT_RENAMED = "account.renamed", "Followed the new name of an organization"
        ACCOUNT_TOKEN_REPLACED = "account.token_replaced", "Replaced a token"
        APP_STORED = "app.stored", "Stored a GitHub App"
        CHANNEL_ADDED = "channel.added", "Added a channel for notices"
        CHANNEL_CHANGED = "channel.changed", "Changed a channel for notices"
        CHANNEL_DELETED = "channel.deleted", "Removed a channel for notices"
        NOTICES_SNOOZED = "notices.snoozed", "Snoozed notices"
        ACCOUNT_OBSERVE_ONLY = "account.observe_only", "Switched observe only on or off"
        ACCOUNT_PAUSED = "account.paused", "Paused or resumed an account"
        ACCOUNT_DISCONNECTED = "account.disconnected", "Disconnected an account"
        CREDENTIAL_QUARANTINED = "credential.quarantined", "Disabled a token"
        CREDENTIAL_RELEASED = "credential.released", "Tried a disabled token again"
        PERSON_ADDED = "person.added", "Added a person"
        PERSON_ADMINISTRATOR = "person.administrator", "Made or unmade an administrator"
        PERSON_ENABLED = "person.enabled", "Enabled a person"
        PERSON_DISABLED = "person.disabled", "Disabled a person"
        PERSON_EMAIL_CHANGED = "person.email_changed", "Changed an e-mail address"
        PERSON_PASSWORD_SET = "person.password_set", "Set a password"
        PERSON_PASSWORD_CHANGED = "person.password_changed", "Changed their password"
        MEMBERSHIP_GIVEN = "membership.given", "Gave access to an account"
        MEMBERSHIP_LIMITED = "membership.limited", "Chose the groups a viewer sees"
        MEMBERSHIP_TAKEN = "membership.taken", "Removed access to an account"
        OPERATION_CREATE_RUNNER = "operation.create_runner", "Requested: create runner"
        OPERATION_UPDATE_RUNNER = "operation.update_runner", "Requested: edit runner"
        OPERATION_DELETE_RUNNER = "operation.delete_runner", "Requested: delete runner"
        OPERATION_DELETE_IMAGE = "operation.delete_image", "Requested: delete image"
        OPERATION_DELETE_IMAGE_VERSION = (
            "operation.delete_image_version",
            "Requested: delete image version",
        )
        OPERATION_CREATE_GROUP = "operation.create_group", "Requested: create runner group"
        OPERATION_UPDATE_GROUP = "operation.update_group", "Requested: edit runner group"
        OPERATION_DELETE_GROUP = "operation.delete_group", "Requested: delete runner group"
        OPERATION_MOVE_SELF_HOSTED_RUNNER = (
            "operation.move_self_hosted_runner",
            "Requested: move self-hosted runner",
        )
        OPERATION_DELETE_SELF_HOSTED_RUNNER = (
            "operation.delete_self_hosted_runner",
            "Requested: delete self-hosted runner",
        )
        ACCESS_REFUSED = "access.refused", "Was refused"
        OPERATION_HELD = "operation.held", "Held an operation: its requester lost the right"
        APPROVAL_ASKED = "approval.asked", "Asked for approval again"
        APPROVAL_GIVEN = "approval.given", "Approved operations"
        APPROVAL_DECLINED = "approval.declined", "Declined operations"
        FOUR_EYES_SET = "account.four_eyes", "Switched four eyes on or off"
        FOUR_EYES_ASKED = "account.four_eyes_asked", "Asked to switch four eyes off"
        FOUR_EYES_DECLINED = "account.four_eyes_declined", "Declined to switch four eyes off"
        OPERATION_CANCELLED = "operation.cancelled", "Cancelled an operation"
        OPERATION_AGREED_AGAIN = "operation.agreed_again", "Confirmed an operation again"
        OPERATION_CLAIMED = "operation.claimed", "Recognised a runner"
        OPERATION_SETTLED = "operation.settled", "Resolved an operation"
        RUNNERS_RECREATED = "runners.recreated", "Requested: recreate runners"
        BATCH_CONTINUED = "batch.continued", "Confirmed the rest of a bulk change"
        BATCH_STOPPED = "batch.stopped", "Cancelled the rest of a bulk change"
        BATCH_RETRIED = "batch.retried", "Sent part of a bulk change again"
        API_TOKEN_CREATED = "api_token.created", "Created an API token"
        API_TOKEN_REVOKED = "api_token.revoked", "Revoked an API token"
        POOL_SLO_SET = "pool.slo_set", "Set the SLO of a runner"
        ANNOTATED = "annotated", "Changed owner, tags or note"
        LIST_EXPORTED = "list.exported", "Exported a list"

    at = models.DateTimeField(db_index=True)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    account_id = models.BigIntegerField(null=True)
    account_name = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = (models.Index(fields=["-at", "-id"], name="audit_by_time"),)

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.subject}"

    def canonical(self) -> str:
        """Return the entry as JSON that is the same in every database, for its hash and the log."""
        values = {
            "id": self.pk,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor_id": self.actor_id,
            "actor": self.actor_name,
            "action": self.action,
            "account_id": self.account_id,
            "account": self.account_name,
            "subject": self.subject,
            "details": self.details,
        }
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def action_label(self) -> str:
        """The action in words; unknown actions of other versions are shown as stored."""
        known = self.action in AuditEntry.Action.values
        return str(AuditEntry.Action(self.action).label) if known else self.action


class AuditLink(models.Model):
    """A link of the hash chain over the audit log.

    `digest` is the SHA-256 of the previous link's digest, a newline, and the entry as JSON. Links
    are in the order in which entries were found committed. Pruning leaves the last link of a
    deleted entry as the anchor that the next one is computed from.
    """

    position = models.BigIntegerField(primary_key=True)
    entry_id = models.BigIntegerField(unique=True)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return f"{self.position}: {self.digest}"
