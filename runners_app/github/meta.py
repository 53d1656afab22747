"""What the headers of one answer say, whatever its body holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from . import values

T = TypeVar("T")

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')


@dataclass(frozen=True, slots=True)
class RateLimit:
    """GitHub's primary limit of one resource, per hour and per user or installation."""

    limit: int
    remaining: int
    used: int
    reset_at: datetime
    resource: str


@dataclass(frozen=True, slots=True)
class AnswerMeta:
    """The headers of one answer, read. Times are aware UTC; what was absent or unreadable is None.

    `oauth_scopes` are those of a classic token (None for other kinds of token),
    `accepted_oauth_scopes` and `accepted_permissions` what the operation would have taken.
    `retry_after` is in seconds. `deprecation` and `sunset` announce the end of the API version
    asked for. `sso_url` (https) is where a person authorises the token for SAML.

    `clock_skew_seconds` is by how much GitHub's clock is ahead of this machine's (negative:
    behind), as far as its `date` proves it: 0.0 while nothing disagrees. `redirected_to` is the
    address that answered in the end, if another one was asked: what it names may have moved, or
    been renamed.
    """

    status: int
    request_id: str | None = None
    rate_limit: RateLimit | None = None
    etag: str | None = None
    oauth_scopes: tuple[str, ...] | None = None
    accepted_oauth_scopes: tuple[str, ...] | None = None
    accepted_permissions: str | None = None
    token_expires_at: datetime | None = None
    date: datetime | None = None
    deprecation: datetime | None = None
    sunset: datetime | None = None
    retry_after: int | None = None
    sso_url: str | None = None
    clock_skew_seconds: float | None = None
    redirected_to: str | None = None

    @property
    def lacks_scope(self) -> bool:
        """Whether GitHub tells the scopes of a classic token and none of those it would accept is
        among them."""
        accepted, has = self.accepted_oauth_scopes, self.oauth_scopes
        return bool(accepted) and has is not None and not set(accepted or ()) & set(has)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """One value GitHub answered, with what the headers said."""

    data: T
    meta: AnswerMeta


def read_meta(
    status: int,
    headers: Mapping[str, str],
    received_at: datetime,
    *,
    sent_at: datetime | None = None,
    redirected_to: str | None = None,
) -> AnswerMeta:
    """Read the headers of one answer.

    `headers` must find names regardless of case, or have lower-case names. `sent_at` and
    `received_at` (aware) are when the request left and its answer came, by this machine's clock.
    """
    date = values.http_date(headers.get("date"))
    return AnswerMeta(
        status=status,
        request_id=values.optional_text(headers.get("x-github-request-id")),
        rate_limit=_rate_limit(headers),
        etag=usable_etag(headers.get("etag")),
        oauth_scopes=_names(headers.get("x-oauth-scopes")),
        accepted_oauth_scopes=_names(headers.get("x-accepted-oauth-scopes")),
        accepted_permissions=values.optional_text(headers.get("x-accepted-github-permissions")),
        token_expires_at=_token_expiry(headers.get("github-authentication-token-expiration")),
        date=date,
        deprecation=_deprecation(headers.get("deprecation")),
        sunset=values.http_date(headers.get("sunset")),
        retry_after=_retry_after(headers.get("retry-after"), date),
        sso_url=_sso_url(headers.get("x-github-sso")),
        clock_skew_seconds=_clock_skew(date, sent_at or received_at, received_at),
        redirected_to=redirected_to,
    )


def _clock_skew(date: datetime | None, sent_at: datetime, received_at: datetime) -> float | None:
    """The least disagreement that explains a date, which is in whole seconds, of some moment
    between the request and its answer."""
    if date is None:
        return None
    ahead_at_least = (date - received_at).total_seconds()
    ahead_at_most = (date + timedelta(seconds=1) - sent_at).total_seconds()
    return max(ahead_at_least, 0.0) + min(ahead_at_most, 0.0)


def usable_etag(etag: str | None) -> str | None:
    """The ETag if it may be sent back as it is; None if absent, overlong or not an ETag."""
    return etag if etag is not None and _ETAG.fullmatch(etag) else None


def _rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    limit = values.header_number(headers.get("x-ratelimit-limit"))
    remaining = values.header_number(headers.get("x-ratelimit-remaining"))
    reset_at = values.epoch(headers.get("x-ratelimit-reset", ""))
    if limit is None or remaining is None or reset_at is None:
        return None
    used = values.header_number(headers.get("x-ratelimit-used"))
    resource = values.text(headers.get("x-ratelimit-resource")) or "core"
    return RateLimit(
        limit, remaining, max(limit - remaining, 0) if used is None else used, reset_at, resource
    )


def _names(header: str | None) -> tuple[str, ...] | None:
    if header is None:
        return None
    names = (name.strip() for name in values.clean(header).split(","))
    return tuple(name for name in names if name)


def _token_expiry(header: str | None) -> datetime | None:
    """`2026-12-01 12:00:00 UTC` or `2026-12-01 12:00:00 -0500`."""
    if header is None:
        return None
    return values.moment(header.replace(" UTC", "+00:00").replace(" +", "+").replace(" -", "-"))


def _deprecation(header: str | None) -> datetime | None:
    """`@1796860800` (RFC 9745) or, of older servers, an HTTP date."""
    if header is not None and header.startswith("@"):
        return values.epoch(header[1:])
    return values.http_date(header)


def _retry_after(header: str | None, date: datetime | None) -> int | None:
    """Seconds, also from the form that names a date."""
    seconds = values.header_number(header)
    if seconds is None and date is not None and (until := values.http_date(header)) is not None:
        return max(int((until - date).total_seconds()), 0)
    return seconds


def _sso_url(header: str | None) -> str | None:
    """From `required; url=https://…`."""
    parts = (part.strip() for part in (header or "").split(";"))
    return next((values.https_url(part[4:]) for part in parts if part.startswith("url=")), None)
