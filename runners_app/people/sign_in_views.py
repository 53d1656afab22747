"""Sign in and out, set up the first administrator, and the user's own page.

The pages of second factors and providers are allauth's.
"""

from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.views import LoginView, LogoutView
from allauth.account.views import password_change as allauth_password
from allauth.socialaccount.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.people.adapters import has_second_factor
from runners_app.people.forms import SetupForm, SignInForm
from runners_app.people.people import CannotChange, add_first_administrator
from runners_app.people.sign_ins import end_other_sessions
from runners_app.web.pages import Request


class SignIn(LoginView):  # type: ignore[misc]
    """allauth's sign-in with our form; a fresh installation links to the setup page."""

    template_name = "people/sign_in.html"

    def get_form_class(self) -> type[SignInForm]:
        return SignInForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "is_first": not User.objects.exists()}


sign_in = login_not_required(require_http_methods(["GET", "HEAD", "POST"])(SignIn.as_view()))
sign_out = login_not_required(require_POST(LogoutView.as_view()))


def locked_out(
    request: HttpRequest, response: HttpResponse, credentials: dict[str, Any]
) -> HttpResponse:
    """The response instead of the page, after too many failed sign-ins."""
    form = SignInForm(request=request)
    form.cleaned_data = {}
    form.add_error(None, "Too many sign-ins failed. Wait a quarter of an hour, then try again.")
    return render(request, "people/sign_in.html", {"form": form}, status=429)


@login_not_required
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """Add the first administrator, given the setup code. 404 once any user exists."""
    if User.objects.exists():
        raise Http404
    form = SetupForm(request.POST or None)
    if form.is_valid():
        try:
            add_first_administrator(
                form.cleaned_data["username"], password=form.cleaned_data["password1"]
            )
        except CannotChange:
            raise Http404 from None
        return redirect("sign-in")
    return render(
        request, "people/setup.html", {"form": form}, status=422 if form.is_bound else 200
    )


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: Request) -> HttpResponse:
    """Change your password, which ends your other sessions. 404 without one (SSO only)."""
    if not request.user.has_usable_password():
        raise Http404
    answer: HttpResponse = allauth_password(request)
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
    }
    return render(request, "people/you.html", context)


@require_POST
@reauthentication_required  # type: ignore[untyped-decorator]
def sessions_end(request: Request) -> HttpResponse:
    """End the user's other sessions."""
    ended = end_other_sessions(request.user, kept=request.session.session_key)
    messages.success(
        request,
        f"{ended} {'session was' if ended == 1 else 'sessions were'} ended. This one continues.",
    )
    return redirect("you")
