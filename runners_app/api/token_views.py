"""Pages of API tokens: users create and revoke their own, administrators revoke any."""

from functools import partial

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app.api.forms import TokenForm
from runners_app.api.tokens import create_token, revoke_token
from runners_app.models import ApiToken
from runners_app.web.pages import Request, administrator_or_403, only_administrators
from runners_app.web.proof import changes_trust, is_post


@require_http_methods(["GET", "HEAD", "POST"])
@partial(changes_trust, when=is_post)
def your_tokens(request: Request) -> HttpResponse:
    """The user's tokens, and a form for a new one. Its text is in this one response only."""
    text = ""
    form = TokenForm(request.POST or None, owner=request.user)
    if form.is_valid():
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
@partial(changes_trust, or_signed_in_just_now=True)
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
@only_administrators
@changes_trust
def token_revoke(request: Request, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken.objects.select_related("owner"), pk=pk)
    revoke_token(token, by=request.user)
    messages.success(request, f"{token} of {token.owner} is revoked.")
    return redirect("tokens")


def _listed(rows: "QuerySet[ApiToken]") -> list[ApiToken]:
    return list(rows.prefetch_related("access__account", "access__groups"))
