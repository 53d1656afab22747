"""The lease of a credential: one worker at a time for all its accounts, over all processes.

A worker that dies keeps its lease for LEASE_SECONDS at most. A valid lease is never taken over,
not even by the same task delivered twice: two workers with one token would both believe that they
are alone.
"""

import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event

from django.conf import settings
from django.db.models import Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from runners_app.github.clock import uptime
from runners_app.models import Credential
from runners_app.models.clock import database_now
from runners_app.models.credentials import CredentialQuerySet

SAFE_METHODS = ("GET", "HEAD")
JUST_RENEWED_SECONDS = 1.0


_stopping = Event()


class LeaseLost(Exception):
    """The lease is held by another worker, or was ended: stop without publishing anything."""


class Stopping(LeaseLost):
    """This worker was asked to stop. The request was not sent; another worker goes on from here."""


def stop_requests() -> None:
    """Let the request under way finish, and refuse all further ones of this process."""
    _stopping.set()


def accept_requests() -> None:
    """Undo `stop_requests`, for workers that tests run in their own process."""
    _stopping.clear()


@dataclass
class Lease:
    """A lease held by one worker.

    `pending` are columns of the credential learned from answers; they are written with the next
    renewal to save an UPDATE each. `renewed_at`, by `uptime()`, is from before the UPDATE that took
    or renewed the lease, so that it never seems to last longer than it does.
    """

    credential_id: int
    token: str
    renewed_at: float = field(default_factory=uptime)
    pending: dict[str, object] = field(default_factory=dict)

    def before_request(self, method: str) -> float:
        """Wait until a write may be sent; renew the lease unless it is new.

        Raises LeaseLost, and Stopping once this worker was asked to stop.

        Returns when the lease ends, by `uptime()`: no byte of the request may leave after that.
        """
        if _stopping.is_set():
            raise Stopping
        if method not in SAFE_METHODS:
            time.sleep(self._seconds_until_next_write())
            self.book_write()
        if self.pending or uptime() - self.renewed_at > JUST_RENEWED_SECONDS:
            self.renew()
        seconds: float = settings.LEASE_SECONDS
        return self.renewed_at + seconds

    def book_write(self) -> None:
        """Keep the next write at a distance; called before a write is sent and after it ended."""
        self.pending["next_write_at"] = database_now() + _spacing()

    def note_progress(self) -> None:
        """GitHub answered a write: what else waits for this credential is not stale."""
        self.pending["progress_at"] = database_now()

    def _seconds_until_next_write(self) -> float:
        booked = (
            self.pending.get("next_write_at")
            or self._mine().values_list("next_write_at", flat=True).first()
        )
        if not isinstance(booked, datetime):
            return 0.0
        return min(max((booked - database_now()).total_seconds(), 0.0), _spacing().total_seconds())

    def renew(self) -> None:
        """Extend the lease and write what is pending. Raises LeaseLost."""
        renewed_at = uptime()
        facts, self.pending = self.pending, {}
        if not self._mine().update(lease_expires_at=_full_length(), **facts):
            raise LeaseLost
        self.renewed_at = renewed_at

    def check(self) -> Credential:
        """Lock the credential until the transaction ends; only its rate budget is loaded.

        Call it first in each publishing transaction. Raises LeaseLost.
        """
        budget = self._mine().only("rate_limit", "rate_remaining", "rate_reset_at")
        # NO KEY: a transaction that holds an account checks its foreign key when it commits, and
        # would otherwise wait for a worker that waits for the account.
        credential = next(iter(budget.select_for_update(no_key=True)), None)
        if credential is None:
            raise LeaseLost
        return credential

    def release(self) -> None:
        """Give the lease back and write what is pending; does nothing if it is lost."""
        facts, self.pending = self.pending, {}
        self._mine().update(lease_token="", lease_expires_at=None, **facts)

    def _mine(self) -> CredentialQuerySet:
        return Credential.objects.filter(pk=self.credential_id, lease_token=self.token)


def take_lease(credential_id: int, holder: str) -> Lease | None:
    """The lease, or None while another worker holds it. `holder` names the worker for people."""
    renewed_at = uptime()
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=Now())
    token = f"{holder[:40]}/{secrets.token_hex(8)}"
    taken = Credential.objects.filter(free, pk=credential_id).update(
        lease_token=token, lease_expires_at=_full_length()
    )
    return Lease(credential_id, token, renewed_at) if taken else None


def end_lease(credential: Credential) -> None:
    """Keep the worker of this credential from publishing anything more.

    The lease expires at its time and not now, because a request may still be under way.
    """
    Credential.objects.filter(pk=credential.pk).update(lease_token="")


def _full_length() -> Combinable:
    """The end of a lease that begins now, by the database's clock."""
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


def _spacing() -> timedelta:
    return timedelta(seconds=settings.WRITE_SPACING_SECONDS)
