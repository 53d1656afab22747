"""What a failed reading says: a kind, words for a person, and when to try again."""

from dataclasses import dataclass
from datetime import timedelta

from runners_app.github import (
    AnswerLost,
    AnswerUnusable,
    BadCredentials,
    Forbidden,
    GitHubError,
    NotFound,
    NotSent,
    RateLimited,
    RedirectRefused,
    Refused,
    ServerFailed,
)
from runners_app.models import Account, Reading
from runners_app.services.readings.fetch import IncompleteList
from runners_app.services.secrets import SecretUnreadable

TRIES_OF_A_REFUSAL = 3


@dataclass(frozen=True)
class Failure:
    """`retry_in` is nothing when it stays quiet until a person acts."""

    kind: str
    message: str
    retry_in: timedelta | None
    help_url: str = ""


def failure_of(error: Exception, reading: Reading) -> Failure:
    """Read an error as a person would: what happened, and what to do about it."""
    account = reading.account
    match error:
        case SecretUnreadable():
            return Failure("credential", str(error), None)
        case BadCredentials():
            return Failure("credential", "GitHub does not accept this credential any more. Replace it.", None)
        case RateLimited(wait_until=until):
            return Failure("rate_limit", f"GitHub asks to wait until {until:%H:%M:%S} UTC.", timedelta(0))
        case Forbidden():
            return Failure("permission", _forbidden(error), _after_refusal(reading), error.sso_url or "")
        case NotFound():
            kind, message = _not_found(account, reading)
            return Failure(kind, message, _after_refusal(reading))
        case Refused():
            return Failure("refused", f"GitHub refused: {error.message}", _after_refusal(reading))
        case IncompleteList():
            return Failure("incomplete", f"{error} It is read again.", timedelta(seconds=5))
        case NotSent() | AnswerLost() | ServerFailed():
            return Failure("unreachable", f"GitHub could not be reached: {error}", _backoff(reading))
        case RedirectRefused() | AnswerUnusable():
            return Failure("unusable", f"GitHub's answer could not be used: {error}", _backoff(reading))
        case GitHubError():
            return Failure("refused", str(error), _backoff(reading))
    return Failure("internal", "Trackside failed to read this; its log says why.", _backoff(reading))


def _forbidden(error: Forbidden) -> str:
    if error.sso_url:
        return "The token is not authorised for this organization's single sign-on. Authorise it, then refresh."
    needed = error.accepted_permissions or ", ".join(error.accepted_scopes or ())
    if needed:
        return f"The credential lacks a permission. GitHub accepts: {needed}. GitHub said: {error.message}"
    return f"GitHub refused: {error.message}"


def _not_found(account: Account, reading: Reading) -> tuple[str, str]:
    if reading.last_good_at is None and account.api_url.endswith("/api/v3"):
        return "not_offered", "This server does not offer this: GitHub Enterprise Server has no hosted runners."
    return (
        "not_found",
        f"GitHub answers 404: the {account.kind} {account.slug} does not exist or was renamed, "
        "or the credential has no right to see this.",
    )


def _after_refusal(reading: Reading) -> timedelta | None:
    return timedelta(seconds=30) if reading.failures + 1 < TRIES_OF_A_REFUSAL else None


def _backoff(reading: Reading) -> timedelta:
    return timedelta(seconds=min(300, 5 * 2 ** min(reading.failures, 6)))
