"""Pages of API tokens: users create and revoke their own, administrators revoke any."""

from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.api.forms import TokenForm
from runners_app.api.tokens import create_token, revoke_token
from runners_app.models import ApiToken
from runners_app.web.pages import Request, administrator_or_403


@require_http_methods(["GET", "HEAD", "POST"])
def your_tokens(request: Request) -> HttpResponse:
    """The user's tokens, and a form for a new one. Its text is in this one response only."""
    text = ""
    form = TokenForm(request.POST or None, owner=request.user)
    if form.is_valid():
        # A session alone may be stolen, and a token would outlive it.
        if is_reauthentication_required(request, app=""):
            raise ReauthenticationRequired
        data = form.cleaned_data
        _, text = create_token(
            request.user,
            name=data["name"],
            scopes=data["scopes"],
            access=form.access,
            addresses=data["addresses"],
            days=data["days"],
            by=request.user,
        )
        form = TokenForm(owner=request.user)
    context = {"form": form, "tokens": _listed(request.user.api_tokens.all()), "text": text}
    status = 422 if form.is_bound else 200
    return render(request, "api/your_tokens.html", context, status=status)


@require_POST
def your_token_revoke(request: Request, pk: int) -> HttpResponse:
    token = get_object_or_404(request.user.api_tokens, pk=pk)
    revoke_token(token, by=request.user)
    messages.success(request, f"{token} is revoked.")
    return redirect("your-tokens")


@require_safe
def tokens(request: Request) -> HttpResponse:
    """The tokens of all users, for administrators."""
    administrator_or_403(request)
    rows = _listed(ApiToken.objects.select_related("owner"))
    return render(request, "api/tokens.html", {"tokens": rows})


@require_POST
def token_revoke(request: Request, pk: int) -> HttpResponse:
    administrator_or_403(request)
    token = get_object_or_404(ApiToken.objects.select_related("owner"), pk=pk)
    revoke_token(token, by=request.user)
    messages.success(request, f"{token} of {token.owner} is revoked.")
    return redirect("tokens")


def _listed(rows: "QuerySet[ApiToken]") -> list[ApiToken]:
    return list(rows.prefetch_related("access__account", "access__groups"))
