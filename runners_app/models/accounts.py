"""Accounts (organizations and enterprises that have runners) and who may see them."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Lower

from runners_app.github import Owner

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def web_origin(api_url: str) -> str:
    """Where the pages of that GitHub are: `https://github.com` for `https://api.github.com`."""
    parts = urlsplit(api_url)
    host = parts.netloc.removeprefix("api.") if parts.path in ("", "/") else parts.netloc
    return f"{parts.scheme}://{host}"


class AccountQuerySet(models.QuerySet["Account"]):
    def visible_to(self, user: "User | AnonymousUser") -> "AccountQuerySet":
        """Every query of a page starts here: all accounts for an administrator, else those given to the person.

        Each carries the `role` the person has in it.
        """
        if not user.is_active:
            return self.none()
        if user.is_superuser:
            return self.annotate(role=Value(Membership.Role.MANAGER.value))
        return self.filter(memberships__user_id=user.pk).annotate(role=F("memberships__role"))

    def manageable_by(self, user: "User | AnonymousUser") -> "AccountQuerySet":
        """Accounts in which the person may ask for changes at GitHub."""
        writable = self.filter(observe_only=False, paused=False)
        if not user.is_active:
            return self.none()
        if user.is_superuser:
            return writable
        return writable.filter(memberships__user_id=user.pk, memberships__role=Membership.Role.MANAGER)


class Account(models.Model):
    """An organization or enterprise. `version` rises in the transaction that publishes anything pages show."""

    class Kind(models.TextChoices):
        ORGANIZATION = "organization", "Organization"
        ENTERPRISE = "enterprise", "Enterprise"

    kind = models.CharField(max_length=20, choices=Kind)
    slug = models.CharField(max_length=100)
    api_url = models.CharField(max_length=300)
    credential = models.ForeignKey("Credential", on_delete=models.PROTECT, related_name="accounts")
    observe_only = models.BooleanField(
        default=False, help_text="No writes and no buttons: for accounts that something else manages."
    )
    paused = models.BooleanField(default=False)
    demo = models.BooleanField(default=False)
    version = models.PositiveBigIntegerField(default=1)
    connected_at = models.DateTimeField(auto_now_add=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        ordering = ("slug", "pk")
        constraints = (models.UniqueConstraint("api_url", "kind", Lower("slug"), name="account_unique"),)

    def __str__(self) -> str:
        return self.slug

    @property
    def owner(self) -> Owner:
        return Owner("enterprise" if self.kind == self.Kind.ENTERPRISE else "organization", self.slug)

    @property
    def may_be_changed(self) -> bool:
        """Whether the person this row was read for, by `visible_to`, may ask for writes in it."""
        return getattr(self, "role", "") == Membership.Role.MANAGER and not self.observe_only and not self.paused

    @property
    def web_url(self) -> str:
        """Address of the account's runner settings on GitHub's own pages."""
        if self.kind == self.Kind.ENTERPRISE:
            return f"{web_origin(self.api_url)}/enterprises/{self.slug}/settings/actions/runners"
        return f"{web_origin(self.api_url)}/organizations/{self.slug}/settings/actions/runners"


class Membership(models.Model):
    """What a person may do in one account. Administrators need none: they manage every account."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer"
        MANAGER = "manager", "Manager"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role, default=Role.VIEWER)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "account"], name="membership_unique"),)

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.account}"
