"""Fetching: one function per resource reads all its pages from GitHub, without writing anything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from runners_app.github import GitHubClient, KnownPage, Page
from runners_app.github import Limits as GitHubLimits
from runners_app.models import CachedResponse, Reading
from runners_app.readings.publish import Counts, RowSet
from runners_app.readings.rows import Values

T = TypeVar("T")

# Called after each page of a reading: a worker carries out new operations then, because a long
# list must not keep a person waiting.
BetweenPages = Callable[[], None]


class IncompleteList(Exception):
    """The pages do not form one consistent list, because it changed while it was read."""


def check_whole(ids: list[Any], totals: set[int | None]) -> None:
    """Raise IncompleteList unless the pages form one list.

    `ids` are those of all pages; `totals` are the total counts the pages named, None if not.
    """
    if len(set(ids)) != len(ids) or any(total not in (None, len(ids)) for total in totals):
        raise IncompleteList("The list changed while it was read.")


@dataclass
class Fetched:
    """The result of fetching: rows to publish, limits, and what the pages answered for next time.

    `cached` and `responses` are by URL: as stored when the reading began, and as answered now.
    `others` are called in the publishing transaction, for content that is not a list of rows
    marked as gone; each returns what it wrote.
    """

    begun: datetime
    row_sets: list[RowSet] = field(default_factory=list)
    others: list[Callable[["Fetched"], Counts]] = field(default_factory=list)
    limits: GitHubLimits | None = None
    cached: dict[str, CachedResponse] = field(default_factory=dict)
    responses: dict[str, CachedResponse] = field(default_factory=dict)
    requests: int = 0
    not_modified: int = 0


class Fetcher:
    """Reads lists page by page for one reading, with conditional requests for cached pages."""

    def __init__(self, reading: Reading, client: GitHubClient, between_pages: BetweenPages) -> None:
        self.client = client
        self.reading = reading
        self.account = reading.account
        self.owner = reading.account.owner
        self.between_pages = between_pages

        begun = timezone.now()
        stored = CachedResponse.objects.filter(reading=reading)
        self.fetched = Fetched(begun=begun, cached={row.url: row for row in stored})

    def known(self, url: str) -> KnownPage | None:
        """What a page answered last time; None if never, or to another credential."""
        cached = self.fetched.cached.get(url)
        if cached is None or cached.credential_id != self.account.credential_id:
            return None
        return KnownPage(
            cached.etag or None, cached.body_sha256, cached.next_url or None, cached.total_count
        )

    def collect(
        self,
        pages: Iterator[Page[T]],
        into: RowSet,
        key_of: Callable[[T], Any],
        values_of: Callable[[T], Values],
    ) -> None:
        """Read a whole list into a row set that will be published.

        Raises IncompleteList if its pages do not form one list, and GitHubError.
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
        """Like `collect`, but publishing the row set is up to the caller."""
        read: list[tuple[Page[T], list[Any]]] = []
        for page in pages:
            self.note(page)
            if page.items is None:  # not modified
                ids = self.fetched.cached[page.url].ids
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
        """Count the request for a page."""
        self.fetched.requests += 1
        self.fetched.not_modified += page.not_modified

    def remember(self, page: Page[Any], ids: list[Any]) -> None:
        """Keep what a page answered, once its whole list has been read."""
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
