"""Fetching: one function per resource reads all its pages from GitHub, and writes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from runners_app.github import GitHubClient, KnownPage, Page
from runners_app.github import Limits as GitHubLimits
from runners_app.models import (
    CachedResponse,
    Reading,
)
from runners_app.readings.publish import Counts, RowSet
from runners_app.readings.rows import Values

T = TypeVar("T")


BetweenPages = Callable[[], None]


class IncompleteList(Exception):
    """The pages do not add up to one list: something moved between them. Nothing may be published."""


def check_whole(ids: list[Any], totals: set[int | None]) -> None:
    """Raises IncompleteList unless pages with these ids, and these totals told, add up to one list."""
    if len(set(ids)) != len(ids) or any(total not in (None, len(ids)) for total in totals):
        raise IncompleteList("The list changed while it was read.")


@dataclass
class Fetched:
    """All a reading brought: rows to publish, limits, and what its pages are known by from now on.

    `others` write, in the publishing transaction, what is no list of rows that stay when they are
    gone.
    """

    begun: datetime
    row_sets: list[RowSet] = field(default_factory=list)
    others: list[Callable[["Fetched"], Counts]] = field(default_factory=list)
    limits: GitHubLimits | None = None
    cached: dict[str, CachedResponse] = field(
        default_factory=dict
    )  # by address, as stored when it began
    responses: dict[str, CachedResponse] = field(default_factory=dict)
    requests: int = 0
    not_modified: int = 0


class Fetcher:
    """Reads lists page by page for one reading, offering GitHub what the pages were known by."""

    def __init__(self, reading: Reading, client: GitHubClient, between_pages: BetweenPages) -> None:
        self.client = client
        self.reading = reading
        self.account = reading.account
        self.owner = reading.account.owner
        self.between_pages = between_pages
        begun = timezone.now()
        stored = CachedResponse.objects.filter(reading=reading)
        self.fetched = Fetched(begun=begun, cached={row.url: row for row in stored})
        self._cached = {
            url: answer
            for url, answer in self.fetched.cached.items()
            if answer.credential_id == self.account.credential_id
        }

    def known(self, url: str) -> KnownPage | None:
        answer = self._cached.get(url)
        if answer is None:
            return None
        return KnownPage(
            answer.etag or None, answer.body_sha256, answer.next_url or None, answer.total_count
        )

    def collect(
        self,
        pages: Iterator[Page[T]],
        into: RowSet,
        key_of: Callable[[T], Any],
        values_of: Callable[[T], Values],
    ) -> None:
        """Read a whole list into a row set, to be published. Raises IncompleteList when its pages
        do not add up.
        """
        self.read(pages, into, key_of, values_of)
        self.fetched.row_sets.append(into)

    def read(
        self,
        pages: Iterator[Page[T]],
        into: RowSet,
        key_of: Callable[[T], Any],
        values_of: Callable[[T], Values],
    ) -> None:
        """Like `collect`, for whoever publishes in a way of its own."""
        read: list[tuple[Page[T], list[Any]]] = []
        for page in pages:
            self.note(page)
            if page.items is None:
                ids = self._cached[page.url].ids
                into.kept.update(ids)
            else:
                ids = [key_of(item) for item in page.items]
                into.rows.update((key_of(item), values_of(item)) for item in page.items)
            read.append((page, ids))
            self.between_pages()
        check_whole([key for _, ids in read for key in ids], {page.total_count for page, _ in read})
        for page, ids in read:
            self.remember(page, ids)

    def note(self, page: Page[Any]) -> None:
        """Count what it cost."""
        self.fetched.requests += 1
        self.fetched.not_modified += page.not_modified

    def remember(self, page: Page[Any], ids: list[Any]) -> None:
        """Keep what a page is known by, once all of its list has come."""
        self.fetched.responses[page.url] = CachedResponse(
            credential_id=self.account.credential_id,
            reading=self.reading,
            url=page.url,
            etag=(page.etag or "")[:300],
            body_sha256=page.body_sha256,
            next_url=page.next_url or "",
            total_count=page.total_count,
            ids=ids,
        )
