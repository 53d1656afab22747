"""What a refusal (4xx) says: which error it is, in GitHub's words, and why as far as it tells."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from . import values
from .errors import (
    AnswerUnusable,
    BadCredentials,
    Cause,
    ClockSkewed,
    Conflict,
    FieldError,
    Forbidden,
    ForeignAnswer,
    Invalid,
    NotFound,
    RateLimited,
    Refused,
)
from .meta import AnswerMeta

# The refusals GitHub documents for operations on runners, images and groups; 410 is for the end of
# an API version.
DOCUMENTED = frozenset({400, 401, 403, 404, 409, 410, 422, 429})
SHORTEST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(days=1)
WAIT_WITHOUT_HINT = timedelta(minutes=1)
MOST_FIELD_ERRORS = 50
# A signature holds from a minute before it was made.
MOST_SKEW_SECONDS = 60

_KINDS: dict[int, type[Refused]] = {
    401: BadCredentials,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    422: Invalid,
}
_OPENINGS = {
    401: "GitHub did not accept the credential",
    403: "GitHub did not allow this",
    404: "GitHub does not know this, or the credential may not see it",
    409: "This conflicts with what GitHub has",
    410: "GitHub no longer has this",
    422: "GitHub did not accept this",
}
# How a server's own site answers to what it takes for a page.
_WRONG_ADDRESS = frozenset({404, 405, 406})

# GitHub's validation: `"size" wasn't supplied.` and `For 'properties/size', 1 is not a string.`
_FIELD_IN_WORDS = re.compile(r"""\A(?:"(\w+)"|For '(?:properties/)?(\w+)')""")
# Texts of the Actions service, which come without `errors`.
_PREFIXES = {"Invalid Argument - ": "invalid", "Already exists - ": "already_exists"}
_INVALID_REQUEST = "Invalid request."
# `'Expiration time' claim ('exp') is too far in the future`, `'Issued at' claim ('iat') must be…`
_CLAIM_OF_TIME = re.compile(r"\b(exp|iat)\b")
# What GitHub names by no header. These words only choose what a person is told.
_CAUSES_IN_WORDS = {
    "ip allow list": Cause.IP_ALLOW_LIST,
    "saml": Cause.SSO,
    "suspended": Cause.SUSPENDED,
    "forbids access via": Cause.TOKEN_POLICY,
}


@dataclass(frozen=True, slots=True)
class _Words:
    """What GitHub says in the body of a refusal."""

    message: str = ""
    errors: tuple[FieldError, ...] = ()
    documentation_url: str | None = None


def read_refusal(
    meta: AnswerMeta,
    headers: Mapping[str, str],
    body: bytes | None,
    now: datetime,
    *,
    signed: bool,
) -> Refused | ForeignAnswer:
    """The error that a 4xx stands for. `signed`: the request bore an App's signature."""
    words = _words(body)
    if _is_limit(meta, words):
        return _rate_limited(meta, words, now)
    if is_foreign(headers, body):
        return foreign_answer(meta)
    if signed and meta.status == 401 and _is_about_time(meta, words):
        return _clock_skewed(meta, words)
    kind = _KINDS.get(meta.status, Refused)
    cause = _cause(meta, words)
    errors = words.errors or (_errors_in(words.message) if kind in (Invalid, Conflict) else ())
    return kind(
        _sentence(meta, words, cause),
        meta,
        github_message=words.message,
        errors=errors,
        documentation_url=words.documentation_url,
        cause=cause,
    )


def doubt(refusal: Refused) -> AnswerUnusable | None:
    """Why a refusal does not prove that the write was not carried out; None if it does."""
    if refusal.meta.redirected_to:
        return AnswerUnusable(
            f"The write was redirected and then refused ({refusal.status}), so it may have been "
            f"carried out before. {refusal.message}",
            refusal.meta,
        )
    if refusal.status in DOCUMENTED and refusal.github_message:
        return None
    return AnswerUnusable(
        f"The answer ({refusal.status}) is none that GitHub documents for this, so it may come "
        "from something on the way, and the write may have been carried out.",
        refusal.meta,
    )


# Answers of others


def is_foreign(headers: Mapping[str, str], body: bytes | None) -> bool:
    """Whether this is no answer of GitHub's API, but for example a web page.

    The API speaks JSON. Where a body is empty, was cut or is too large, the id that GitHub gives
    each request tells that the answer is its own.
    """
    if not body:
        return headers.get("x-github-request-id") is None
    if "json" in headers.get("content-type", ""):
        return False
    try:
        load(body)
    except (ValueError, RecursionError):
        return True
    return False


def foreign_answer(meta: AnswerMeta) -> ForeignAnswer:
    if meta.status in _WRONG_ADDRESS:
        why = "The address may be wrong: on GitHub Enterprise Server the API's ends in /api/v3."
    else:
        why = "Something between Trackside and GitHub may have answered: a proxy or a firewall."
    return ForeignAnswer(f"This is no answer of GitHub's API ({meta.status}). {why}", meta)


# Why


def _cause(meta: AnswerMeta, words: _Words) -> Cause:
    if meta.status not in (403, 404):
        return Cause.UNSAID
    said = words.message.lower()
    if meta.status == 403:
        if meta.sso_url:
            return Cause.SSO
        named = (cause for text, cause in _CAUSES_IN_WORDS.items() if text in said)
        if (cause := next(named, None)) is not None:
            return cause
    if meta.lacks_scope:
        return Cause.SCOPE
    if meta.status == 403 and meta.accepted_permissions:
        return Cause.PERMISSION
    return Cause.UNSAID


