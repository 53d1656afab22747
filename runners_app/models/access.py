"""Access to runner groups: access lists, runners shared by an enterprise, repositories."""

from django.db import models
from django.db.models.functions import Lower

from runners_app.models.accounts import Account
from runners_app.models.groups import RunnerGroup
from runners_app.models.listed import ListedModel
from runners_app.models.visibility import OwnedQuerySet, PresentQuerySet


class GroupAccess(models.Model):
    """One line of a group's access list.

    A repository if the group belongs to an organization, an organization if to an enterprise.
    """

    group = models.ForeignKey(RunnerGroup, on_delete=models.CASCADE, related_name="access")
    github_id = models.BigIntegerField(help_text="GitHub's id of the repository or organization.")
    name = models.CharField(max_length=500)
    private = models.BooleanField(null=True, help_text="Repositories only.")

    class Meta:
        verbose_name_plural = "group access"
        constraints = (
            models.UniqueConstraint(fields=["group", "github_id"], name="group_access_unique"),
        )
        indexes = (models.Index(fields=["group", "name", "id"], name="group_access_by_name"),)

    def __str__(self) -> str:
        return self.name


class SharedRunner(models.Model):
    """A larger runner of an enterprise in a group that an organization inherits.

    Its values are those that GitHub shows to the organization.
    """

    group = models.ForeignKey(RunnerGroup, on_delete=models.CASCADE, related_name="shared_runners")
    github_id = models.BigIntegerField(help_text="The enterprise's id of the runner.")
    name = models.CharField(max_length=500)
    status = models.CharField(max_length=500)
    size = models.CharField(max_length=500, blank=True)
    platform = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["group", "github_id"], name="shared_runner_unique"),
        )

    def __str__(self) -> str:
        return self.name


class RepositoryQuerySet(PresentQuerySet["Repository"]):
    pass


class Repository(ListedModel):
    """A repository of an organization that the credential may list; the name lacks the owner."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="repositories")
    github_id = models.BigIntegerField()
    name = models.CharField(max_length=500)
    private = models.BooleanField(default=True, help_text="Also true for internal ones.")
    visibility = models.CharField(max_length=500, blank=True)
    archived = models.BooleanField(default=False)

    objects = RepositoryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "repositories"
        constraints = (
            models.UniqueConstraint(fields=["account", "github_id"], name="repository_unique"),
        )
        indexes = (
            models.Index(fields=["account", "name", "id"], name="repository_by_name"),
            models.Index("account", Lower("name"), name="repository_by_lower_name"),
        )

    def __str__(self) -> str:
        return self.name


class SelfHostedRunnerQuerySet(PresentQuerySet["SelfHostedRunner"]):
    pass


class SelfHostedRunner(ListedModel):
    """A self-hosted machine as last seen. Trackside shows its group, and can move or delete it."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="self_hosted_runners"
    )
    github_id = models.BigIntegerField()
    name = models.CharField(max_length=500)
    group_id = models.BigIntegerField(null=True, help_text="GitHub's id of its group.")
    os = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=500, blank=True)
    busy = models.BooleanField(default=False)
    labels = models.JSONField(
        default=list, help_text="[name, type] each; type is read-only or custom."
    )

    objects = SelfHostedRunnerQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "github_id"], name="self_hosted_runner_unique"
            ),
        )
        indexes = (
            models.Index(fields=["account", "group_id", "name"], name="self_hosted_by_group"),
        )

    def __str__(self) -> str:
        return self.name


class AccessCheckQuerySet(OwnedQuerySet["AccessCheck"]):
    def unanswered(self) -> "AccessCheckQuerySet":
        return self.filter(answered_at=None)


class AccessCheck(models.Model):
    """The latest question to GitHub which groups a repository may use, and its answer."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="access_checks")
    repository = models.CharField(
        max_length=100, help_text="Its name without the owner, in lower case."
    )
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=200)
    answered_at = models.DateTimeField(null=True)
    group_ids = models.JSONField(default=list, help_text="GitHub's ids of the groups it may use.")
    refusal = models.TextField(blank=True, help_text="GitHub's words if it refused to answer.")

    objects = AccessCheckQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "repository"], name="access_check_unique"),
        )

    def __str__(self) -> str:
        return f"{self.account}/{self.repository}"
