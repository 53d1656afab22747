"""Requests with an API token: for the API itself, and for exports and feeds that scripts download.

The token comes as `Authorization: Bearer ts_…`, or as the password of Basic authentication with any
user name, because many firewalls can only send that.
"""

import binascii
from base64 import b64decode

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import timezone

from runners_app.api.problems import API, GetResponse, problem
from runners_app.api.tokens import PREFIX, TokenRefused, check_token
from runners_app.models import ApiToken
from runners_app.web.addresses import address_of
from runners_app.web.pages import Request

CHALLENGE = {"WWW-Authenticate": 'Basic realm="Trackside API token", charset="UTF-8"'}
# Pages that a token with the scope `export` may download.
DOWNLOADS = frozenset(
    {
        "accounts-export",
        "audit-export",
        "groups-export",
        "images-export",
        "insight-export",
        "operations-export",
        "runners-export",
        "static-ip-changes",
        "static-ip-ranges",
    }
)


def token_in(request: HttpRequest) -> str:
    """The token that the request's Authorization header carries; empty if there is none."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "basic":
        try:
            value = b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    elif scheme.lower() != "bearer":
        return ""
    return value if value.startswith(PREFIX) and value.isascii() else ""


def use_token(request: HttpRequest) -> ApiToken | None:
    """Let the request act as the owner of its token, within the token's limits.

    Returns None for a request without a token. Raises TokenRefused.
    """
    text = token_in(request)
    if not text:
        return None
    token = check_token(text, address_of(request), timezone.now())
    user = token.owner
    user.api_token = token  # type: ignore[attr-defined] # read by visibility, see limited_token_of
    request.user = user
    return token


def is_throttled(token: ApiToken) -> bool:
    """Whether the token has used up its requests of this minute; counts this one."""
    minute = int(timezone.now().timestamp()) // 60
    key = f"api-token:{token.pk}:{minute}"
    cache.add(key, 0, 120)
    try:
        return bool(cache.incr(key) > settings.API_REQUESTS_PER_MINUTE)
    except ValueError:  # evicted between the two calls
        return False


def token_authentication(get_response: GetResponse) -> GetResponse:
    """Middleware: authenticate requests with a token before sign-in is required.

    Only the API and the downloads take tokens. Everything else ignores them, so that a stolen
    token opens no page.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        is_api = request.path_info.startswith(API)
        if "Authorization" not in request.headers or not (is_api or _is_download(request)):
            return get_response(request)

        try:
            token = use_token(request)
        except TokenRefused as error:
            return problem(401, str(error), headers=CHALLENGE)
        if token is None:
            return problem(401, "Send an API token, as Bearer or Basic.", headers=CHALLENGE)
        if is_throttled(token):
            limit = f"A token may send {settings.API_REQUESTS_PER_MINUTE} requests per minute."
            return problem(429, limit, headers={"Retry-After": "60"})
        if not is_api and ApiToken.Scope.EXPORT not in token.scopes:
            return problem(403, "This token lacks the scope export.")
        return get_response(request)

    return middleware


def _is_download(request: HttpRequest) -> bool:
    try:
        return resolve(request.path_info).url_name in DOWNLOADS
    except Resolver404:
        return False


def has_scope(request: Request, scope: str) -> bool:
    """Whether the request may do what the scope allows; a session may do everything."""
    token: ApiToken | None = getattr(request.user, "api_token", None)
    return token is None or scope in token.scopes
