"""Sign-ins in the audit log, when a session began, and ending the sessions of somebody who is disabled."""

import time
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from runners_app.services import audit
from runners_app.sign_in import address_of, mark_of

FAILED = "sign_in.failed"
BEGAN, SEEN = "began_at", "seen_at"


def connect_signals() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="audit sign-in")
    user_logged_out.connect(_signed_out, dispatch_uid="audit sign-out")
    user_login_failed.connect(_failed, dispatch_uid="audit failed sign-in")


def end_sessions(person: User) -> None:
    """Everywhere and for good, also should the person be let in again."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get(SESSION_KEY) == str(person.pk):
            session.delete()


def _signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    request.session[BEGAN] = request.session[SEEN] = int(time.time())
    audit.record("sign_in", by=user, details={"address": address_of(request)})


def _signed_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        audit.record("sign_out", by=user)


def _failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    username = str(credentials.get("username", ""))
    known = "\0" not in username and User.objects.filter(username=username).exists()
    details: dict[str, object] = {"address": address_of(request), "name": mark_of(username), "known": known}
    audit.record(FAILED, by=None, subject=username if known else "", details=details)
