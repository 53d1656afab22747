"""Failures of readings: a kind, a message for a person, and when to try again."""

from dataclasses import dataclass
from datetime import timedelta

from runners_app.github import (
    AnswerLost,
    AnswerUnusable,
    BadCredentials,
    Cause,
    ClockSkewed,
    Forbidden,
    ForeignAnswer,
    GitHubError,
    NotFound,
    NotSent,
    ProxyFailed,
    RateLimited,
    Refused,
)
from runners_app.models import Reading
from runners_app.models.clock import database_now
from runners_app.readings.fetcher import IncompleteList
from runners_app.readings.identity import IdentityChanged, Renamed
from runners_app.security.secrets import SecretUnreadable


@dataclass(frozen=True)
class Failure:
    """Why a reading failed. `retry_in` is None if it is not tried again until a person acts."""

    kind: str
    message: str
    retry_in: timedelta | None
    help_url: str = ""


def failure_of(error: Exception, reading: Reading) -> Failure:
    """Explain an exception raised while reading, taking the history of the reading into account."""
    match error:
        case SecretUnreadable():
            return Failure("credential", str(error), None)
        case BadCredentials():
            return Failure("credential", refused_credential(error), None)
        case RateLimited(wait_until=until):
            return Failure(
                "rate_limit", f"GitHub asks to wait until {until:%H:%M:%S} UTC.", timedelta(0)
            )
        case ClockSkewed():
            return Failure("clock", error.message, _backoff(reading))
        case Forbidden():
            kind, message = _forbidden(error)
            return Failure(kind, message, _after_refusal(reading), error.sso_url or "")
        case NotFound():
            kind, message = _not_found(error, reading)
            return Failure(kind, message, _after_refusal(reading))
        case Refused():
            return Failure("refused", f"GitHub refused: {error.message}", _after_refusal(reading))
        case IdentityChanged():
            return Failure("identity", str(error), _after_refusal(reading))
        case Renamed():
            return Failure("incomplete", str(error), timedelta(0))
        case IncompleteList():
            return Failure("incomplete", f"{error} It is read again.", _backoff(reading))
        case ProxyFailed():
            return Failure("proxy", str(error), _backoff(reading))
        case NotSent():
            return Failure("unreachable", str(error), _backoff(reading))
        case AnswerLost():
            return Failure(
                "unreachable", f"GitHub could not be reached: {error}", _backoff(reading)
            )
        case ForeignAnswer():
            return Failure("foreign", str(error), _backoff(reading))
        case AnswerUnusable():
            return Failure(
                "unusable", f"GitHub's answer could not be used: {error}", _backoff(reading)
            )
        case GitHubError():
            return Failure("refused", str(error), _backoff(reading))
    return Failure(
        "internal", "Trackside failed to read this; its log says why.", _backoff(reading)
    )


def refused_credential(error: BadCredentials) -> str:
    """The message for a credential that GitHub answers with 401."""
    return (
        f"GitHub answered 401{_quoted(error)}: the token is wrong, expired or revoked. "
        "Trackside has stopped using it, because further attempts can get valid tokens blocked. "
        "Replace it."
    )


def _forbidden(error: Forbidden) -> tuple[str, str]:
    """The kind and the message of a 403. Only what GitHub names is said to be missing."""
    answered = f"GitHub answered 403{_quoted(error)}."
    match error.cause:
        case Cause.SSO:
            return "sso", (
                "The token is not authorised for this organization's single sign-on. "
                "Authorise it, then refresh."
            )
        case Cause.IP_ALLOW_LIST:
            return "ip_allow_list", (
                f"{answered} The address Trackside comes from is not on the IP allow list."
            )
        case Cause.SUSPENDED:
            return "suspended", (
                f"{answered} The App, its installation or the token's owner is suspended."
            )
        case Cause.TOKEN_POLICY:
            return "token_policy", (
                f"{answered} A policy forbids this kind of token, or one that lasts so long."
            )
        case Cause.SCOPE:
            return "permission", _scope_missing(error)
        case Cause.PERMISSION:
            permissions = in_words(error.accepted_permissions or "")
            return "permission", f"The token lacks the permission {permissions}. {answered}"
    return "forbidden", f"{answered} The token's owner may not do this, or a policy forbids it."