def _sentence(meta: AnswerMeta, words: _Words, cause: Cause) -> str:
    opening = f"{_OPENINGS.get(meta.status, 'GitHub refused this')} ({meta.status})"
    said = " ".join(words.message.split())
    details = "; ".join(str(error) for error in words.errors[:5])
    parts = [part for part in (said, details, _needed(meta, cause)) if part]
    return ". ".join([": ".join([opening, *parts[:1]]), *parts[1:]]).rstrip(".") + "."


def _needed(meta: AnswerMeta, cause: Cause) -> str:
    if cause == Cause.SSO:
        return "The token must be authorised for the organization's SAML single sign-on"
    if cause == Cause.IP_ALLOW_LIST:
        return "The address Trackside comes from is not on the IP allow list"
    if cause == Cause.PERMISSION:
        return f"Needed permission: {meta.accepted_permissions}"
    if cause == Cause.SCOPE:
        return f"Needed scope: {' or '.join(meta.accepted_oauth_scopes or ())}"
    return ""


# Clocks


def _is_about_time(meta: AnswerMeta, words: _Words) -> bool:
    """Whether a signature may have been refused only because this machine's clock is wrong."""
    skew = meta.clock_skew_seconds or 0.0
    return abs(skew) > MOST_SKEW_SECONDS or _CLAIM_OF_TIME.search(words.message) is not None


def _clock_skewed(meta: AnswerMeta, words: _Words) -> ClockSkewed:
    skew = meta.clock_skew_seconds
    clock = f" This machine's clock is {skew_in_words(skew)} GitHub's: set it." if skew else ""
    said = f": {words.message.rstrip('.')}" if words.message else ""
    return ClockSkewed(
        f"GitHub did not accept the time of the App's signature (401){said}.{clock}",
        meta,
        github_message=words.message,
        errors=words.errors,
        documentation_url=words.documentation_url,
    )


def skew_in_words(clock_skew_seconds: float) -> str:
    """How this machine's clock stands to GitHub's, such as `3 min behind` or `90 s ahead of`."""
    seconds = round(abs(clock_skew_seconds))
    size = f"{seconds} s" if seconds < 120 else f"{round(seconds / 60):,} min"
    return f"{size} {'behind' if clock_skew_seconds > 0 else 'ahead of'}"


# Limits


def _is_limit(meta: AnswerMeta, words: _Words) -> bool:
    """Status and headers decide; a secondary limit may come as a bare 403, so at last words do."""
    if meta.status == 429:
        return True
    if meta.status != 403 or meta.sso_url:
        return False
    limit = meta.rate_limit
    if meta.retry_after is not None or (limit is not None and limit.remaining == 0):
        return True
    said = f"{words.message} {words.documentation_url}".lower()
    return "rate limit" in said or "rate-limit" in said


def _rate_limited(meta: AnswerMeta, words: _Words, now: datetime) -> RateLimited:
    wait_until = _wait_until(meta, now)
    limit = meta.rate_limit
    primary = meta.retry_after is None and limit is not None and limit.remaining == 0
    which = "hourly rate limit" if primary else "secondary rate limit"
    return RateLimited(
        f"GitHub's {which} is reached ({meta.status}). "
        f"Nothing is sent before {wait_until:%Y-%m-%d %H:%M:%S} UTC.",
        meta,
        wait_until=wait_until,
        primary=primary,
        github_message=words.message,
        errors=words.errors,
        documentation_url=words.documentation_url,
    )


def _wait_until(meta: AnswerMeta, now: datetime) -> datetime:
    """By this machine's clock, as `now` is; GitHub tells the reset by its own."""
    if meta.retry_after is not None:
        wait = timedelta(seconds=min(meta.retry_after, LONGEST_WAIT.total_seconds()))
        return now + max(wait, SHORTEST_WAIT)
    limit = meta.rate_limit
    if limit is not None and limit.remaining == 0:
        wait = limit.reset_at - now - timedelta(seconds=meta.clock_skew_seconds or 0.0)
        if wait > timedelta(0):
            return now + min(wait, LONGEST_WAIT)
    return now + WAIT_WITHOUT_HINT


# Words


def load(body: bytes) -> object:
    """The JSON value of a body. Raises ValueError or RecursionError."""
    value: object = json.loads(body, parse_constant=_no_constant)
    return value


def _no_constant(name: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _words(body: bytes | None) -> _Words:
    try:
        said = values.mapping(load(body or b""))
    except (ValueError, RecursionError):  # an HTML page, or nothing
        return _Words()
    return _Words(
        values.text(said.get("message")),
        tuple(_field_errors(said.get("errors"))),
        values.https_url(said.get("documentation_url")),
    )


def _field_errors(errors: object) -> list[FieldError]:
    """From objects `{field, code, message?}`, plain strings, or one string."""
    found = [_field_error(error) for error in (values.items(errors) or [errors])]
    found = found[:MOST_FIELD_ERRORS]
    return [error for error in found if error.field or error.code or error.message]


def _field_error(error: object) -> FieldError:
    if not values.is_object(error):
        return FieldError(None, None, values.clean(error) if isinstance(error, str) else None)
    field, code, message = (
        values.optional_text(error.get(key)) for key in ("field", "code", "message")
    )
    return FieldError(field, code, message)


def _errors_in(message: str) -> tuple[FieldError, ...]:
    """The details of a message without `errors`, so that there always is something to show."""
    for prefix, code in _PREFIXES.items():
        if message.startswith(prefix):
            return (FieldError(None, code, message.removeprefix(prefix)),)
    lines = [line.strip() for line in message.removeprefix(_INVALID_REQUEST).splitlines()]
    return tuple(FieldError(_field_in(line), "invalid", line) for line in lines if line)


def _field_in(line: str) -> str | None:
    match = _FIELD_IN_WORDS.match(line)
    return next((name for name in match.groups() if name), None) if match else None
