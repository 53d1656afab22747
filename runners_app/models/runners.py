"""Runners: GitHub-hosted runner pools as last seen."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Concat, Lower
from django.utils import timezone

from runners_app.models.accounts import Account
from runners_app.models.images import Image
from runners_app.models.listed import ListedModel
from runners_app.models.visibility import PresentQuerySet

IDLE_AFTER = timedelta(days=90)


class RunnerQuerySet(PresentQuerySet["Runner"]):
    def in_transition(self) -> Self:
        return self.present().filter(status__in=Runner.MOVING)

    def idle(self) -> Self:
        """Not used for 90 days. A runner that was never used is not among them."""
        return self.present().filter(last_active_on__lt=timezone.now() - IDLE_AFTER)

    def image_not_offered(self) -> Self:
        """Its image is no longer offered to the account.

        None before the list of that image's source was read for the first time.
        """
        listed = Image.objects.filter(account=OuterRef("account"), source=OuterRef("image_source"))
        offered = listed.present().filter(github_id=OuterRef("image_id"))
        return self.present().exclude(image_id="").filter(Exists(listed), ~Exists(offered))


class Runner(ListedModel):
    """A GitHub-hosted runner: a pool of up to `maximum_runners` machines.

    All machines of a pool have the same name, image, size and group.
    """

    MOVING = ("Provisioning", "Deleting", "Stuck")
    SETTLED = ("Ready", "Shutdown")

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="runners")
    github_id = models.BigIntegerField()
    name = models.CharField(max_length=500)
    status = models.CharField(max_length=500)
    platform = models.CharField(max_length=500, blank=True)
    image_id = models.CharField(max_length=500, blank=True)
    image_source = models.CharField(max_length=500, blank=True)
    image_name = models.CharField(max_length=500, blank=True)
    image_version = models.CharField(max_length=500, blank=True)
    image_size_gb = models.BigIntegerField(null=True)
    size = models.CharField(max_length=500, blank=True)
    cpu_cores = models.BigIntegerField(null=True)
    memory_gb = models.BigIntegerField(null=True)
    storage_gb = models.BigIntegerField(null=True)
    group_id = models.BigIntegerField(
        null=True, help_text="GitHub's id of the group, which may not be readable itself."
    )
    maximum_runners = models.BigIntegerField(null=True)
    static_ip = models.BooleanField(default=False)
    public_ips = models.JSONField(default=list)
    last_active_on = models.DateTimeField(null=True)
    image_gen = models.BooleanField(default=False)

    status_since = models.DateTimeField()
    search_text = models.GeneratedField(
        expression=Lower(Concat("name", Value(" "), "image_name")),
        output_field=models.TextField(),
        db_persist=True,
        help_text="What the search box searches.",
    )

    name_key = models.GeneratedField(
        expression=Lower("name"),
        output_field=models.CharField(max_length=500),
        db_persist=True,
        help_text="Lists are in this order.",
    )

    # Kept in Trackside only.
    owner = models.CharField(
        max_length=200, blank=True, db_default="", help_text="The person or team to ask."
    )
    tags = models.CharField(
        max_length=1000, blank=True, db_default="", help_text="Lower case, joined by spaces."
    )
    note = models.TextField(blank=True, db_default="")

    objects = RunnerQuerySet.as_manager()

    group_name: str = ""  # set by pages, which read the names of all groups at once

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "github_id"], name="runner_unique"),
        )
        indexes = (
            models.Index(fields=["name_key", "id"], name="runner_by_name_key"),
            models.Index(fields=["status", "name_key", "id"], name="runner_by_status_key"),
            models.Index(fields=["account", "name_key", "id"], name="runner_by_account_key"),
            models.Index(fields=["group_id", "name_key", "id"], name="runner_by_group_key"),
            models.Index(fields=["image_id", "account"], name="runner_by_image"),
            models.Index(fields=["static_ip", "name_key", "id"], name="runner_by_static_ip_key"),
            models.Index(
                fields=["name_key", "id"],
                condition=Q(gone_at__isnull=False),
                name="runner_gone_key",
            ),
            models.Index(fields=["cpu_cores", "id"], name="runner_by_size"),
            models.Index(fields=["maximum_runners", "id"], name="runner_by_maximum"),
            models.Index(fields=["last_active_on", "id"], name="runner_by_activity"),
            models.Index(fields=["status_since", "id"], name="runner_by_status_since"),
            models.Index(fields=["first_seen_at", "id"], name="runner_by_first_seen"),
            models.Index(fields=["owner", "name_key", "id"], name="runner_by_owner"),
            models.Index(fields=["tags", "id"], name="runner_by_tags"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def shown_status(self) -> str:
        return "gone" if self.gone_at else self.status

    @property
    def in_status_since(self) -> datetime:
        return self.gone_at or self.status_since

    @property
    def status_start_was_seen(self) -> bool:
        """Whether the status began after Trackside first saw the runner."""
        return self.gone_at is not None or self.status_since > self.first_seen_at

    @property
    def fixed_image_version(self) -> str | None:
        """The image version the runner is pinned to; None if it follows the latest."""
        return None if self.follows_latest else self.image_version

    @property
    def tag_list(self) -> list[str]:
        return self.tags.split()

    @property
    def is_moving(self) -> bool:
        return self.gone_at is None and self.status not in self.SETTLED

    @property
    def follows_latest(self) -> bool:
        """Whether it uses the newest version of its image, which GitHub writes in two ways."""
        return self.image_version in ("", "latest")

    @property
    def ip_ranges(self) -> list[str]:
        """Public ranges in CIDR notation, for example `20.80.208.150/31`."""
        return [cidr for cidr, _ in self.ranges]

    @property
    def ranges(self) -> list[tuple[str, bool]]:
        """Each public range in CIDR notation, and whether GitHub has enabled it."""
        return [
            (f"{ip['prefix']}/{ip.get('length')}", ip.get("enabled") is not False)
            for ip in self.public_ips
            if ip.get("prefix")
        ]
