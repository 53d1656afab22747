"""What all rows of an account have in common."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q

from runners_app.models import limited
from runners_app.models.accounts import Account, Membership

if TYPE_CHECKING:
    from django.contrib.auth.models import User

M = TypeVar("M", bound=models.Model)


class OwnedQuerySet(models.QuerySet[M], Generic[M]):
    """Rows with an `account`: who sees the account sees them, or of them what `limited` says."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        if user.is_active and user.is_superuser:
            return self.all()
        whole = Account.objects.visible_to(user).seen_whole()
        memberships = Membership.objects.filter(user_id=user.pk or 0, user__is_active=True, limited=True)
        return self.filter(Q(account__in=whole) | limited.rows_of(self.model, memberships))

    def within(self, accounts: Iterable[Account]) -> Self:
        """The same as `visible_to`, of accounts that were read with it, and of these alone: quicker for long lists."""
        whole, by = [], []
        for account in accounts:
            membership: int | None = account.limited_by  # type: ignore[attr-defined]
            whole.append(account.pk) if membership is None else by.append(membership)
        seen = Q(account__in=whole)
        if by:
            seen |= limited.rows_of(self.model, Membership.objects.filter(pk__in=by))
        return self.filter(seen)


def limited_by(account: Account) -> int | None:
    """The membership that shows only some groups of an account read with `visible_to`."""
    membership: int | None = getattr(account, "limited_by", None)
    return membership


class PresentQuerySet(OwnedQuerySet[M]):
    """Rows that stay, marked with `gone_at`, after GitHub no longer lists them."""

    def present(self) -> Self:
        return self.filter(gone_at=None)
