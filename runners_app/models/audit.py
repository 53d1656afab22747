"""The audit log: who asked for what. The database refuses to change it and to delete what is younger than 400 days."""

from django.db import models


class AuditEntry(models.Model):
    """One line. No foreign keys: it must outlive what it tells of."""

    at = models.DateTimeField(db_index=True)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    account_id = models.BigIntegerField(null=True)
    account_name = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = (models.Index(fields=["-at", "-id"], name="audit_by_time"),)

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.subject}"
