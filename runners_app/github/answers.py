"""What one answer means: a pure function of status, headers and body."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from requests.utils import parse_header_links

from . import values
from .errors import (
    AnswerUnusable,
    BadCredentials,
    ClockSkewed,
    Conflict,
    FieldError,
    Forbidden,
    GitHubError,
    Invalid,
    NotFound,
    RateLimited,
    RedirectRefused,
    Refused,
    ServerFailed,
)
from .meta import AnswerMeta, read_meta

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# The refusals GitHub documents for operations on runners, images and groups; 410 is for the end of
# an API version.
REFUSALS = frozenset({400, 401, 403, 404, 409, 410, 422, 429})
_SHORTEST_WAIT, _WAIT_WITHOUT_HINT, _LONGEST_WAIT = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(days=1),
)
_MANY = 50

# GitHub's validation: `"size" wasn't supplied.` and `For 'properties/size', 1 is not a string.`
_FIELD_IN_WORDS = re.compile(r"""\A(?:"(\w+)"|For '(?:properties/)?(\w+)')""")
# Texts of the Actions service, which come without `errors`.
_PREFIXES = {"Invalid Argument - ": "invalid", "Already exists - ": "already_exists"}
_INVALID_REQUEST = "Invalid request."

# A signature holds from a minute before it was made.
MOST_SKEW_S = 60
# `'Expiration time' claim ('exp') is too far in the future`, `'Issued at' claim ('iat') must be…`
_CLAIM_OF_TIME = re.compile(r"\b(exp|iat)\b")


@dataclass(frozen=True, slots=True)
class Understood:
    """An answer that brought what was asked for.

    `payload` is the JSON value of the body; None if the body is empty or `unchanged`, which means a 304 or a body whose
    hash is the known one. `body_sha256` (hex) is None for a 304. `next_link` is the address of `rel="next"` as sent,
    `has_links` whether there was a Link header at all.
    """

    meta: AnswerMeta
    payload: object
    body_sha256: str | None
    unchanged: bool
    next_link: str | None
    has_links: bool


@dataclass(frozen=True, slots=True)
class _Words:
    """What GitHub says in the body of a refusal."""

    message: str = ""
    errors: tuple[FieldError, ...] = ()
    documentation_url: str | None = None


def understand(
    status: int,
    headers: Mapping[str, str],
    body: bytes | None,
    now: datetime,
    *,
    sent_at: datetime | None = None,
    success: int = 200,
    write: bool = False,
    repeated: bool = False,
    signed: bool = False,
    known_sha256: str | None = None,
) -> Understood:
    """Turn an answer into data, or raise the GitHubError it stands for.

    `headers` has lower-case names or finds them regardless of case; `body` is unpacked, None if it
    was too large to be read; `now` and `sent_at` (when the request left) are aware. `success` is
    the status GitHub documents for this operation, `signed` whether it bore an App's signature. A
    body whose SHA-256 is `known_sha256` is not parsed.

    A `write` was refused only if the answer is a refusal as GitHub documents it, status and body.
    Any other may come from something on the way and leaves open whether GitHub carried it out, as
    does a refusal of a write that was `repeated`: AnswerUnusable. Never raises anything but
    GitHubError.
    """
    meta = read_meta(status, headers, now, sent_at=sent_at)
    if status != success and (write or status != 304):
        failure = _failure(meta, headers, body, now)
        if signed and isinstance(failure, BadCredentials) and _is_about_time(failure):
            failure = _clock_skewed(failure)
        if write and isinstance(failure, Refused):
            raise _doubt(failure, repeated) or failure
        raise failure
    if body is None:
        raise AnswerUnusable("GitHub's answer is too large to be taken.", meta)
    sha256 = None if status == 304 else hashlib.sha256(body).hexdigest()
    unchanged = sha256 is None or sha256 == known_sha256
    payload = None if unchanged or not body else _parsed(body, meta)
    link = headers.get("link")
    return Understood(meta, payload, sha256, unchanged, _next_link(link), link is not None)


def _parsed(body: bytes, meta: AnswerMeta) -> object:
    try:
        return _load(body)
    except (ValueError, RecursionError):
        unreadable = AnswerUnusable("GitHub's answer is not JSON.", meta)
    raise unreadable


def _load(body: bytes) -> object:
    value: object = json.loads(body, parse_constant=_no_constant)
    return value


def _no_constant(name: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _next_link(header: str | None) -> str | None:
    links = parse_header_links(header) if header else []
    return next((link.get("url") for link in links if "next" in link.get("rel", "").split()), None)


def _failure(
    meta: AnswerMeta, headers: Mapping[str, str], body: bytes | None, now: datetime
) -> GitHubError:
    if 400 <= meta.status < 500:
        return _refusal(meta, _words(body), now)
    if 500 <= meta.status < 600:
        return ServerFailed(f"GitHub failed to answer ({meta.status}).", meta)
    if meta.status in REDIRECTS:
        host = _host(headers.get("location", ""))
        return RedirectRefused(
            f"GitHub redirected to {host}, which is not followed.", meta, host=host
        )
    return AnswerUnusable(f"GitHub answered with an unexpected status ({meta.status}).", meta)


def _doubt(refusal: Refused, repeated: bool) -> AnswerUnusable | None:
    """Why a refusal does not prove that the write was not carried out; None if it does."""
    if repeated:
        return AnswerUnusable(
            f"The write was redirected and then refused ({refusal.status}), so it may have been "
            f"carried out before. {refusal.message}",
            refusal.meta,
        )
    if refusal.status in REFUSALS and refusal.github_message:
        return None
    return AnswerUnusable(
        f"The answer ({refusal.status}) is none that GitHub documents for this, so it may come "
        "from something on the way, and the write may have been carried out.",
        refusal.meta,
    )


def _host(address: str) -> str:
    try:
        return values.clean(urlsplit(address).hostname or "", 100) or "another address"
    except ValueError:
        return "another address"


def _refusal(meta: AnswerMeta, words: _Words, now: datetime) -> Refused:
    if _is_limit(meta, words):
        return _rate_limited(meta, words, now)
    kind = _KINDS.get(meta.status, Refused)
    errors = words.errors or (_errors_in(words.message) if kind in (Invalid, Conflict) else ())
    return kind(
        _sentence(meta, words),
        meta,
        github_message=words.message,
        errors=errors,
        documentation_url=words.documentation_url,
    )


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


def _sentence(meta: AnswerMeta, words: _Words) -> str:
    opening = f"{_OPENINGS.get(meta.status, 'GitHub refused this')} ({meta.status})"
    said = " ".join(words.message.split())
    details = "; ".join(str(error) for error in words.errors[:5])
    parts = [part for part in (said, details, _needed(meta)) if part]
    return ". ".join([": ".join([opening, *parts[:1]]), *parts[1:]]).rstrip(".") + "."


def _needed(meta: AnswerMeta) -> str:
    """What a 403 says in its headers about the right that is missing."""
    if meta.status != 403:
        return ""
    if meta.sso_url:
        return "The token must be authorised for the organization's SAML single sign-on"
    if meta.accepted_permissions:
        return f"Needed permission: {meta.accepted_permissions}"
    if meta.accepted_oauth_scopes:
        return f"Needed scope: {' or '.join(meta.accepted_oauth_scopes)}"
    return ""


def _is_about_time(refusal: BadCredentials) -> bool:
    """Whether an App's signature may have been refused only because this machine's clock is wrong."""
    skew = refusal.meta.clock_skew_seconds or 0.0
    return abs(skew) > MOST_SKEW_S or _CLAIM_OF_TIME.search(refusal.github_message) is not None


def _clock_skewed(refusal: BadCredentials) -> ClockSkewed:
    skew = refusal.meta.clock_skew_seconds
    wrong = f" This machine's clock is {in_words(skew)} GitHub's: set it." if skew else ""
    return ClockSkewed(
        f"GitHub did not accept the time of the App's signature (401): "
        f"{refusal.github_message.rstrip('.')}.{wrong}",
        refusal.meta,
        github_message=refusal.github_message,
        errors=refusal.errors,
        documentation_url=refusal.documentation_url,
    )


def in_words(skew_seconds: float) -> str:
    """A clock's skew as a person would say it, such as `3 min behind`: of this machine's, whose
    clock is behind where GitHub's is ahead."""
    seconds = round(abs(skew_seconds))
    size = f"{seconds} s" if seconds < 120 else f"{round(seconds / 60):,} min"
    return f"{size} {'behind' if skew_seconds > 0 else 'ahead of'}"


