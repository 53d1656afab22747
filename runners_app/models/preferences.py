"""What the product remembers about a user: preferences, saved views and the current selection."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models


class Preferences(models.Model):
    """How a user wants pages to look. A user without a row has the defaults."""

    class Density(models.TextChoices):
        COMPACT = "compact", "Compact"
        COMFORTABLE = "comfortable", "Comfortable"

    class Theme(models.TextChoices):
        SYSTEM = "", "System"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"
        HIGH_CONTRAST = "high-contrast", "High contrast"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences"
    )
    rows = models.PositiveSmallIntegerField(default=50, help_text="Rows of a page of a list.")
    density = models.CharField(max_length=20, choices=Density, default=Density.COMPACT)
    theme = models.CharField(max_length=20, choices=Theme, default=Theme.SYSTEM, blank=True)
    time_zone = models.CharField(
        max_length=100, blank=True, help_text="IANA name; empty follows the browser."
    )
    lists: "models.JSONField[Any, Any]" = models.JSONField(
        default=dict,
        help_text="List → `columns` it shows, and as `default` the query string it opens with.",
    )

    def __str__(self) -> str:
        return f"Preferences of {self.user}"

    def of_list(self, name: str) -> dict[str, Any]:
        """What is remembered about a list."""
        remembered: dict[str, Any] = self.lists.get(name, {})
        return remembered


class SavedView(models.Model):
    """A named filter, sort and choice of columns of a list, for one user."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="views"
    )
    list = models.CharField(max_length=20, help_text="The list's URL name, for example runners.")
    name = models.CharField(max_length=60)
    query = models.TextField(blank=True, help_text="The list's query string.")

    class Meta:
        ordering = ("name", "pk")
        constraints = (
            models.UniqueConstraint(fields=["user", "list", "name"], name="view_unique"),
        )

    def __str__(self) -> str:
        return self.name


class Selection(models.Model):
    """The runners that a user selected for a bulk change: the steps of the change share them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    runners: "models.JSONField[Any, Any]" = models.JSONField(help_text="Primary keys, in order.")
    query = models.TextField(blank=True, help_text="The query string of the list, to return to it.")

    def __str__(self) -> str:
        return f"{len(self.runners)} runners of {self.user}"
