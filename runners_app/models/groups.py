"""Runner groups: which repositories or organizations may use which runners."""

from django.db import models

from runners_app.models.accounts import Account
from runners_app.models.visibility import PresentQuerySet


class RunnerGroupQuerySet(PresentQuerySet["RunnerGroup"]):
    pass


class RunnerGroup(models.Model):
    """A runner group as last seen. An enterprise's group appears in its organizations with ids of
    their own.
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
        help_text="Whether the enterprise allows them in the group it shares; empty where GitHub is silent.",
    )
    restricted_to_workflows = models.BooleanField(default=False)
    selected_workflows = models.JSONField(default=list)
    workflow_restrictions_read_only = models.BooleanField(default=False)
    network_configuration_id = models.CharField(max_length=500, blank=True)
    access_observed_at = models.DateTimeField(
        null=True,
        help_text="When its access list was last written here; empty while it was never read.",
    )

    row_hash = models.CharField(max_length=64, blank=True)
    observed_at = models.DateTimeField()
    first_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    objects = RunnerGroupQuerySet.as_manager()

    # Filled by whoever reads many rows at once.
    runners_count: int = 0
    is_listed: bool = False  # whether the access list holds what one asks about
    is_seen: bool = False  # whether the person who asks sees this group of the account

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "github_id"], name="group_unique"),
        )
        indexes = (models.Index(fields=["name", "id"], name="group_by_name"),)

    def __str__(self) -> str:
        return self.name

    @property
    def admits_public_repositories(self) -> bool:
        """The organization's own switch, and the enterprise's where it shares the group."""
        return (
            self.allows_public_repositories
            and self.inherited_allows_public_repositories is not False
        )

    @property
    def has_access_list(self) -> bool:
        return self.visibility == "selected"