def _is_limit(meta: AnswerMeta, words: _Words) -> bool:
    """Status and headers decide; a secondary limit may come as a bare 403, so at last GitHub's words do."""
    if meta.status == 429:
        return True
    if meta.status != 403 or meta.sso_url:
        return False
    if meta.retry_after is not None or (
        meta.rate_limit is not None and meta.rate_limit.remaining == 0
    ):
        return True
    said = f"{words.message} {words.documentation_url}".lower()
    return "rate limit" in said or "rate-limit" in said


def _rate_limited(meta: AnswerMeta, words: _Words, now: datetime) -> RateLimited:
    wait_until = _wait_until(meta, now)
    primary = (
        meta.retry_after is None and meta.rate_limit is not None and meta.rate_limit.remaining == 0
    )
    which = "hourly rate limit" if primary else "secondary rate limit"
    return RateLimited(
        f"GitHub's {which} is reached ({meta.status}). Nothing is sent before {wait_until:%Y-%m-%d %H:%M:%S} UTC.",
        meta,
        wait_until=wait_until,
        primary=primary,
        github_message=words.message,
        errors=words.errors,
        documentation_url=words.documentation_url,
    )


def _wait_until(meta: AnswerMeta, now: datetime) -> datetime:
    if meta.retry_after is not None:
        wait = timedelta(seconds=min(meta.retry_after, _LONGEST_WAIT.total_seconds()))
        return now + max(wait, _SHORTEST_WAIT)
    limit = meta.rate_limit
    if limit is not None and limit.remaining == 0 and limit.reset_at > now:
        return min(limit.reset_at, now + _LONGEST_WAIT)
    return now + _WAIT_WITHOUT_HINT


