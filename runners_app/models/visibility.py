"""The one rule of which rows a user sees: a whole account, or only some of its runner groups.

A user limited to some groups sees the runners, self-hosted runners, operations and history of
those groups, and the images their runners use, but nothing of other groups. Readings, sizes and
platforms belong to the account and are visible to all of its members.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import BigIntegerField, Exists, Model, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from runners_app.models.accounts import Account, Membership, limited_token_of
from runners_app.models.tokens import ApiTokenAccess

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Memberships = QuerySet[Membership] | QuerySet[ApiTokenAccess]
M = TypeVar("M", bound=models.Model)


def rows_of(model: type[Model], memberships: "Memberships") -> Q:
    """The rows of a model that limited memberships show; the model has an `account`."""
    return ROWS.get(model.__name__, _nothing)(memberships)


def _nothing(memberships: "Memberships") -> Q:
    return Q(pk__in=[])


def _whole_account(memberships: "Memberships") -> Q:
    return Q(account__in=memberships.values("account"))


def _groups(memberships: "Memberships") -> Q:
    return Q(pk__in=memberships.values("groups"))


def _in_groups(memberships: "Memberships") -> Q:
    return Q(Exists(_given(memberships).filter(github_id=OuterRef("group_id"))))


def _images(memberships: "Memberships") -> Q:
    users = _model("Runner").filter(_in_groups(memberships), account=OuterRef("account"))
    return Q(Exists(users.filter(image_source=OuterRef("source"), image_id=OuterRef("github_id"))))


def _image_versions(memberships: "Memberships") -> Q:
    return Q(image__in=_model("Image").filter(_images(memberships)).values("pk"))


def _operations(memberships: "Memberships") -> Q:
    """Operations on runners of those groups, and creates in them that have no runner yet."""
    mine = _model("Runner").filter(_in_groups(memberships), account=OuterRef("account"))
    wanted = Cast(KT("wanted__runner_group_id"), BigIntegerField())
    own = (
        _model("Operation").filter(pk=OuterRef("pk"), target_id=None).annotate(wanted_group=wanted)
    )
    into = own.filter(Exists(_given(memberships).filter(github_id=OuterRef("wanted_group"))))
    on_runner = Q(Exists(mine.filter(github_id=OuterRef("target_id"))))
    return Q(target="runner") & (on_runner | Q(Exists(into)))


def _approvals(memberships: "Memberships") -> Q:
    mine = _model("Operation").filter(_operations(memberships), approval__isnull=False)
    return Q(pk__in=mine.values("approval"))


def _changes(memberships: "Memberships") -> Q:
    runners = _model("Runner").filter(_in_groups(memberships))
    groups = _model("RunnerGroup").filter(_groups(memberships))
    images = _model("Image").filter(_images(memberships))
    return (
        Q(item="runner", item_pk__in=runners.values("pk"))
        | Q(item="group", item_pk__in=groups.values("pk"))
        | Q(item="image", item_pk__in=images.values("pk"))
    )


def _given(memberships: "Memberships") -> "QuerySet[Model]":
    return _model("RunnerGroup").filter(_groups(memberships), account_id=OuterRef("account_id"))


def _model(name: str) -> "QuerySet[Model]":
    rows: QuerySet[Model] = apps.get_model("runners_app", name)._default_manager.all()
    return rows


ROWS: dict[str, Callable[["Memberships"], Q]] = {
    "Approval": _approvals,
    "FieldChange": _changes,
    "Image": _images,
    "ImageVersion": _image_versions,
    "MachineSize": _whole_account,
    "Operation": _operations,
    "Platform": _whole_account,
    "Reading": _whole_account,
    "Runner": _in_groups,
    "RunnerGroup": _groups,
    "SelfHostedRunner": _in_groups,
}


class OwnedQuerySet(models.QuerySet[M], Generic[M]):
    """Rows with an `account`: visible to its members, limited ones see those of their groups."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """The rows the user may see, narrowed by the API token of the request if there is one."""
        return self._of_members(user).filter(within_token(self.model, user))

    def _of_members(self, user: "User | AnonymousUser") -> Self:
        if user.is_active and user.is_superuser:
            return self.all()
        whole = Account.objects.of_members(user).fully_visible()
        memberships = Membership.objects.filter(
            user_id=user.pk or 0, user__is_active=True, limited=True
        )
        return self.filter(Q(account__in=whole) | rows_of(self.model, memberships))

    def within(self, accounts: Iterable[Account]) -> Self:
        """The visible rows of accounts that were read with `Account.objects.visible_to`.

        Quicker than `visible_to` for long lists, because it needs no join with memberships.
        """
        whole: list[int] = []
        memberships: list[int] = []
        tokens: list[int] = []
        for account in accounts:
            if account.limited_by is None:
                whole.append(account.pk)
            else:
                memberships.append(account.limited_by)
            if account.token_limited_by is not None:
                tokens.append(account.token_limited_by)

        visible = Q(account__in=whole)
        if memberships:
            visible |= rows_of(self.model, Membership.objects.filter(pk__in=memberships))
        if tokens:
            access = ApiTokenAccess.objects.filter(pk__in=tokens)
            visible &= ~Q(account__in=access.values("account")) | rows_of(self.model, access)
        return self.filter(visible)


def within_token(model: type[Model], user: "User | AnonymousUser") -> Q:
    """A condition on rows with an `account`: what the API token of the request is limited to."""
    token = limited_token_of(user)
    if token is None:
        return Q()
    access = ApiTokenAccess.objects.filter(token=token)
    whole = access.filter(limited=False).values("account")
    return Q(account__in=whole) | rows_of(model, access.filter(limited=True))


def jobs_visible_to(user: "User | AnonymousUser") -> Q:
    """A condition on rows of jobs and of their sums, for anybody but administrators.

    They follow the group they ran in, `account` and `group_id`. A job of an organization that an
    enterprise's pool ran is the enterprise's, too: `pool_account` and `pool_group_id`. Where no
    group is known, one must see the account in full.
    """
    whole = Account.objects.of_members(user).fully_visible().values("pk")
    memberships = Membership.objects.filter(
        user_id=user.pk or 0, user__is_active=True, limited=True
    )
    groups = _model("RunnerGroup").filter(_groups(memberships))
    own = groups.filter(account=OuterRef("account"), github_id=OuterRef("group_id"))
    lent = groups.filter(account=OuterRef("pool_account"), github_id=OuterRef("pool_group_id"))
    return Q(account__in=whole) | Q(pool_account__in=whole) | Q(Exists(own)) | Q(Exists(lent))


def limited_by(account: Account) -> int | None:
    """What shows only some groups of an account read with `visible_to`; None if all are shown.

    The id of a membership or, negated, of an API token's access.
    """
    return -account.token_limited_by if account.token_limited_by else account.limited_by


class PresentQuerySet(OwnedQuerySet[M]):
    """Rows that are kept, marked with `gone_at`, after they are gone from GitHub."""

    def present(self) -> Self:
        return self.filter(gone_at=None)
