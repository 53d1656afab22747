"""Signals of signing in: audit entries, start times of sessions, and what ends or renews them."""

import logging
import time
from datetime import timedelta
from functools import partial
from typing import Any

from allauth.account.signals import authentication_step_completed, password_changed
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
    authenticator_used,
)
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import PermissionDenied
from django.db.models.signals import post_save
from django.http import HttpRequest
from django.utils import timezone

from runners_app.models import AuditEntry, Session
from runners_app.people.adapters import mark_of
from runners_app.people.factors import NotBound, bind, check_bound
from runners_app.people.sessions import ADDRESS, BEGAN, BROWSER, SEEN, stored_key
from runners_app.security import audit
from runners_app.web.addresses import address_of

log = logging.getLogger(__name__)
FAILED = AuditEntry.Action.SIGN_IN_FAILED
FORGIVEN_FAILURES = 2  # mistyped by the user, most likely
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
    post_save.connect(_factor_saved, sender=Authenticator, dispatch_uid="bind second factor")
    authenticator_used.connect(_factor_used, dispatch_uid="check second factor")
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
    running = Session.objects.filter(user=person, expire_date__gt=timezone.now())
    return running.exclude(pk=stored_key(but)).delete()[0]


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


def end_session(session: Session, *, by: User) -> None:
    """End one of the user's own sessions, and audit it."""
    session.delete()
    details: dict[str, object] = {"sessions": 1, "address": session.address}
    audit.record(
        AuditEntry.Action.SESSIONS_ENDED, by=by, subject=by.get_username(), details=details
    )


def _signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    request.session[BEGAN] = request.session[SEEN] = int(time.time())
    request.session[ADDRESS] = address_of(request)
    request.session[BROWSER] = request.headers.get("User-Agent", "")[:200]
    request.signed_in_as = user.get_username()  # type: ignore[attr-defined] # for the middleware
    _tell_of_failures(request, user)
    audit.record(AuditEntry.Action.SIGN_IN, by=user, details={"address": address_of(request)})


def _tell_of_failures(request: HttpRequest, user: User) -> None:
    """Show how many sign-ins with this name failed since the last one that worked."""
    entries = AuditEntry.objects.filter(at__gt=timezone.now() - timedelta(days=30))
    last = (
        entries.filter(action=AuditEntry.Action.SIGN_IN, actor_id=user.pk).order_by("-at").first()
    )
    failed = entries.filter(action=FAILED, subject=user.get_username())
    if last is None or not hasattr(request, "_messages"):
        return
    if (count := failed.filter(at__gt=last.at).count()) > FORGIVEN_FAILURES:
        messages.warning(
            request,
            f"{count} sign-ins with your name failed since {last.at:%d %B, %H:%M} UTC. "
            "If that was not you, change your password and tell an administrator.",
        )


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


def _factor_saved(
    sender: Any, instance: Authenticator, created: bool = False, raw: bool = False, **kwargs: Any
) -> None:
    if created and not raw:
        bind(instance)


def _factor_used(
    sender: Any, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    """Refuse a second factor that is not its user's, before it signs in or confirms anything."""
    try:
        check_bound(authenticator)
    except NotBound as error:
        log.error("A second factor was refused: %s", error)
        _factor_failed(sender, request, user)
        request.session.flush()
        raise PermissionDenied(
            "This second factor was not set up by you. Ask an administrator to remove it."
        ) from None


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
