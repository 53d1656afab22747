"""The lease of a credential: one worker at a time, over all its accounts and all worker processes.

A worker that dies keeps its lease for LEASE_SECONDS at most; the same task delivered twice carries the same token and
may take its own lease again.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from runners_app.models import Credential
from runners_app.models.credentials import CredentialQuerySet


class LeaseLost(Exception):
    """Another worker took over, so this one must stop without publishing anything."""


@dataclass
class Lease:
    """Held by one worker. `pending` are facts from answers, written with the next renewal to save a write each."""

    credential_id: int
    token: str
    pending: dict[str, object] = field(default_factory=dict)

    def renew(self) -> None:
        """Before each request. Raises LeaseLost."""
        until = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)
        facts, self.pending = self.pending, {}
        if not self._mine().update(lease_expires_at=until, **facts):
            raise LeaseLost

    def check(self) -> None:
        """Inside a publishing transaction: locks the credential until it ends. Raises LeaseLost."""
        if not self._mine().select_for_update().values_list("pk").first():
            raise LeaseLost

    def release(self) -> None:
        facts, self.pending = self.pending, {}
        self._mine().update(lease_token="", lease_expires_at=None, **facts)

    def _mine(self) -> CredentialQuerySet:
        return Credential.objects.filter(pk=self.credential_id, lease_token=self.token)


def take_lease(credential_id: int, token: str) -> Lease | None:
    """The lease, or nothing while somebody else holds it."""
    now = timezone.now()
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now) | Q(lease_token=token)
    until = now + timedelta(seconds=settings.LEASE_SECONDS)
    taken = Credential.objects.filter(free, pk=credential_id).update(lease_token=token, lease_expires_at=until)
    return Lease(credential_id, token) if taken else None


def earliest_write(credential_id: int) -> float:
    """Seconds to wait until this credential may write again; and books the write that follows."""
    now = timezone.now()
    spacing = timedelta(seconds=settings.WRITE_SPACING_SECONDS)
    planned = Credential.objects.filter(pk=credential_id).values_list("next_write_at", flat=True).get() or now
    at = max(planned, now)
    Credential.objects.filter(pk=credential_id).update(next_write_at=at + spacing)
    return (at - now).total_seconds()