def _words(body: bytes | None) -> _Words:
    try:
        said = values.mapping(_load(body or b""))
    except (ValueError, RecursionError):  # an HTML page, or nothing
        return _Words()
    return _Words(
        values.text(said.get("message")),
        tuple(_field_errors(said.get("errors"))),
        values.https_url(said.get("documentation_url")),
    )


def _field_errors(errors: object) -> list[FieldError]:
    """From objects `{field, code, message?}`, plain strings, or one string."""
    found = [_field_error(error) for error in (values.items(errors) or [errors])[:_MANY]]
    return [error for error in found if error.field or error.code or error.message]


def _field_error(error: object) -> FieldError:
    if not values.is_object(error):
        return FieldError(None, None, values.clean(error) if isinstance(error, str) else None)
    field, code, message = (
        values.optional_text(error.get(key)) for key in ("field", "code", "message")
    )
    return FieldError(field, code, message)


def _errors_in(message: str) -> tuple[FieldError, ...]:
    """The details of a message that came without `errors`, so that there always is something to show."""
    for prefix, code in _PREFIXES.items():
        if message.startswith(prefix):
            return (FieldError(None, code, message.removeprefix(prefix)),)
    lines = [line.strip() for line in message.removeprefix(_INVALID_REQUEST).splitlines()]
    return tuple(FieldError(_field_in(line), "invalid", line) for line in lines if line)


def _field_in(line: str) -> str | None:
    match = _FIELD_IN_WORDS.match(line)
    return next((name for name in match.groups() if name), None) if match else None
