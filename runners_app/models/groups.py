"""Runner groups: which repositories or organizations may use which runners."""

from django.db import models

from runners_app.models.accounts import Account
from runners_app.models.listed import ListedModel
from runners_app.models.visibility import PresentQuerySet


class RunnerGroupQuerySet(PresentQuerySet["RunnerGroup"]):
    pass


class RunnerGroup(ListedModel):
    """A runner group as last seen.

    A group shared by an enterprise appears in each organization under an id of the organization.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="groups")
    github_id = models.BigIntegerField()
    name = models.CharField(max_length=500)
    visibility = models.CharField(max_length=500, blank=True)
    default = models.BooleanField(default=False)
    inherited = models.BooleanField(default=False)
    allows_public_repositories = models.BooleanField(default=False)
    inherited_allows_public_repositories = models.BooleanField(
        null=True,
        help_text="The enterprise's setting for a group it shares; empty if GitHub does not say.",
    )
    restricted_to_workflows = models.BooleanField(default=False)
    selected_workflows = models.JSONField(default=list)
    workflow_restrictions_read_only = models.BooleanField(default=False)
    network_configuration_id = models.CharField(max_length=500, blank=True)
    access_observed_at = models.DateTimeField(
        null=True,
        help_text="When its access list was last written; empty before the first reading.",
    )
    access_missing_since = models.DateTimeField(
        null=True, help_text="Since when a list lacks lines that are shown until this is proven."
    )

    # Kept in Trackside only.
    owner = models.CharField(
        max_length=200, blank=True, db_default="", help_text="The person or team to ask."
    )
    tags = models.CharField(
        max_length=1000, blank=True, db_default="", help_text="Lower case, joined by spaces."
    )
    note = models.TextField(blank=True, db_default="")

    objects = RunnerGroupQuerySet.as_manager()

    # Set by code that reads many rows at once.
    runners_count: int = 0
    is_listed: bool = False  # whether the access list holds the repository in question
    is_seen: bool = False  # whether the current user may see this group

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "github_id"], name="group_unique"),
        )
        indexes = (models.Index(fields=["name", "id"], name="group_by_name"),)

    def __str__(self) -> str:
        return self.name

    @property
    def admits_public_repositories(self) -> bool:
        """Whether the organization allows them and, for a shared group, the enterprise does too."""
        return (
            self.allows_public_repositories
            and self.inherited_allows_public_repositories is not False
        )

    @property
    def tag_list(self) -> list[str]:
        return self.tags.split()

    @property
    def has_access_list(self) -> bool:
        return self.visibility == "selected"
