"""Authentication and authorization: 401 for an unknown credential, 404 for an account it cannot
see, 403 for an operation it may not use.
"""

import time
from dataclasses import dataclass

import jwt

from runners_app.simulator.api.wire import Refused, Request, not_found, refuse
from runners_app.simulator.world.app_keys import public_key
from runners_app.simulator.world.state import Account, GitHubApp, Token, World

IMPLIED_SCOPES = {
    "admin:org": {"write:org", "read:org", "manage_runners:org"},
    "write:org": {"read:org"},
    "admin:enterprise": {"manage_runners:enterprise", "read:enterprise"},
    "user": {"read:user"},
    "write:network_configurations": {"read:network_configurations"},
}
LONGEST_JWT_SECONDS = 600


@dataclass(frozen=True)
class Need:
    """What an operation requires: one of ``scopes`` of a classic token, or ``permission`` (name,
    level) of other tokens.

    ``who`` is token, anyone (even without a credential) or app (with its JWT).
    """

    scopes: tuple[str, ...] = ()
    permission: tuple[str, str] | None = None
    who: str = "token"


def identify(world: World, request: Request, wall: float) -> Token | None:
    """The token sent, or None. Raises ``Refused`` 401 if it is unknown, expired or revoked, and 403
    if its installation is suspended.
    """
    sent = request.token
    if sent is None:
        if request.headers.get("authorization"):
            raise refuse(401, "Bad credentials")
        return None
    token = world.tokens.get(sent)
    installation = world.app.installations.get(token.installation_id or 0) if token else None
    gone = token is not None and token.installation_id is not None and installation is None
    if (
        token is None
        or token.revoked
        or gone
        or (token.expires_on is not None and wall >= token.expires_on)
    ):
        raise refuse(401, "Bad credentials")
    if installation and installation.suspended_on is not None:
        raise refuse(403, "This installation has been suspended", "/apps/apps")
    return token


def require_app(app: GitHubApp, request: Request) -> None:
    """Raise ``Refused`` 401 unless the request carries a JWT of the App: RS256, valid for at most
    ten minutes, issued by the App.
    """
    undecodable = refuse(401, "A JSON web token could not be decoded", "/apps/apps")
    if request.token is None:
        raise undecodable
    try:
        claims = jwt.decode(
            request.token,
            public_key(app),
            algorithms=["RS256"],
            options={"require": ["exp", "iat", "iss"], "verify_iss": False},
        )
    except jwt.ExpiredSignatureError:
        raise refuse(
            401, "'Expiration time' claim ('exp') must be in the future", "/apps/apps"
        ) from None
    except jwt.ImmatureSignatureError:
        raise refuse(401, "'Issued at' claim ('iat') must be in the past", "/apps/apps") from None
    except jwt.PyJWTError:
        raise undecodable from None
    if int(claims["exp"]) > time.time() + LONGEST_JWT_SECONDS:
        raise refuse(401, "'Expiration time' claim ('exp') is too far in the future", "/apps/apps")
    if str(claims["iss"]) not in (str(app.id), app.client_id):
        raise refuse(401, "'Issuer' claim ('iss') must be the App", "/apps/apps")


def authorise(need: Need, token: Token | None, account: Account | None) -> None:
    """Raise ``Refused`` unless ``token`` meets ``need`` on ``account`` (None: no account)."""
    if need.who != "token":
        return
    if token is None:
        raise refuse(401, "Requires authentication")
    if account is not None:
        _require_sight(token, account)
    if token.kind == "classic":
        if need.scopes and not grants(token.scopes).intersection(need.scopes):
            raise refuse(403, f"Must have one of the scopes {', '.join(need.scopes)}.")
    elif need.permission is not None and not _permits(token, *need.permission):
        raise _not_accessible(token)


def _require_sight(token: Token, account: Account) -> None:
    if account.kind == "enterprise" and token.kind != "classic":
        raise _not_accessible(token)
    if account.key not in token.accounts:
        raise not_found()
    if account.key in token.sso_missing:
        url = f"https://github.com/orgs/{account.slug}/sso?authorization_request=SIMULATED"
        message = (
            "Resource protected by organization SAML enforcement. "
            "You must grant your token access to this organization."
        )
        raise refuse(403, message, X_GitHub_SSO=f"required; url={url}")


def _not_accessible(token: Token) -> Refused:
    by = "integration" if token.kind == "installation" else "personal access token"
    return refuse(403, f"Resource not accessible by {by}")


def _permits(token: Token, name: str, level: str) -> bool:
    levels = ("read", "write", "admin")
    granted = token.permissions.get(name)
    return granted in levels and levels.index(granted) >= levels.index(level)


def grants(scopes: list[str]) -> set[str]:
    """A token's scopes and the scopes they imply."""
    found = set(scopes)
    for scope in scopes:
        found |= IMPLIED_SCOPES.get(scope, set())
    return found


def headers(need: Need | None, token: Token | None) -> dict[str, str]:
    """The headers about the token and about what the operation requires; sent with refusals too."""
    if token is None:
        return {}
    headers: dict[str, str] = {}
    if token.kind == "classic":
        headers["X-OAuth-Scopes"] = ", ".join(token.scopes)
        headers["X-Accepted-OAuth-Scopes"] = ", ".join(_accepted(need.scopes if need else ()))
    elif need and need.permission:
        headers["X-Accepted-GitHub-Permissions"] = "=".join(need.permission)
    if token.expires_on is not None and token.kind != "installation":
        ends = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(token.expires_on))
        headers["GitHub-Authentication-Token-Expiration"] = ends
    return headers


def _accepted(scopes: tuple[str, ...]) -> list[str]:
    containing = {outer for outer, inner in IMPLIED_SCOPES.items() if inner.intersection(scopes)}
    return sorted({*scopes, *containing})
