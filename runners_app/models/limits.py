"""Limits: how many runners of an account may have static IPs and how many do, with history."""

from django.db import models

from runners_app.models.accounts import Account
from runners_app.models.visibility import OwnedQuerySet


class LimitsQuerySet(OwnedQuerySet["Limits"]):
    def current(self) -> "LimitsQuerySet":
        return self.filter(current=True)


class Limits(models.Model):
    """What the limits endpoint answered from `observed_at` until the account's next row."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="limits")
    maximum = models.BigIntegerField()
    used = models.BigIntegerField()
    current = models.BooleanField(default=True)
    observed_at = models.DateTimeField()

    objects = LimitsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "limits"
        constraints = (
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(current=True), name="limits_one_current"
            ),
        )
        indexes = (models.Index(fields=["account", "observed_at"], name="limits_by_time"),)

    def __str__(self) -> str:
        return f"{self.used} of {self.maximum}"

    @property
    def left(self) -> int:
        return max(0, self.maximum - self.used)
