"""Field history: every change of a runner, group or image, and the operation that made it."""

from django.db import models

from runners_app.models.accounts import Account
from runners_app.models.visibility import OwnedQuerySet


class FieldChange(models.Model):
    """A change of one field of one item; without an operation, it was made outside Trackside."""

    class Item(models.TextChoices):
        RUNNER = "runner"
        GROUP = "group"
        IMAGE = "image"
        IMAGE_VERSION = "image_version"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="changes")
    item = models.CharField(max_length=20, choices=Item)
    item_pk = models.BigIntegerField(help_text="Primary key of the row in Trackside.")
    field = models.CharField(max_length=50)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    at = models.DateTimeField()
    operation = models.ForeignKey(
        "Operation", null=True, on_delete=models.SET_NULL, related_name="changes"
    )

    is_outside: bool = False  # set by pages: changed by a person outside Trackside

    objects = OwnedQuerySet["FieldChange"].as_manager()

    class Meta:
        indexes = (models.Index(fields=["item", "item_pk", "-at"], name="change_by_item"),)

    def __str__(self) -> str:
        return f"{self.field}: {self.before} → {self.after}"
