"""Proof of who is signed in, once more, before a change of trust: a session may be stolen.

A password or second factor enrolled here proves it on allauth's pages. A user who has neither is
asked by their OpenID Connect provider, whose signed token says when. GitHub's sign-in is OAuth and
cannot be asked, so its users must enrol a second factor here first.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.account.internal.flows.reauthentication import (
    get_reauthentication_flows,
    resume_request,
    suspend_request,
)
from allauth.core.exceptions import ReauthenticationRequired
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import URLResolver, reverse

if TYPE_CHECKING:
    from allauth.socialaccount.models import SocialLogin

View = Callable[..., HttpResponse]
Condition = Callable[[HttpRequest], bool]

OIDC = "oidc"
# Fields of secrets that a form cannot do without: it is shown again, and asks for them.
SECRETS = frozenset(
    {"new_password1", "new_password2", "password1", "password2", "private_key", "token"}
)
# Ways of signing in that ask the user here and now, as allauth names them.
ASKED_HERE = ("password", "mfa")
CONFIRMS, AT, NEXT = "confirms", "at", "next"
CLOCKS_DIFFER_SECONDS = 30
ENROL_FIRST = (
    "Your provider cannot be asked to prove again who you are. Set up an authenticator app or a "
    "passkey on your own page first, within five minutes of signing in."
)


def changes_trust(
    view: View, *, when: Condition | None = None, or_signed_in_just_now: bool = False
) -> View:
    """Decorate a view that changes what anyone may do, how they sign in, or what holds a secret.

    Every such view has it, and `tests/people/test_changes_of_trust.py` walks them. Put it below the
    check of who may. With `when`, only these requests change something. What was sent waits in the
    session during the proof, except for secrets. `or_signed_in_just_now` is for what users of a
    provider that cannot be asked must be able to do: enrol, and end what is theirs.
    """

    @wraps(view)
    def asks_for_proof(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if when is not None and not when(request):
            return view(request, *args, **kwargs)
        proof = _ask_for_proof(request, or_signed_in_just_now=or_signed_in_just_now)
        return proof or view(request, *args, **kwargs)

    asks_for_proof.changes_trust = True  # type: ignore[attr-defined] # for the test
    return asks_for_proof


def is_post(request: HttpRequest) -> bool:
    """Of a page that shows something without a proof, and changes it with one."""
    return request.method == "POST"


def with_proof(
    patterns: list[Any], names: frozenset[str], *, when: Condition | None = None
) -> list[Any]:
    """The same URL patterns of allauth's, whose views of these names are decorated.

    Those are ways to sign in, so a recent sign-in is enough for users whose provider cannot be
    asked: they could never enrol otherwise.
    """
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            with_proof(pattern.url_patterns, names, when=when)
        elif pattern.name in names:
            pattern.callback = changes_trust(
                pattern.callback, when=when, or_signed_in_just_now=True
            )
    return patterns


def _ask_for_proof(request: HttpRequest, *, or_signed_in_just_now: bool) -> HttpResponse | None:
    """Return None for a user who proved who they are within five minutes, or else where to do it.

    Signing in with a password or second factor is such a proof. Signing in with a provider is none:
    it may have remembered the user, or whoever sits at their browser, for days.

    Raises ReauthenticationRequired for allauth's pages, and PermissionDenied if there is no way.
    """
    if not request.user.is_authenticated:
        return None  # a page that is public: signing in with a provider
    if has_proof(request):
        return None
    _drop_secrets(request)
    if get_reauthentication_flows(request.user):
        raise ReauthenticationRequired
    if SocialAccount.objects.filter(user=request.user, provider=OIDC).exists():
        suspended: HttpResponse = suspend_request(request, reverse("confirm-provider"))
        return suspended
    if or_signed_in_just_now and _proved_at(request, only_again=False):
        return None
    raise PermissionDenied(ENROL_FIRST)


def has_proof(request: HttpRequest) -> bool:
    """Whether the user was asked here who they are within five minutes, or by their provider."""
    return bool(_proved_at(request, only_again=True))


def _proved_at(request: HttpRequest, *, only_again: bool) -> float:
    """When the user last proved who they are, if that is recent; 0 if not."""
    records = get_authentication_records(request, request.user)
    times = [
        each["at"]
        for each in records
        if each.get("reauthenticated") or each["method"] in ASKED_HERE or not only_again
    ]
    recent = [at for at in times if time.time() - at < app_settings.REAUTHENTICATION_TIMEOUT]
    return max(recent, default=0.0)


def _drop_secrets(request: HttpRequest) -> None:
    """Take secrets out of what allauth keeps in the session until the proof is there."""
    kept = request.POST.copy()
    for name in SECRETS & kept.keys():
        del kept[name]
    if len(kept) < len(request.POST):
        request.POST = kept  # type: ignore[assignment] # a copy, which is mutable
        messages.info(
            request,
            "Your input is kept except for passwords, tokens and keys: "
            "please enter them again afterwards.",
        )


def begin_proof(request: HttpRequest, provider: Any) -> HttpResponse:
    """Send the user to their provider, which must ask them to sign in again."""
    state = {CONFIRMS: request.user.pk, AT: int(time.time()), NEXT: request.GET.get("next", "")}
    sent: HttpResponse = provider.redirect(
        request, "redirect", data=state, auth_params={"prompt": "login", "max_age": "0"}
    )
    return sent


def finish_proof(request: HttpRequest, sociallogin: "SocialLogin") -> HttpResponse:
    """Accept what the provider says if it just asked this user, and go on with what waits."""
    state, account = sociallogin.state["data"], sociallogin.account
    is_same = (
        request.user.pk == state[CONFIRMS]
        and SocialAccount.objects.filter(
            user=request.user, provider=account.provider, uid=account.uid
        ).exists()
    )
    auth_time = (account.extra_data.get("id_token") or {}).get("auth_time")
    if not is_same:
        messages.error(request, "You signed in at the provider as another person. Nothing changed.")
        return redirect("you")
    if type(auth_time) is not int or auth_time < state[AT] - CLOCKS_DIFFER_SECONDS:
        messages.error(
            request, "The provider did not ask you to sign in again, so nothing was changed."
        )
        return redirect("you")

    record_authentication(
        request,
        request.user,
        method="socialaccount",
        reauthenticated=True,
        provider=account.provider,
        uid=account.uid,
    )
    # allauth goes on to the address in the query string.
    request.GET = QueryDict(urlencode({"next": state[NEXT]}))
    return resume_request(request) or redirect("you")
