"""The lease of a credential: one worker at a time, over all its accounts and all worker processes.

A worker that dies keeps its lease for LEASE_SECONDS at most. Nobody takes over a lease that still
holds, not even the same task delivered twice: two workers with one token would both believe that
they are alone.
"""

import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from runners_app.models import Credential
from runners_app.models.credentials import CredentialQuerySet

SAFE_METHODS = ("GET", "HEAD")
JUST_TAKEN_SECONDS = 1.0


class LeaseLost(Exception):
    """Another worker took over, or an account was taken from the credential: stop without
    publishing anything.
    """


@dataclass
class Lease:
    """Held by one worker. `pending` are facts from answers, written with the next renewal to save a
    write each.
    """

    credential_id: int
    token: str
    pending: dict[str, object] = field(default_factory=dict)
    taken_at: float = field(default_factory=time.monotonic)

    def before_request(self, method: str) -> None:
        """Wait for the turn of a write, and renew what is older than a moment. Raises LeaseLost."""
        if method not in SAFE_METHODS:
            time.sleep(self._seconds_until_next_write())
            self.book_write()
        if self.pending or time.monotonic() - self.taken_at > JUST_TAKEN_SECONDS:
            self.renew()

    def book_write(self) -> None:
        """The next write keeps its distance from now on: called just before a write leaves and when
        it has ended.
        """
        self.pending["next_write_at"] = timezone.now() + _spacing()

    def _seconds_until_next_write(self) -> float:
        booked = (
            self.pending.get("next_write_at")
            or self._mine().values_list("next_write_at", flat=True).first()
        )
        if not isinstance(booked, datetime):
            return 0.0
        return min(max((booked - timezone.now()).total_seconds(), 0.0), _spacing().total_seconds())

    def renew(self) -> None:
        """Before each request. Raises LeaseLost."""
        until = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)
        facts, self.pending = self.pending, {}
        if not self._mine().update(lease_expires_at=until, **facts):
            raise LeaseLost

    def check(self) -> Credential:
        """Inside a publishing transaction: locks the credential until it ends, and answers its rate
        budget alone.

        Raises LeaseLost.
        """
        budget = self._mine().only("rate_limit", "rate_remaining", "rate_reset_at")
        credential = next(iter(budget.select_for_update()), None)
        if credential is None:
            raise LeaseLost
        return credential

    def release(self) -> None:
        facts, self.pending = self.pending, {}
        self._mine().update(lease_token="", lease_expires_at=None, **facts)

    def _mine(self) -> CredentialQuerySet:
        return Credential.objects.filter(pk=self.credential_id, lease_token=self.token)


def take_lease(credential_id: int, holder: str) -> Lease | None:
    """The lease, or nothing while somebody holds it. `holder` only tells people whose it is."""
    now = timezone.now()
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    token = f"{holder[:40]}/{secrets.token_hex(8)}"
    taken_at = time.monotonic()
    until = now + timedelta(seconds=settings.LEASE_SECONDS)
    taken = Credential.objects.filter(free, pk=credential_id).update(
        lease_token=token, lease_expires_at=until
    )
    return Lease(credential_id, token, taken_at=taken_at) if taken else None


def end_lease(credential: Credential) -> None:
    """Whoever works with it publishes nothing more. It stays taken for as long as a request under
    way may last.
    """
    Credential.objects.filter(pk=credential.pk).update(lease_token="")


def _spacing() -> timedelta:
    return timedelta(seconds=settings.WRITE_SPACING_SECONDS)
