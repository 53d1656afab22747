"""Fetching: one function per resource reads all its pages from GitHub, without writing anything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings

from runners_app.github import GitHubClient, KnownPage, NotFound, Page
from runners_app.github import Limits as GitHubLimits
from runners_app.models import CachedResponse, Reading
from runners_app.models.clock import database_now
from runners_app.readings.publish import Counts, RowSet
from runners_app.readings.rows import Values

T = TypeVar("T")
INCOMPLETE_TRIES = 3

# Called after each page of a reading: a worker carries out new operations then, because a long
# list must not keep a person waiting.
BetweenPages = Callable[[], None]


# Of so many absent rows at most GitHub is asked one by one whether they are gone.
MOST_DIRECT_GETS = 20


class IncompleteList(Exception):
    """The pages do not form one consistent list; the message says why."""


def check_whole(ids: list[Any], totals: set[int | None]) -> None:
    """Raise IncompleteList unless the pages form one list.

    `ids` are those of all pages; `totals` are the total counts the pages named, None if not.
    """
    if len(set(ids)) != len(ids) or any(total not in (None, len(ids)) for total in totals):
        raise IncompleteList("The list changed while it was read, or its pages do not add up.")


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
    incomplete: str = ""  # why a list that never adds up was accepted


class Fetcher:
    """Reads lists page by page for one reading, with conditional requests for cached pages.

    Lists that prove something, such as the absence of rows, are read unconditionally. A list that
    did not add up in INCOMPLETE_TRIES runs is accepted as incomplete.
    """

    def __init__(
        self,
        reading: Reading,
        client: GitHubClient,
        between_pages: BetweenPages,
        *,
        unconditional: bool = False,
    ) -> None:
        self.client = client
        self.reading = reading
        self.account = reading.account
        self.owner = reading.account.owner
        self.between_pages = between_pages

        begun = database_now()
        since = reading.missing_since
        proof = timedelta(seconds=settings.ABSENCE_PROOF_SECONDS)
        self.unconditional = unconditional or (since is not None and begun - since >= proof)
        self.accepts_incomplete = (
            reading.error == "incomplete" and reading.failures >= INCOMPLETE_TRIES - 1
        )
        stored = CachedResponse.objects.filter(reading=reading)
        self.fetched = Fetched(begun=begun, cached={row.url: row for row in stored})

    def known(self, url: str) -> KnownPage | None:
        """What a page answered last time; None if it must be read unconditionally."""
        cached = None if self.unconditional else self.fetched.cached.get(url)
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
        get: Callable[[Any], object] | None = None,
    ) -> None:
        """Read a whole list into a row set that will be published.

        `get` reads one item by its key, and raises NotFound: with it, GitHub is asked directly
        about rows that the list lacks. Raises IncompleteList if the pages do not form one list, or
        if the list lacks an item that GitHub still has, and GitHubError.
        """
        self.read(pages, into, key_of, values_of)
        self.fetched.row_sets.append(into)
        if into.complete:
            into.proof.is_unconditional = self.unconditional
            self._ask_for_absent(into, get)

    def _ask_for_absent(self, rows: RowSet, get: Callable[[Any], object] | None) -> None:
        if get is None:
            rows.proof.is_sampled = True
            return
        for key in sorted(rows.absent_keys(self.fetched.begun))[:MOST_DIRECT_GETS]:
            self.fetched.requests += 1
            try:
                get(key)
            except NotFound:
                rows.proof.gone.add(key)
            else:
                rows.complete = False
                self._accept_or_raise("The list lacks items that GitHub shows by themselves.")
                return
            self.between_pages()
        rows.proof.is_sampled = True

    def _accept_or_raise(self, reason: str) -> None:
        if not self.accepts_incomplete:
            raise IncompleteList(reason)
        self.fetched.incomplete = reason

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

        try:
            check_whole(
                [key for _, ids in read for key in ids], {page.total_count for page, _ in read}
            )
        except IncompleteList as error:
            into.complete = False
            self._accept_or_raise(str(error))
            return
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
