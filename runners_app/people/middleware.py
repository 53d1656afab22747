"""Middleware: age of sessions, required second factors, providers' errors, response headers."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from allauth.socialaccount.helpers import render_authentication_error
from django.conf import settings
from django.contrib.auth import logout
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from requests import RequestException

from runners_app.models import AuditEntry
from runners_app.people.adapters import has_second_factor
from runners_app.people.guesses import remember_browser
from runners_app.people.sessions import ADDRESS, BEGAN, SEEN
from runners_app.security import audit
from runners_app.security.outgoing import NotReached
from runners_app.security.redaction import hide, hide_address
from runners_app.web.addresses import address_of

GetResponse = Callable[[HttpRequest], HttpResponse]
log = logging.getLogger(__name__)
SEEN_EVERY_SECONDS = 60
MOST_REFUSALS = 30
ALLAUTH_PAGES, PROVIDERS = ("/sign-in/disabled/", "/sign-in/with/", "/you/"), "/sign-in/with/"
ALLAUTH_METHODS = ("GET", "HEAD", "POST")
# Raised when a provider's answer has a shape allauth does not expect or does not fit a column, or
# by a bug of ours. allauth raises ImproperlyConfigured if a user's id is too long.
ODD_ANSWERS = (KeyError, TypeError, ValueError, AttributeError, DataError, ImproperlyConfigured)
TYPED_SECRETS = frozenset(
    {
        "address",
        "code",
        "credential",
        "new_password1",
        "new_password2",
        "oldpassword",
        "password",
        "password1",
        "password2",
        "private_key",
        "token",
    }
)
LONGEST_TYPED, GREATEST_NUMBER = 4_000, 2**63 - 1  # a private key of 4096 bits is shorter
WITHOUT_SECOND_FACTOR = ("/you/", "/sign-out/")


def session_age(get_response: GetResponse) -> GetResponse:
    """End a session after SESSION_IDLE_SECONDS without use, and after SESSION_COOKIE_AGE anyway.

    Polls do not count as use.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now, session = int(time.time()), request.session
            began, seen = session.get(BEGAN, now), session.get(SEEN, now)
            if (
                now - began >= settings.SESSION_COOKIE_AGE
                or now - seen >= settings.SESSION_IDLE_SECONDS
            ):
                logout(request)
            elif BEGAN not in session or (
                now - seen >= SEEN_EVERY_SECONDS and not _is_poll(request)
            ):
                session[BEGAN], session[SEEN] = began, now
                session[ADDRESS] = address_of(request)
                session.set_expiry(max(1, began + settings.SESSION_COOKIE_AGE - now))
        return get_response(request)

    return middleware


def _is_poll(request: HttpRequest) -> bool:
    return "version" in request.GET and request.headers.get("HX-Request") == "true"


def second_factor(get_response: GetResponse) -> GetResponse:
    """With REQUIRE_MFA_FOR_ADMINS, send administrators without a second factor to its setup."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.REQUIRE_MFA_FOR_ADMINS and not request.path.startswith(WITHOUT_SECOND_FACTOR):
            person = request.user
            if person.is_authenticated and person.is_superuser and not has_second_factor(person):
                return redirect("mfa_index")
        return get_response(request)

    return middleware


class SignInBroke(Exception):
    """Logged instead of an exception whose message may hold what a provider sent."""


class SignInPages:
    """Guard allauth's pages: allowed methods, configured providers, and errors of providers."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        """Runs after the middleware that requires a signed-in user."""
        if request.path.startswith(PROVIDERS):
            if not _is_configured(request.path.split("/")[3]):
                raise Http404
            request.GET = _without_provider_options(request.GET)  # type: ignore[assignment]
        if request.path.startswith(ALLAUTH_PAGES) and request.method not in ALLAUTH_METHODS:
            return HttpResponseNotAllowed(ALLAUTH_METHODS)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Show a page with a next step if a provider is down or sends an unexpected answer."""
        if not request.path.startswith(PROVIDERS) or not isinstance(
            error, (RequestException, *ODD_ANSWERS)
        ):
            return None
        if isinstance(error, NotReached):  # words of ours, while others' may hold a code
            log.warning("A provider of sign-in was not reached: %s", error)
        elif not isinstance(error, RequestException):
            where = SignInBroke(type(error).__name__).with_traceback(error.__traceback__)
            log.error(
                "Signing in with a provider broke: unexpected answer, or a bug in Trackside",
                exc_info=where,
            )
        answer: HttpResponse = render_authentication_error(request, None, exception=error)
        return answer


def _without_provider_options(query: QueryDict) -> QueryDict:
    """Drop options that would let the author of a link choose what we ask a provider for."""
    kept = query.copy()
    for name in ("scope", "auth_params"):
        kept.pop(name, None)
    return kept


class BeforeViews:
    """404 for ids beyond any database's range; register typed secrets for redaction from logs."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, args: object, numbers: dict[str, object]
    ) -> None:
        if any(isinstance(number, int) and number > GREATEST_NUMBER for number in numbers.values()):
            raise Http404
        if request.method == "POST":
            for name in TYPED_SECRETS & request.POST.keys():
                # The last of several values, the one that forms use.
                typed = request.POST.get(name, "")[:LONGEST_TYPED]
                (hide_address if name == "address" else hide)(typed, "typed")

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        """Audit what a signed-in user was refused, the first of many within a minute."""
        if not isinstance(error, PermissionDenied) or not request.user.is_authenticated:
            return
        recent = AuditEntry.objects.filter(
            at__gt=timezone.now() - timedelta(minutes=1),
            action=AuditEntry.Action.ACCESS_REFUSED,
            actor_id=request.user.pk,
        )
        if recent[:MOST_REFUSALS].count() < MOST_REFUSALS:
            audit.record(
                AuditEntry.Action.ACCESS_REFUSED,
                by=request.user,
                subject=f"{request.method} {request.path}",
                details={"reason": str(error)[:300], "address": address_of(request)},
            )


def _is_configured(provider: str) -> bool:
    apps = [app for kind in settings.SOCIALACCOUNT_PROVIDERS.values() for app in kind["APPS"]]
    if provider == "github":
        return bool(settings.SOCIALACCOUNT_PROVIDERS["github"]["APPS"])
    if provider == "oidc":
        return bool(settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"])
    return bool(apps) and provider in ("login", "signup", "")


def page_headers(get_response: GetResponse) -> GetResponse:
    """Set Vary (an address answers with a page or a fragment) and, if signed in, no-store."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Not on server errors: reading the user may fail again.
        if response.status_code < 500:
            if response.headers.get("Content-Type", "").startswith("text/html"):
                patch_vary_headers(response, ["HX-Request"])
            if request.user.is_authenticated:
                response.headers["Cache-Control"] = "no-store"
        if signed_in_as := getattr(request, "signed_in_as", ""):
            remember_browser(request, response, signed_in_as)
        return response

    return middleware
