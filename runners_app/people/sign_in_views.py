"""Sign in and out, set up the first administrator, and the user's own page.

The pages of second factors and providers are allauth's.
"""

from functools import partial
from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.account.views import (
    LoginView,
    LogoutView,
    PasswordChangeView,
    ReauthenticateView,
)
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.models import Session
from runners_app.people.adapters import has_second_factor
from runners_app.people.forms import SetupForm, SignInForm
from runners_app.people.guesses import TooManyGuesses, begin_guess, hashing
from runners_app.people.people import CannotChange, add_first_administrator
from runners_app.people.sessions import stored_key
from runners_app.people.sign_ins import end_other_sessions, end_session
from runners_app.web.pages import Request
from runners_app.web.proof import OIDC, begin_proof, changes_trust

ends_own = partial(changes_trust, or_signed_in_just_now=True)


class LimitsGuesses:
    """A view with a form that checks a password: limits are checked before anything is hashed."""

    field = "password"
    request: HttpRequest

    def username(self) -> str:
        """Return the name of the user whose password is checked."""
        return str(self.request.user.get_username())

    def is_right(self, form: Any) -> bool:
        """Return whether the password was right, even if the rest of the form is not valid."""
        return bool(form.is_valid())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        view: Any = self
        form = view.get_form()
        if not (request.POST.get(self.field) and self.username()):
            response: HttpResponse = view.form_invalid(form)
            return response

        try:
            with hashing():
                guess = begin_guess(request, self.username())
                is_valid = form.is_valid()
        except TooManyGuesses as error:
            return self.refuse(error)
        if self.is_right(form):
            guess.was_right()
        answer: HttpResponse = view.form_valid(form) if is_valid else view.form_invalid(form)
        return answer

    def refuse(self, error: TooManyGuesses) -> HttpResponse:
        """Answer 429, with the time to wait in Retry-After."""
        view: Any = self
        form = view.get_form_class()(**{**view.get_form_kwargs(), "data": None, "files": None})
        form.cleaned_data = {}
        form.add_error(None, str(error))
        response: HttpResponse = view.render_to_response(view.get_context_data(form=form))
        response.status_code = 429
        response.headers["Retry-After"] = str(error.retry_after)
        return response


class SignIn(LimitsGuesses, LoginView):  # type: ignore[misc]
    """allauth's sign-in with our form; a fresh installation links to the setup page."""

    template_name = "people/sign_in.html"

    def get_form_class(self) -> type[SignInForm]:
        return SignInForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "is_first": not User.objects.exists()}

    def username(self) -> str:
        return self.request.POST.get("username", "")


class Confirm(LimitsGuesses, ReauthenticateView):  # type: ignore[misc]
    """allauth's page that asks for the password again."""


class OwnPassword(LimitsGuesses, PasswordChangeView):  # type: ignore[misc]
    """allauth's page that changes the user's own password."""

    field = "oldpassword"

    def is_right(self, form: Any) -> bool:
        return "oldpassword" not in form.errors


sign_in = login_not_required(require_http_methods(["GET", "HEAD", "POST"])(SignIn.as_view()))
sign_out = login_not_required(require_POST(LogoutView.as_view()))
confirm = sensitive_post_parameters("password")(Confirm.as_view())


@require_http_methods(["GET", "HEAD", "POST"])
def confirm_provider(request: Request) -> HttpResponse:
    """Ask the user's provider to have them sign in again, before a change of trust."""
    own = SocialAccount.objects.filter(user=request.user, provider=OIDC)
    if not settings.OIDC_URL or not own.exists():
        raise Http404
    provider = get_adapter().get_provider(request, OIDC)
    if request.method == "POST":
        return begin_proof(request, provider)
    return render(request, "people/confirm_provider.html", {"provider": provider})


class SignedTokens(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """allauth's adapter, which here verifies the signature of every id token."""

    did_fetch_access_token = property(lambda self: False, lambda self, value: None)


@login_not_required
@require_safe
def oidc_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Where the provider sends the browser back to."""
    try:
        view = OAuth2CallbackView.adapter_view(SignedTokens(request, provider_id))
        answer: HttpResponse = view(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    return answer


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """Add the first administrator, given the setup code, and sign them in.

    404 once any user exists.
    """
    if User.objects.exists():
        raise Http404
    form = SetupForm(request.POST or None)
    if form.is_valid():
        try:
            person = add_first_administrator(
                form.cleaned_data["username"], password=form.cleaned_data["password1"]
            )
        except CannotChange:
            raise Http404 from None
        credentials = {"username": person.username, "password": form.cleaned_data["password1"]}
        answer: HttpResponse = perform_password_login(request, credentials, Login(user=person))
        return answer
    return render(
        request, "people/setup.html", {"form": form}, status=422 if form.is_bound else 200
    )


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: Request) -> HttpResponse:
    """Change your password, which ends your other sessions. 404 without one (SSO only)."""
    if not request.user.has_usable_password():
        raise Http404
    answer: HttpResponse = OwnPassword.as_view()(request)
    return answer


@require_safe
def you(request: Request) -> HttpResponse:
    """The user's own page: access, password, second factors, sessions."""
    accounts = (
        request.user.memberships.select_related("account")
        .prefetch_related("groups")
        .order_by("account__slug")
    )
    providers = " and ".join(provider.name for provider in get_adapter().list_providers(request))
    context = {
        "has_second_factor": has_second_factor(request.user),
        "memberships": accounts,
        "providers": providers,
        "sessions": _own_sessions(request),
        "this_session": stored_key(request.session.session_key),
    }
    return render(request, "people/you.html", context)


def _own_sessions(request: Request) -> QuerySet[Session]:
    rows = Session.objects.filter(user=request.user, expire_date__gt=timezone.now())
    return rows.order_by("-seen_at", "pk")


@require_POST
@ends_own
def session_end(request: Request, key: str) -> HttpResponse:
    """End one of the user's other sessions; `key` is the hash that its row is stored under."""
    row = get_object_or_404(_own_sessions(request), pk=key)
    if row.pk != stored_key(request.session.session_key):
        end_session(row, by=request.user)
        messages.success(request, "The session was ended.")
    return redirect("you")


@require_POST
@ends_own
def sessions_end(request: Request) -> HttpResponse:
    """End the user's other sessions."""
    ended = end_other_sessions(request.user, kept=request.session.session_key)
    messages.success(
        request,
        f"{ended} {'session was' if ended == 1 else 'sessions were'} ended. This one continues.",
    )
    return redirect("you")
