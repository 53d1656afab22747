"""Accounts (organizations and enterprises that have runners) and who may see them."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Lower

from runners_app.github import Owner

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from runners_app.models.groups import RunnerGroup


def web_origin(api_url: str) -> str:
    """Where the pages of that GitHub are: `https://github.com` for `https://api.github.com`."""
    parts = urlsplit(api_url)
    host = parts.netloc.removeprefix("api.") if parts.path in ("", "/") else parts.netloc
    return f"{parts.scheme}://{host}"


class AccountQuerySet(models.QuerySet["Account"]):
    def visible_to(self, user: "User | AnonymousUser") -> "AccountQuerySet":
        """Every query of a page starts here: all accounts for an administrator, else those given to
        the person.

        Each carries the `role` the person has in it, and as `limited_by` the membership that shows
        only some groups.
        """
        if not user.is_active:
            return self.none()
        if user.is_superuser:
            whole = Value(None, output_field=models.BigIntegerField())
            return self.annotate(role=Value(Membership.Role.MANAGER.value), limited_by=whole)
        limited_by = Case(When(memberships__limited=True, then=F("memberships__pk")))
        mine = self.filter(memberships__user_id=user.pk)
        return mine.annotate(role=F("memberships__role"), limited_by=limited_by)

    def fully_visible(self) -> "AccountQuerySet":
        """After `visible_to`: without those of which the person sees only some runner groups."""
        return self.filter(Q(limited_by=None))

    def versions_for(
        self, user: "User | AnonymousUser"
    ) -> "models.QuerySet[Account, tuple[Any, ...]]":
        """Primary key, version and whatever `visible_to` tells about each: all that a page may
        depend on.
        """
        if user.is_active and user.is_superuser:  # it tells the same of each
            return self.values_list("pk", "version")
        visible = self.visible_to(user)
        return visible.values_list("pk", "version", *visible.query.annotations)

    def raise_versions(self) -> int:
        """Say that pages of these accounts differ from now on; call it in the transaction that
        changes them.
        """
        return self.update(version=F("version") + 1)

    def manageable_by(self, user: "User | AnonymousUser") -> "AccountQuerySet":
        """Accounts in which the person may ask for changes at GitHub."""
        writable = self.filter(observe_only=False, paused=False)
        if not user.is_active:
            return self.none()
        if user.is_superuser:
            return writable
        manager = Membership.Role.MANAGER
        return writable.filter(
            memberships__user_id=user.pk, memberships__role=manager, memberships__limited=False
        )


class Account(models.Model):
    """An organization or enterprise. `version` rises in the transaction that publishes anything
    pages show.
    """

    class Kind(models.TextChoices):
        ORGANIZATION = "organization", "Organization"
        ENTERPRISE = "enterprise", "Enterprise"

    kind = models.CharField(max_length=20, choices=Kind)
    slug = models.CharField(max_length=100)
    api_url = models.CharField(max_length=300)
    credential = models.ForeignKey("Credential", on_delete=models.PROTECT, related_name="accounts")
    observe_only = models.BooleanField(
        default=False,
        help_text="No writes and no buttons: for accounts that something else manages.",
    )
    paused = models.BooleanField(default=False)
    demo = models.BooleanField(default=False)
    plan = models.CharField(
        max_length=100,
        blank=True,
        db_default="",
        help_text="Of an organization, where the credential sees it.",
    )
    version = models.PositiveBigIntegerField(default=1)
    connected_at = models.DateTimeField(auto_now_add=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        ordering = ("slug", "pk")
        constraints = (
            models.UniqueConstraint("api_url", "kind", Lower("slug"), name="account_unique"),
        )

    def __str__(self) -> str:
        return self.slug

    @property
    def owner(self) -> Owner:
        return Owner(
            "enterprise" if self.kind == self.Kind.ENTERPRISE else "organization", self.slug
        )

    @property
    def may_be_changed(self) -> bool:
        """Whether the person this row was read for, by `visible_to`, may ask for writes in it."""
        return (
            getattr(self, "role", "") == Membership.Role.MANAGER
            and not self.observe_only
            and not self.paused
        )

    @property
    def web_url(self) -> str:
        """Address of the account's runner settings on GitHub's own pages."""
        if self.kind == self.Kind.ENTERPRISE:
            return f"{web_origin(self.api_url)}/enterprises/{self.slug}/settings/actions/runners"
        return f"{web_origin(self.api_url)}/organizations/{self.slug}/settings/actions/runners"

    @property
    def audit_log_url(self) -> str:
        """Address of the account's audit log on GitHub's own pages."""
        kind = "enterprises" if self.kind == self.Kind.ENTERPRISE else "organizations"
        return f"{web_origin(self.api_url)}/{kind}/{self.slug}/settings/audit-log"


class Membership(models.Model):
    """What a person may do in one account. Administrators need none: they manage every account.

    A viewer may be limited to some runner groups. `limited` says so by itself: without a group
    left, nothing is shown.
    """

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer"
        MANAGER = "manager", "Manager"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role, default=Role.VIEWER)
    limited = models.BooleanField(default=False, db_default=False)
    groups: "models.ManyToManyField[RunnerGroup, Any]" = models.ManyToManyField(
        "RunnerGroup", blank=True, related_name="memberships"
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "account"], name="membership_unique"),
            models.CheckConstraint(
                condition=Q(limited=False) | Q(role="viewer"), name="membership_limited_views"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.account}"
