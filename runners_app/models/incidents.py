"""Incidents that GitHub's status page reports, of the components that Trackside depends on."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models

# Without news for so long, nothing is known: the status page could not be read.
SEEN_WITHIN = timedelta(minutes=15)


class IncidentQuerySet(models.QuerySet["Incident"]):
    def current(self, now: datetime) -> Self:
        """Open incidents that the status page listed lately."""
        return self.filter(ended_at=None, seen_at__gt=now - SEEN_WITHIN)


class Incident(models.Model):
    """An incident of a status page. `components` are those affected that Trackside depends on."""

    page = models.CharField(max_length=300)
    key = models.CharField(max_length=100)
    name = models.CharField(max_length=300)
    components = models.JSONField(default=list)
    url = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["page", "key"], name="incident_unique"),)
        ordering = ("-started_at", "pk")

    def __str__(self) -> str:
        return self.name
