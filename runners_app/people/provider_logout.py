"""Back-channel logout: the OpenID Connect provider says that a user's session there has ended.

It posts a signed logout token (OpenID Connect Back-Channel Logout 1.0). With the id of a session,
the session that began with it ends here. With a user alone, as when somebody is disabled there, all
their sessions end, and their API tokens stop until they sign in again.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from requests import RequestException

from runners_app.models import AuditEntry, Session
from runners_app.people import code_counts
from runners_app.people.sessions import hash_of_sid
from runners_app.people.sign_ins import end_sessions
from runners_app.security import audit
from runners_app.security.outgoing import NotReached
from runners_app.web.proof import OIDC

log = logging.getLogger(__name__)
EVENT = "http://schemas.openid.net/event/backchannel-logout"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
LONGEST_TOKEN, LONGEST_ID = 10_000, 255
# How old a token may be, and how far its clock may differ.
TOKEN_SECONDS, LEEWAY_SECONDS = 300, 30
KEYS_SECONDS, UNKNOWN_KEY_SECONDS = 300, 10
# In the process and not in Redis: whoever writes there must not choose the keys. By address.
_known: dict[str, tuple[float, Any]] = {}
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class NotALogout(Exception):
    """The token is not one that ends a session; the message says why, and holds nothing of it."""


@dataclass(frozen=True)
class LogoutToken:
    """What a verified token names: a user by the provider's id, a session, or both."""

    subject: str
    session: str


@csrf_exempt  # the provider's server sends it, and signs it
@login_not_required
@sensitive_post_parameters("logout_token")
@require_POST
def oidc_logout(request: HttpRequest, provider_id: str) -> HttpResponse:
    """End the sessions that a signed logout token names."""
    text = request.POST.get("logout_token", "")
    try:
        adapter = OpenIDConnectOAuth2Adapter(request, provider_id)
        token = read_token(text, adapter)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except NotALogout as error:
        log.warning("A logout token was refused: %s", error)
        answer: HttpResponse = JsonResponse(
            {"error": "invalid_request", "error_description": str(error)}, status=400
        )
    except (RequestException, NotReached):
        log.warning("A logout token could not be verified: the provider gave no usable answer.")
        answer = JsonResponse({"error": "temporarily_unavailable"}, status=503)
    else:
        end_named_sessions(token)
        answer = HttpResponse(status=200)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def read_token(text: str, adapter: Any) -> LogoutToken:
    """Verify a logout token and remember that it was used. Raises NotALogout.

    What costs nothing is checked before the provider's keys are read.
    """
    if not text or len(text) > LONGEST_TOKEN:
        raise NotALogout("There is no logout token.")
    try:
        header = jwt.get_unverified_header(text)
    except jwt.PyJWTError:
        raise NotALogout("It is not a signed token.") from None
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if algorithm not in ALGORITHMS or str(kind).lower() not in ("logout+jwt", "jwt"):
        raise NotALogout("It is not signed in a way that is accepted.")

    try:
        claims = jwt.decode(
            text,
            key=_key(adapter, kid, str(algorithm)),
            algorithms=[str(algorithm)],
            audience=adapter.get_provider().app.client_id,
            issuer=_configuration(adapter)["issuer"],
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "iat", "jti", "events"]},
        )
    except jwt.PyJWTError as error:
        raise NotALogout(f"It is not valid: {type(error).__name__}.") from None
    return _checked(claims)


def _checked(claims: dict[str, Any]) -> LogoutToken:
    """What the standard asks for beyond the signature. Raises NotALogout."""
    events, jti = claims["events"], claims["jti"]
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise NotALogout("It is not about a logout.")
    if "nonce" in claims:
        raise NotALogout("It has a nonce, so it is a token of a sign-in.")
    if time.time() - claims["iat"] > TOKEN_SECONDS + LEEWAY_SECONDS:
        raise NotALogout("It is too old.")
    subject, session = claims.get("sub") or "", claims.get("sid") or ""
    texts = (subject, session, jti)
    if not all(isinstance(each, str) and len(each) <= LONGEST_ID for each in texts) or not jti:
        raise NotALogout("Its ids are not text, or too long.")
    if not subject and not session:
        raise NotALogout("It names neither a user nor a session.")
    seconds = TOKEN_SECONDS + 2 * LEEWAY_SECONDS
    if not code_counts.add(f"logout token {claims['iss']} {jti}", True, seconds):
        raise NotALogout("It was used before.")
    return LogoutToken(subject, session)


def _configuration(adapter: Any) -> dict[str, str]:
    """Of the provider's configuration, what is used here. Raises NotReached if it lacks that."""

    def read() -> dict[str, str]:
        try:
            listed = adapter.openid_config
            return {name: str(listed[name]) for name in ("issuer", "jwks_uri")}
        except (AttributeError, KeyError, TypeError):  # the first is of allauth, for a list
            raise NotReached("The provider's configuration cannot be understood.") from None

    found: dict[str, str] = _remembered(adapter.get_provider().server_url, read)
    return found


def _key(adapter: Any, kid: object, algorithm: str) -> Any:
    """The provider's key of this id. Its keys are read again for an unknown one, but not often:
    anybody can send tokens that name one.
    """
    address = _configuration(adapter)["jwks_uri"]

    def read() -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            response = session.get(address)
            response.raise_for_status()
            listed = response.json()
        try:
            keys = [each for each in listed["keys"] if isinstance(each.get("kid"), str)]
        except (AttributeError, KeyError, TypeError):
            raise NotReached("The provider's keys cannot be understood.") from None
        return {each["kid"]: each for each in keys}

    keys = _remembered(address, read)
    if kid not in keys:
        keys = _remembered(address, read, seconds=UNKNOWN_KEY_SECONDS)
    if kid not in keys:
        raise NotALogout("The provider has no such key.")
    return jwt.PyJWK(keys[kid], algorithm=algorithm).key


def _remembered(address: str, read: Callable[[], Any], *, seconds: int = KEYS_SECONDS) -> Any:
    """What was read from an address of the provider at most so many seconds ago."""
    at, value = _known.get(address, (0.0, None))
    if value is None or time.monotonic() - at > seconds:
        value = read()
        _known[address] = (time.monotonic(), value)
    return value


@transaction.atomic
def end_named_sessions(token: LogoutToken) -> int:
    """End the sessions that the token names, and audit it; returns how many."""
    rows = SocialAccount.objects.filter(provider=OIDC, uid=token.subject).select_related("user")
    account = rows.first() if token.subject else None
    if not token.session:
        if account is None:
            return 0
        ended = end_sessions(account.user)
        # Tokens of people without a password need a provider that vouched for them lately.
        SocialAccount.objects.filter(pk=account.pk).update(last_login=LONG_AGO)
        _record(account.user, ended, everything=True)
        return ended

    sessions = Session.objects.filter(
        provider_sid=hash_of_sid(token.session), expire_date__gt=timezone.now()
    )
    if token.subject:
        sessions = sessions.filter(user=account.user if account else None)
    ended = 0
    for session in sessions.select_related("user"):
        user = session.user
        session.delete()
        ended += 1
        if user is not None:
            _record(user, 1, everything=False)
    return ended


def _record(person: Any, sessions: int, *, everything: bool) -> None:
    audit.record(
        AuditEntry.Action.SESSIONS_ENDED,
        by=None,
        subject=person.get_username(),
        details={"sessions": sessions, "by": "the provider", "everything": everything},
    )
