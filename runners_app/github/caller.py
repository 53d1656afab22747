"""What all calls share: sending, following redirects, reading one thing or a list page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlencode

from requests.auth import AuthBase

from . import values
from .answers import REDIRECTS, Understood, understand
from .auth import AppAuth
from .clock import uptime
from .errors import AnswerUnusable
from .meta import Answer, AnswerMeta, read_meta, usable_etag
from .pages import Known, KnownPage, Page
from .proxy import ProxySettings
from .transport import ApiAddress, RawAnswer, Transport

T = TypeVar("T")
Parse = Callable[[object], T]
BeforeRequest = Callable[[str], float | None]

# What GitHub documents for most operations.
SUCCESS = {"GET": 200, "POST": 201, "PATCH": 200, "PUT": 204, "DELETE": 204}
MOST_REDIRECTS = 3
MOST_PAGES = 1_000


class Caller:
    """A connection to one API with one credential; see `GitHubClient`."""

    def __init__(
        self,
        api_url: str,
        auth: AuthBase,
        *,
        api_version: str = "2026-03-10",
        deadline: float = 15.0,
        max_bytes: int = 5_000_000,
        ca_file: str | None = None,
        proxy: ProxySettings | None = None,
        before_request: BeforeRequest | None = None,
        on_answer: Callable[[AnswerMeta], None] | None = None,
    ) -> None:
        self._address = ApiAddress(api_url)
        self._transport = Transport(
            self._address, auth, max_bytes=max_bytes, ca_file=ca_file, proxy=proxy
        )
        self._headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": api_version,
        }
        self._auth = auth
        self._deadline = deadline
        self.before_request: BeforeRequest = before_request or _ignore
        self.on_answer = on_answer or _ignore

    def close(self) -> None:
        """Close the kept connections; the next call would open new ones."""
        self._transport.close()

    def _one(
        self,
        method: str,
        path: str,
        parse: Parse[T],
        *,
        json: object = None,
        success: int | None = None,
    ) -> Answer[T]:
        """One value. `success` is the status GitHub documents where it is not the usual one."""
        url = self._address.base + path
        understood = self._call(method, url, json=json, success=success or SUCCESS[method])
        return Answer(_read(parse, understood.payload, understood.meta), understood.meta)

    def _page_of_one(self, path: str, parse: Parse[T], known: Known) -> Page[T]:
        """A single thing, read again only when it changed."""
        url = self._address.base + path
        return self._page(url, lambda payload: (parse(payload),), known(url))

    def _pages(
        self, path: str, key: str | None, parse: Parse[T], known: Known, **query: int | str
    ) -> Iterator[Page[T]]:
        """All pages of a list, whose items stand under `key` (None: in a bare array)."""
        url: str | None = self._address.base + path + (f"?{urlencode(query)}" if query else "")
        seen: set[str] = set()
        while url is not None:
            page = self._page(url, lambda payload: _items(payload, key, parse), known(url))
            seen.add(url)
            if page.next_url in seen or len(seen) >= MOST_PAGES:
                raise AnswerUnusable("GitHub's list does not end.", page.meta)
            yield page
            url = page.next_url

    def _page(self, url: str, parse: Parse[tuple[T, ...]], known: KnownPage | None) -> Page[T]:
        understood = self._call("GET", url, known=known)
        if understood.unchanged:
            return self._unchanged_page(url, known, understood)
        found = _read(parse, understood.payload, understood.meta)
        return Page(
            url=url,
            items=found,
            total_count=values.count(values.mapping(understood.payload).get("total_count")),
            next_url=self._own_next(understood.next_link, url, understood.meta) if found else None,
            etag=understood.meta.etag,
            body_sha256=understood.body_sha256 or "",
            not_modified=False,
            meta=understood.meta,
        )

    def _unchanged_page(self, url: str, known: KnownPage | None, understood: Understood) -> Page[T]:
        meta, not_modified = understood.meta, understood.body_sha256 is None
        if known is None:
            raise AnswerUnusable(
                "GitHub answered that something is unchanged that we do not have.", meta
            )
        # A 304 may come without Link; an equal body never lacks it, and a page may have come after
        # it meanwhile.
        says_what_is_next = understood.has_links or not not_modified
        next_link = understood.next_link if says_what_is_next else known.next_url
        return Page(
            url=url,
            items=None,
            total_count=known.total_count,
            next_url=self._own_next(next_link, url, meta),
            etag=meta.etag or (known.etag if not_modified else None),
            body_sha256=known.body_sha256,
            not_modified=not_modified,
            meta=meta,
        )

    def _own_next(self, link: str | None, url: str, meta: AnswerMeta) -> str | None:
        if link is None:
            return None
        own = self._address.own(link, base=url)
        if own is None:
            raise AnswerUnusable(
                "GitHub's list goes on at an address that does not belong to this API.", meta
            )
        return own

    def _call(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        success: int = 200,
        known: KnownPage | None = None,
    ) -> Understood:
        etag = usable_etag(known.etag) if known else None
        headers = self._headers | ({"If-None-Match": etag} if etag else {})
        ends_at = uptime() + self._deadline
        redirected_to = None
        for redirects_left in range(MOST_REDIRECTS, -1, -1):
            allowed_until = self.before_request(method)
            if allowed_until is not None:
                ends_at = min(ends_at, allowed_until)
            sent_at = datetime.now(UTC)
            raw = self._transport.send(method, url, headers, json, ends_at=ends_at)
            meta = read_meta(raw.status, raw.headers, raw.received_at, sent_at=sent_at)
            if isinstance(self._auth, AppAuth) and meta.clock_skew_seconds is not None:
                self._auth.clock_skew_seconds = meta.clock_skew_seconds
            self.on_answer(meta)
            target = self._redirect_target(method, url, raw) if redirects_left else None
            if target is None:
                break
            url = redirected_to = target
        return understand(
            raw.status,
            raw.headers,
            raw.body,
            raw.received_at,
            sent_at=sent_at,
            success=success,
            write=method != "GET",
            redirected_to=redirected_to,
            signed=isinstance(self._auth, AppAuth),
            known_sha256=known.body_sha256 if known else None,
        )

    def _redirect_target(self, method: str, url: str, raw: RawAnswer) -> str | None:
        """Where to go on; None if this is no redirect or not one to follow.

        Only a 307 may repeat a write.
        """
        location = raw.headers.get("location")
        if raw.status not in (REDIRECTS if method == "GET" else {307}) or not location:
            return None
        return self._address.own(location, base=url)


def _read(parse: Parse[T], payload: object, meta: AnswerMeta) -> T:
    try:
        return parse(payload)
    except values.Unreadable as error:
        unusable = AnswerUnusable(f"GitHub's answer cannot be used: {error}.", meta)
    raise unusable


def _items(payload: object, key: str | None, parse: Parse[T]) -> tuple[T, ...]:
    """The items under `key`; a bare array will do as well, as some of GitHub's examples show."""
    listed = payload if isinstance(payload, list) else values.mapping(payload).get(key or "")
    if not isinstance(listed, list):
        raise values.Unreadable("the list is missing")
    return tuple(parse(item) for item in listed)


def _ignore(_: object) -> None:
    pass