def _not_found(error: NotFound, reading: Reading) -> tuple[str, str]:
    account = reading.account
    if reading.last_good_at is None and account.api_url.endswith("/api/v3"):
        return (
            "not_offered",
            "This server does not offer this: GitHub Enterprise Server has no hosted runners.",
        )
    if error.cause == Cause.SCOPE:
        return "permission", _scope_missing(error)
    return (
        "not_found",
        f"GitHub answered 404: there is no {account.kind} {account.slug}, it was renamed, "
        "or the token's owner may not see this. Owners may, and people whose role includes "
        "runners.",
    )


def _scope_missing(error: Refused) -> str:
    """What a classic token has, and what it would need."""
    accepted, scopes = error.meta.accepted_oauth_scopes or (), error.meta.oauth_scopes or ()
    has = f"the {'scope' if len(scopes) == 1 else 'scopes'} {', '.join(scopes)}"
    return (
        f"The token has {has if scopes else 'no scope'}, and this needs {' or '.join(accepted)}. "
        f"GitHub answered {error.status}{_quoted(error)}."
    )


def _quoted(error: Refused) -> str:
    """GitHub's own words in brackets; empty if there are none."""
    message = error.github_message.rstrip(".")
    return f" (“{message}”)" if message else ""


PERMISSIONS = {
    "actions": "Actions",
    "organization_administration": "Administration",
    "organization_self_hosted_runners": "Self-hosted runners",
    "organization_hosted_runner_custom_images": "Hosted runner custom images",
}


def in_words(permissions: str) -> str:
    """GitHub's `organization_administration=read` as its settings page calls it."""
    named = [part.strip().partition("=") for part in permissions.replace(";", ",").split(",")]
    return ", ".join(
        f"“{PERMISSIONS.get(name, name)}” ({level or 'read'})" for name, _, level in named if name
    )


NEXT_STEPS = {
    "identity": "Check what the name belongs to at GitHub. If it is still yours, check again.",
    "credential": "Replace the token, or check where the App is installed.",
    "permission": "Give the token what it lacks, or replace it. Then check again.",
    "sso": "Authorise the token for single sign-on. Then check again.",
    "ip_allow_list": (
        "Ask an owner to add the address that Trackside's workers come from to the IP allow list. "
        "Then check again."
    ),
    "suspended": "Ask an owner to lift the suspension. Then check again.",
    "token_policy": "Connect a GitHub App, or give a token that the policy allows.",
    "forbidden": "Check what the token's owner may do. Then check again.",
    "not_found": "Check the name and the token. Then check again.",
    "refused": "Check again. If GitHub keeps refusing, its message above says why.",
    "rate_limit": "Nothing to do: Trackside continues by itself.",
    "incomplete": "Nothing to do: it is read again within seconds.",
    "unreachable": (
        "Nothing to do: Trackside tries again by itself. "
        "If it persists, check GitHub's status and your network."
    ),
    "proxy": (
        "Trackside tries again by itself. If it persists, whoever runs Trackside checks "
        "OUTGOING_PROXY and what the proxy lets through."
    ),
    "clock": (
        "Trackside tries again by itself, by GitHub's clock. "
        "Whoever runs Trackside sets the clock of its machine."
    ),
    "foreign": (
        "Trackside tries again by itself. If it persists, check the account's API address, and "
        "proxies and firewalls on the way."
    ),
    "unusable": (
        "Trackside tries again by itself. "
        "If it persists, something between Trackside and GitHub changes the answers."
    ),
    "internal": "Trackside tries again by itself. Its administrator finds the reason in the log.",
    "not_offered": "Nothing to do: everything else works without it.",
}


def next_step(reading: Reading) -> str:
    """What a person can do about a failing reading; empty if it does not fail."""
    return NEXT_STEPS.get(reading.error, "")


def _after_refusal(reading: Reading) -> timedelta:
    """After 5 minutes, then every 15 for two hours, then hourly: it may be granted again."""
    if not reading.failures:
        return timedelta(minutes=5)
    since = reading.error_since or database_now()
    often = database_now() - since < timedelta(hours=2)
    return timedelta(minutes=15) if often else timedelta(hours=1)


def _backoff(reading: Reading) -> timedelta:
    return timedelta(seconds=min(300, 5 * 2 ** min(reading.failures, 6)))
