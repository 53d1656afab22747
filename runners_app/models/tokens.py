"""API tokens: personal, narrower than their owner if they say so, and stored only as a digest."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from runners_app.models.accounts import Account

if TYPE_CHECKING:
    from runners_app.models.groups import RunnerGroup


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self, now: datetime) -> Self:
        """Neither revoked nor expired, and with an owner who may sign in."""
        return self.filter(revoked_at=None, expires_at__gt=now, owner__is_active=True)


class ApiToken(models.Model):
    """A token acts as its owner, within its scopes, accounts, groups and address ranges.

    The owner's rights are looked up at each request, so a token loses whatever its owner loses.
    """

    class Scope(models.TextChoices):
        READ = "read", "Read"
        WRITE = "write", "Request changes"
        EXPORT = "export", "Export lists and feeds"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token, in hex.")
    hint = models.CharField(max_length=12, help_text="How the token starts, to recognise it.")
    scopes = models.JSONField(default=list)
    limited = models.BooleanField(
        default=False, help_text="Restricted to the accounts in `access`; without one, to nothing."
    )
    addresses = models.JSONField(
        default=list, help_text="CIDR ranges it may be used from; empty: from anywhere."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.GenericIPAddressField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=200, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return self.name

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def scope_labels(self) -> list[str]:
        return [str(self.Scope(scope).label) for scope in self.scopes]


class ApiTokenAccess(models.Model):
    """One account that a limited token may use: all of it, or only some runner groups.

    It has the shape of a limited membership, so that the same rules of visibility apply to both.
    """

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="access")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    limited = models.BooleanField(default=False)
    groups: "models.ManyToManyField[RunnerGroup, Any]" = models.ManyToManyField(
        "RunnerGroup", blank=True, related_name="+"
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["token", "account"], name="api_token_access_unique"),
        )

    def __str__(self) -> str:
        return f"{self.token}: {self.account}"


class IdempotencyKey(models.Model):
    """A write that a client named, so that sending it again creates no second operation.

    Keys belong to their user. `request_digest` is the SHA-256 of method, path and body: the same
    key with another request is refused.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key_digest = models.CharField(max_length=64)
    request_digest = models.CharField(max_length=64)
    operation = models.ForeignKey("Operation", on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "key_digest"], name="idempotency_key_unique"),
        )

    def __str__(self) -> str:
        return self.key_digest[:8]
