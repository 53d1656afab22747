"""Signals of signing in: audit entries, start times of sessions, and what ends or renews them."""

import time
from functools import partial
from typing import Any

from allauth.account.signals import authentication_step_completed, password_changed
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from runners_app.models import AuditEntry
from runners_app.people.adapters import mark_of
from runners_app.security import audit
from runners_app.web.addresses import address_of

FAILED = AuditEntry.Action.SIGN_IN_FAILED
BEGAN, SEEN = "began_at", "seen_at"
FACTOR_CHANGES = (
    (authenticator_added, AuditEntry.Action.SECOND_FACTOR_ADDED),
    (authenticator_removed, AuditEntry.Action.SECOND_FACTOR_REMOVED),
    (authenticator_reset, AuditEntry.Action.SECOND_FACTOR_RENEWED),
)
PROVIDER_CHANGES = (
    (social_account_added, AuditEntry.Action.PROVIDER_CONNECTED),
    (social_account_removed, AuditEntry.Action.PROVIDER_DISCONNECTED),
)


def connect_signals() -> None:
    """Connect the receivers, once, when the app is ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="audit sign-in")
    user_logged_out.connect(_signed_out, dispatch_uid="audit sign-out")
    user_login_failed.connect(_failed, dispatch_uid="audit failed sign-in")
    authentication_failed.connect(_factor_failed, dispatch_uid="audit failed second factor")
    authentication_step_completed.connect(_confirmed, dispatch_uid="renew session")
    password_changed.connect(_password_changed, dispatch_uid="audit password")
    for signal, action in FACTOR_CHANGES:
        signal.connect(partial(_factor_changed, action), dispatch_uid=f"audit {action}", weak=False)
    for signal, action in PROVIDER_CHANGES:
        signal.connect(
            partial(_provider_changed, action), dispatch_uid=f"audit {action}", weak=False
        )


def end_sessions(person: User, *, but: str | None = None) -> int:
    """End the user's sessions, for good even if they are enabled again. Return how many.

    `but` is the key of a session to keep.
    """
    ended = 0
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.session_key != but and session.get_decoded().get(SESSION_KEY) == str(person.pk):
            session.delete()
            ended += 1
    return ended


def end_other_sessions(person: User, *, kept: str | None) -> int:
    """End the user's sessions except `kept`, audit it, and return how many there were."""
    ended = end_sessions(person, but=kept)
    audit.record(
        AuditEntry.Action.SESSIONS_ENDED,
        by=person,
        subject=person.get_username(),
        details={"sessions": ended},
    )
    return ended


def _signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    request.session[BEGAN] = request.session[SEEN] = int(time.time())
    audit.record(AuditEntry.Action.SIGN_IN, by=user, details={"address": address_of(request)})


def _signed_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        audit.record(AuditEntry.Action.SIGN_OUT, by=user)


def _failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    username = str(credentials.get("username", ""))
    known = "\0" not in username and User.objects.filter(username=username).exists()
    details: dict[str, object] = {
        "address": address_of(request),
        "name": mark_of(username),
        "known": known,
    }
    audit.record(FAILED, by=None, subject=username if known else "", details=details)


def _factor_failed(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    username = user.get_username()
    details: dict[str, object] = {
        "address": address_of(request),
        "name": mark_of(username),
        "second_factor": True,
    }
    audit.record(FAILED, by=None, subject=username, details=details)


def _confirmed(
    sender: Any, request: HttpRequest, reauthenticated: bool = False, **kwargs: Any
) -> None:
    """Rotate the key after a reauthentication, so that a key copied before becomes worthless."""
    if reauthenticated:
        request.session.cycle_key()


def _password_changed(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    audit.record(AuditEntry.Action.PERSON_PASSWORD_CHANGED, by=user, subject=user.get_username())


def _factor_changed(
    action: AuditEntry.Action,
    sender: Any,
    request: HttpRequest,
    user: User,
    authenticator: Authenticator,
    **kwargs: Any,
) -> None:
    details: dict[str, object] = {"kind": str(Authenticator.Type(authenticator.type).label)}
    audit.record(action, by=user, subject=user.get_username(), details=details)
    end_sessions(user, but=request.session.session_key)


def _provider_changed(
    action: AuditEntry.Action,
    sender: Any,
    request: HttpRequest,
    sociallogin: Any = None,
    socialaccount: Any = None,
    **kwargs: Any,
) -> None:
    row = socialaccount or sociallogin.account
    audit.record(
        action, by=row.user, subject=row.user.get_username(), details={"provider": row.provider}
    )
    if request.user == row.user:  # not during a first sign-in with the provider
        end_sessions(row.user, but=request.session.session_key)
