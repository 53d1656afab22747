"""What one answer means: a pure function of status, headers and body."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from requests.utils import parse_header_links

from . import values
from .errors import AnswerUnusable, GitHubError, RedirectRefused, Refused, ServerFailed
from .meta import AnswerMeta, read_meta
from .refusals import doubt, foreign_answer, is_foreign, load, read_refusal

REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Understood:
    """An answer that brought what was asked for.

    `payload` is the JSON value of the body; None if the body is empty or `unchanged`, which means a
    304 or a body whose hash is the known one. `body_sha256` (hex) is None for a 304. `next_link` is
    the address of `rel="next"` as sent, `has_links` whether there was a Link header at all.
    """

    meta: AnswerMeta
    payload: object
    body_sha256: str | None
    unchanged: bool
    next_link: str | None
    has_links: bool


def understand(
    status: int,
    headers: Mapping[str, str],
    body: bytes | None,
    now: datetime,
    *,
    sent_at: datetime | None = None,
    success: int = 200,
    write: bool = False,
    redirected_to: str | None = None,
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
    does a refusal of a write that was `redirected_to` where it was refused: AnswerUnusable. Never
    raises anything but GitHubError.
    """
    meta = read_meta(status, headers, now, sent_at=sent_at, redirected_to=redirected_to)
    if 400 <= status < 500:
        refusal = read_refusal(meta, headers, body, now, signed=signed)
        if write and isinstance(refusal, Refused):
            raise doubt(refusal) or refusal
        raise refusal
    if status != success and (write or status != 304):
        raise _failure(meta, headers)
    if body is None:
        raise AnswerUnusable("GitHub's answer is too large to be taken.", meta)
    sha256 = None if status == 304 else hashlib.sha256(body).hexdigest()
    unchanged = sha256 is None or sha256 == known_sha256
    payload = None if unchanged or not body else _parsed(body, headers, meta)
    link = headers.get("link")
    return Understood(meta, payload, sha256, unchanged, _next_link(link), link is not None)


def _parsed(body: bytes, headers: Mapping[str, str], meta: AnswerMeta) -> object:
    try:
        return load(body)
    except (ValueError, RecursionError):
        pass
    if is_foreign(headers, body):
        raise foreign_answer(meta)
    raise AnswerUnusable("GitHub's answer is not JSON.", meta)


def _next_link(header: str | None) -> str | None:
    links = parse_header_links(header) if header else []
    return next((link.get("url") for link in links if "next" in link.get("rel", "").split()), None)


def _failure(meta: AnswerMeta, headers: Mapping[str, str]) -> GitHubError:
    if 500 <= meta.status < 600:
        return ServerFailed(f"GitHub failed to answer ({meta.status}).", meta)
    if meta.status in REDIRECTS:
        host = _host(headers.get("location", ""))
        return RedirectRefused(
            f"GitHub redirected to {host}, which is not followed.", meta, host=host
        )
    return AnswerUnusable(f"GitHub answered with an unexpected status ({meta.status}).", meta)


def _host(address: str) -> str:
    try:
        return values.clean(urlsplit(address).hostname or "", 100) or "another address"
    except ValueError:
        return "another address"
