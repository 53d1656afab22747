"""What all rows of an account have in common."""

from typing import TYPE_CHECKING, Generic, Self, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db import models

from runners_app.models.accounts import Account

if TYPE_CHECKING:
    from django.contrib.auth.models import User

M = TypeVar("M", bound=models.Model)


class OwnedQuerySet(models.QuerySet[M], Generic[M]):
    """Rows with an `account`: who sees the account sees them."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        if user.is_active and user.is_superuser:
            return self.all()
        return self.filter(account__in=Account.objects.visible_to(user))


class PresentQuerySet(OwnedQuerySet[M]):
    """Rows that stay, marked with `gone_at`, after GitHub no longer lists them."""

    def present(self) -> Self:
        return self.filter(gone_at=None)
