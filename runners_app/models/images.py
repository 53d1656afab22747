"""The catalog: images, image versions, machine sizes and platforms an account is offered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import models

from runners_app.models.accounts import Account
from runners_app.models.listed import ListedModel
from runners_app.models.visibility import PresentQuerySet

if TYPE_CHECKING:
    from runners_app.models.runners import Runner


def is_passing(state: str) -> bool:
    """Whether a state is transitional. GitHub documents only Ready; others look like Deleting."""
    return state.endswith("ing")


class ImageQuerySet(PresentQuerySet["Image"]):
    pass


class Image(ListedModel):
    """An image offered to one account. Only custom images have versions."""

    class Source(models.TextChoices):
        GITHUB = "github", "GitHub"
        PARTNER = "partner", "Partner"
        CUSTOM = "custom", "Custom"

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="images")
    source = models.CharField(max_length=20, choices=Source)
    github_id = models.CharField(
        max_length=500, help_text="Opaque; the decimal number of a custom image."
    )
    name = models.CharField(max_length=500)
    platform = models.CharField(max_length=500, blank=True)
    size_gb = models.BigIntegerField(
        null=True, help_text="A custom image: the sum of all its versions."
    )
    versions_count = models.BigIntegerField(null=True)
    latest_version = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=500, blank=True)

    objects = ImageQuerySet.as_manager()

    # Set by pages, which read them for all rows at once.
    used_by: int = 0
    offered_in: int = 1

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "source", "github_id"], name="image_unique"),
        )
        indexes = (models.Index(fields=["name", "id"], name="image_by_name"),)

    def __str__(self) -> str:
        return self.name

    @property
    def is_moving(self) -> bool:
        return self.gone_at is None and is_passing(self.state)

    @property
    def may_be_deleted(self) -> bool:
        """Whether the current user may delete it (annotation `manageable`); custom images only."""
        return (
            getattr(self, "manageable", False)
            and self.source == self.Source.CUSTOM
            and self.gone_at is None
        )


class ImageVersionQuerySet(PresentQuerySet["ImageVersion"]):
    pass


class ImageVersion(ListedModel):
    """A version of a custom image."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="image_versions")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="versions")
    version = models.CharField(max_length=500)
    state = models.CharField(max_length=500, blank=True)
    state_details = models.CharField(max_length=500, blank=True)
    size_gb = models.BigIntegerField(null=True)
    created_on = models.DateTimeField(null=True)

    objects = ImageVersionQuerySet.as_manager()

    pinned: "Sequence[Runner]" = ()  # set by pages: the runners pinned to this version

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["image", "version"], name="image_version_unique"),
        )

    def __str__(self) -> str:
        return self.version

    @property
    def is_moving(self) -> bool:
        return is_passing(self.state)


class MachineSizeQuerySet(PresentQuerySet["MachineSize"]):
    pass


class MachineSize(ListedModel):
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="machine_sizes")
    github_id = models.CharField(max_length=500)
    cpu_cores = models.BigIntegerField(null=True)
    memory_gb = models.BigIntegerField(null=True)
    storage_gb = models.BigIntegerField(null=True)

    objects = MachineSizeQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "github_id"], name="machine_size_unique"),
        )

    def __str__(self) -> str:
        return self.github_id


class PlatformQuerySet(PresentQuerySet["Platform"]):
    pass


class Platform(ListedModel):
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="platforms")
    github_id = models.CharField(max_length=500, help_text="GitHub's name, for example linux-x64.")

    objects = PlatformQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "github_id"], name="platform_unique"),
        )

    def __str__(self) -> str:
        return self.github_id
