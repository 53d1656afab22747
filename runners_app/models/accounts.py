"""Accounts (organizations and enterprises that have runners) and who may see them."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Concat, Lower

from runners_app.github import Owner

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from runners_app.models.groups import RunnerGroup
    from runners_app.models.tokens import ApiToken


def web_origin(api_url: str) -> str:
    """The origin of GitHub's pages: `https://github.com` for `https://api.github.com`."""
    parts = urlsplit(api_url)
    host = parts.netloc.removeprefix("api.") if parts.path in ("", "/") else parts.netloc
    return f"{parts.scheme}://{host}"


def host_of(api_url: str) -> str:
    """The host of GitHub's pages: `github.com` for `https://api.github.com`."""
    return urlsplit(web_origin(api_url)).netloc


def account_name() -> Case:
    """An expression: the name of a row's account, as `str` of the account says it."""
    with_server = Concat("account__slug", Value("@"), "account__server")
    return Case(When(account__server="", then=F("account__slug")), default=with_server)


class AccountQuerySet(models.QuerySet["Account"]):
    def visible_to(self, user: "User | AnonymousUser") -> "AccountQuerySet":
        """All accounts for an administrator, otherwise those of which the user is a member.

        Every query of a page starts here. Each account carries the user's `role` in it and, as
        `limited_by`, the id of a membership that is limited to some groups.
        """
        return self.of_members(user)._within_token(user)

    def of_members(self, user: "User | AnonymousUser") -> "AccountQuerySet":
        """The same without the limits of an API token."""
        if not user.is_active:
            return self.none()
        if user.is_superuser:
            unlimited = Value(None, output_field=models.BigIntegerField())
            return self.annotate(role=Value(Membership.Role.MANAGER.value), limited_by=unlimited)  # type: ignore[no-redef]
        limited_by = Case(When(memberships__limited=True, then=F("memberships__pk")))
        mine = self.filter(memberships__user_id=user.pk)
        return mine.annotate(role=F("memberships__role"), limited_by=limited_by)  # type: ignore[no-redef]

    def _within_token(self, user: "User | AnonymousUser") -> "AccountQuerySet":
        """Narrowed to the accounts of the request's API token, if it is limited to some.

        `token_limited_by` is the id of a token's access that is limited to some groups.
        """
        token = limited_token_of(user)
        if token is None:
            return self
        access = apps.get_model("runners_app", "ApiTokenAccess")._default_manager.filter(
            token=token, account=OuterRef("pk")
        )
        groups = Subquery(access.filter(limited=True).values("pk")[:1])
        return self.filter(Exists(access)).annotate(token_limited_by=groups)  # type: ignore[no-redef]

    def fully_visible(self) -> "AccountQuerySet":
        """After `visible_to`: without accounts of which the user sees only some runner groups."""
        rows = self.filter(Q(limited_by=None))
        if "token_limited_by" in self.query.annotations:
            rows = rows.filter(Q(token_limited_by=None))
        return rows

    def versions_for(
        self, user: "User | AnonymousUser"
    ) -> "models.QuerySet[Account, tuple[Any, ...]]":
        """Primary key, version, role and limit of each account: everything a page depends on."""
        is_limited = limited_token_of(user) is not None
        if user.is_active and user.is_superuser and not is_limited:
            # Role and limit are the same in all accounts.
            return self.values_list("pk", "version")
        visible = self.visible_to(user)
        return visible.values_list("pk", "version", *visible.query.annotations)

    def tell_apart(self, *slugs: str) -> None:
        """Note the server of accounts that share their name with one on another server.

        Call it in the transaction that connects, renames, moves or disconnects an account.
        """
        for slug in slugs:
            rows = list(self.model._default_manager.filter(slug__iexact=slug))
            is_shared = len({row.api_url for row in rows}) > 1
            for row in rows:
                server = host_of(row.api_url) if is_shared else ""
                if row.server != server:
                    changed = self.model._default_manager.filter(pk=row.pk)
                    changed.update(server=server, version=F("version") + 1)

    def named(self, text: str) -> "AccountQuerySet":
        """Accounts of this name: `acme`, or `acme@github.example.com` for the one on a server."""
        slug, _, server = text.partition("@")
        rows = self.filter(slug__iexact=slug)
        return rows.filter(server__iexact=server) if server else rows

    def raise_versions(self) -> int:
        """Make pages of these accounts reload; call it in the transaction that changes them."""
        return self.update(version=F("version") + 1)

    def manageable_by(self, user: "User | AnonymousUser") -> "AccountQuerySet":
        """Accounts in which the user may request changes at GitHub now."""
        return self.managed_by(user).filter(observe_only=False, paused=False)

    def managed_by(self, user: "User | AnonymousUser") -> "AccountQuerySet":
        """Accounts that the user manages, even while they are paused or observe only."""
        if not user.is_active:
            return self.none()
        accounts = self
        if limited_token_of(user) is not None:
            accounts = accounts._within_token(user).filter(Q(token_limited_by=None))
        if user.is_superuser:
            return accounts
        manager = Membership.Role.MANAGER
        return accounts.filter(
            memberships__user_id=user.pk, memberships__role=manager, memberships__limited=False
        )


