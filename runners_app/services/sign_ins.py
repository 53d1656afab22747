"""Sign-ins in the audit log, and no more guesses after too many that failed."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from runners_app.models import AuditEntry
from runners_app.services import audit

FAILED = "sign_in.failed"
FAILURES_ALLOWED = 10
WITHIN = timedelta(minutes=15)


def connect_signals() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="audit sign-in")
    user_logged_out.connect(_signed_out, dispatch_uid="audit sign-out")
    user_login_failed.connect(_failed, dispatch_uid="audit failed sign-in")


def is_throttled(username: str, address: str) -> bool:
    """Whether so many sign-ins with this name failed from this address that none is tried for a while.

    By address too, so that guessing from elsewhere does not keep the person out.
    """
    failures = AuditEntry.objects.filter(
        action=FAILED, at__gt=timezone.now() - WITHIN, details__name=_mark(username), details__address=address
    )
    return failures.count() >= FAILURES_ALLOWED


def address_of(request: HttpRequest | None) -> str:
    return request.META.get("REMOTE_ADDR", "") if request else ""


def _mark(username: str) -> str:
    """Tells equal names apart from others without storing them: people type passwords into the wrong field."""
    return salted_hmac("failed sign-in", username.casefold()).hexdigest()[:16]


def _signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    audit.record("sign_in", by=user, details={"address": address_of(request)})


def _signed_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        audit.record("sign_out", by=user)


def _failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    username = str(credentials.get("username", ""))
    known = User.objects.filter(username=username).exists()
    details: dict[str, object] = {"address": address_of(request), "name": _mark(username), "known": known}
    audit.record(FAILED, by=None, subject=username if known else "", details=details)