def limited_token_of(user: "User | AnonymousUser") -> "ApiToken | None":
    """The API token a request came with, if it is limited to some accounts; None for sessions."""
    token: ApiToken | None = getattr(user, "api_token", None)
    return token if token is not None and token.limited else None


class Account(models.Model):
    """An organization or enterprise.

    `version` rises in each transaction that publishes something pages show.
    """

    class Kind(models.TextChoices):
        ORGANIZATION = "organization", "Organization"
        ENTERPRISE = "enterprise", "Enterprise"

    kind = models.CharField(max_length=20, choices=Kind)
    slug = models.CharField(max_length=100)
    github_id = models.BigIntegerField(
        null=True, help_text="GitHub's number of an organization; enterprises have none in the API."
    )
    identity_confirmed_at = models.DateTimeField(
        null=True,
        help_text="When an administrator last said that this is still the same enterprise.",
    )
    api_url = models.CharField(max_length=300)
    server = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="The server's host, if an account on another server has the same name.",
    )
    credential = models.ForeignKey("Credential", on_delete=models.PROTECT, related_name="accounts")
    observe_only = models.BooleanField(
        default=False,
        help_text="No writes and no buttons: for accounts that are managed elsewhere.",
    )
    paused = models.BooleanField(default=False)
    approval_above = models.PositiveIntegerField(
        null=True,
        help_text="Four eyes: deletions, and batches of more operations than this, need the "
        "approval of a second manager; empty if that is off.",
    )
    demo = models.BooleanField(default=False)
    plan = models.CharField(
        max_length=100,
        blank=True,
        db_default="",
        help_text="Organizations only, if the credential can see it.",
    )
    version = models.PositiveBigIntegerField(default=1)
    connected_at = models.DateTimeField(auto_now_add=True)

    objects = AccountQuerySet.as_manager()

    # Annotated by `visible_to`; without it, nobody has a role.
    role: str = ""
    limited_by: int | None = None
    token_limited_by: int | None = None

    class Meta:
        ordering = ("slug", "pk")
        constraints = (
            models.UniqueConstraint("api_url", "kind", Lower("slug"), name="account_unique"),
            models.UniqueConstraint("api_url", "kind", "github_id", name="account_by_github_id"),
        )

    def __str__(self) -> str:
        return f"{self.slug}@{self.server}" if self.server else self.slug

    def is_named(self, text: str) -> bool:
        """Whether a filter means this account, as in `named`."""
        return text.lower() in (self.slug.lower(), str(self).lower())

    @property
    def owner(self) -> Owner:
        return Owner(
            "enterprise" if self.kind == self.Kind.ENTERPRISE else "organization", self.slug
        )

    @property
    def may_be_changed(self) -> bool:
        """Whether the user for whom `visible_to` read this row may request writes in it."""
        return not self.why_unchangeable

    @property
    def why_unchangeable(self) -> str:
        """Why the user for whom `visible_to` read this row may not change it; empty if they may."""
        if self.observe_only:
            return f"{self} is set to observe only: Trackside writes nothing there."
        if self.paused:
            return f"{self} is paused: nothing is read from it or written to it."
        if self.role != Membership.Role.MANAGER:
            return (
                f"You can view {self} but not change it. Ask an administrator for the manager role."
            )
        return ""

    @property
    def web_url(self) -> str:
        """The account's runner settings on GitHub's own pages."""
        if self.kind == self.Kind.ENTERPRISE:
            return f"{web_origin(self.api_url)}/enterprises/{self.slug}/settings/actions/runners"
        return f"{web_origin(self.api_url)}/organizations/{self.slug}/settings/actions/runners"

    @property
    def audit_log_url(self) -> str:
        """The account's audit log on GitHub's own pages."""
        kind = "enterprises" if self.kind == self.Kind.ENTERPRISE else "organizations"
        return f"{web_origin(self.api_url)}/{kind}/{self.slug}/settings/audit-log"


class Membership(models.Model):
    """A user's role in one account. Administrators need none: they manage every account.

    A viewer may be limited to some runner groups. While `limited` is set, losing the last group
    means seeing nothing, not everything.
    """

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer"
        MANAGER = "manager", "Manager"

    class Source(models.TextChoices):
        PROVIDER = "provider", "From the sign-in provider"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role, default=Role.VIEWER)
    limited = models.BooleanField(default=False, db_default=False)
    source = models.CharField(
        max_length=20,
        choices=Source,
        blank=True,
        default="",
        db_default="",
        help_text="Who gave it: empty for an administrator, by hand.",
    )
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
