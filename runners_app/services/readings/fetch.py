"""Fetching: one function per resource reads all its pages from GitHub, and writes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.utils import timezone

from runners_app.github import GitHubClient, KnownPage, NotFound, Page
from runners_app.github import Limits as GitHubLimits
from runners_app.models import (
    Image,
    ImageVersion,
    KnownAnswer,
    MachineSize,
    Platform,
    Reading,
    Runner,
    RunnerGroup,
)
from runners_app.services.readings import access, rows
from runners_app.services.readings.publish import Counts, RowSet

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

    `others` write, in the publishing transaction, what is no list of rows that stay when they are gone.
    """

    begun: datetime
    row_sets: list[RowSet] = field(default_factory=list)
    others: list[Callable[["Fetched"], Counts]] = field(default_factory=list)
    limits: GitHubLimits | None = None
    known: dict[str, KnownAnswer] = field(default_factory=dict)  # by address, as stored when it began
    answers: dict[str, KnownAnswer] = field(default_factory=dict)
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
        stored = KnownAnswer.objects.filter(reading=reading)
        self.fetched = Fetched(begun=begun, known={answer.url: answer for answer in stored})
        self._known = {
            url: answer
            for url, answer in self.fetched.known.items()
            if answer.credential_id == self.account.credential_id
        }

    def known(self, url: str) -> KnownPage | None:
        answer = self._known.get(url)
        if answer is None:
            return None
        return KnownPage(answer.etag or None, answer.body_sha256, answer.next_url or None, answer.total_count)

    def collect(
        self,
        pages: Iterator[Page[T]],
        into: RowSet,
        key_of: Callable[[T], Any],
        values_of: Callable[[T], rows.Values],
    ) -> None:
        """Read a whole list into a row set, to be published. Raises IncompleteList when its pages do not add up."""
        self.read(pages, into, key_of, values_of)
        self.fetched.row_sets.append(into)

    def read(
        self,
        pages: Iterator[Page[T]],
        into: RowSet,
        key_of: Callable[[T], Any],
        values_of: Callable[[T], rows.Values],
    ) -> None:
        """Like `collect`, for whoever publishes in a way of its own."""
        read: list[tuple[Page[T], list[Any]]] = []
        for page in pages:
            self.note(page)
            if page.items is None:
                ids = self._known[page.url].ids
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
        self.fetched.answers[page.url] = KnownAnswer(
            credential_id=self.account.credential_id,
            reading=self.reading,
            url=page.url,
            etag=(page.etag or "")[:300],
            body_sha256=page.body_sha256,
            next_url=page.next_url or "",
            total_count=page.total_count,
            ids=ids,
        )


def fetch_runners(fetcher: Fetcher) -> None:
    pages = fetcher.client.list_hosted_runners(fetcher.owner, known=fetcher.known)
    into = RowSet(Runner, {"account": fetcher.account}, "github_id")
    fetcher.collect(pages, into, lambda runner: runner.id, rows.runner_values)


def fetch_groups(fetcher: Fetcher) -> None:
    pages = fetcher.client.list_runner_groups(fetcher.owner, known=fetcher.known)
    into = RowSet(RunnerGroup, {"account": fetcher.account}, "github_id")
    fetcher.collect(pages, into, lambda group: group.id, rows.group_values)


def fetch_limits(fetcher: Fetcher) -> None:
    page = fetcher.client.get_hosted_runner_limits(fetcher.owner, known=fetcher.known)
    fetcher.note(page)
    fetcher.remember(page, [])
    if page.items:
        fetcher.fetched.limits = page.items[0]


def fetch_catalog(fetcher: Fetcher) -> None:
    client, owner, account = fetcher.client, fetcher.owner, fetcher.account
    for source, pages in (
        (Image.Source.GITHUB, client.list_github_owned_images(owner, known=fetcher.known)),
        (Image.Source.PARTNER, client.list_partner_images(owner, known=fetcher.known)),
    ):
        into = RowSet(Image, {"account": account, "source": source}, "github_id")
        fetcher.collect(pages, into, lambda image: image.id, rows.curated_image_values)
    sizes = RowSet(MachineSize, {"account": account}, "github_id")
    fetcher.collect(
        client.list_machine_sizes(owner, known=fetcher.known), sizes, lambda size: size.id, rows.machine_size_values
    )
    platforms = RowSet(Platform, {"account": account}, "github_id")
    fetcher.collect(client.list_platforms(owner, known=fetcher.known), platforms, lambda name: name, lambda _: {})


def fetch_custom_images(fetcher: Fetcher) -> None:
    into = RowSet(Image, {"account": fetcher.account, "source": Image.Source.CUSTOM}, "github_id")
    pages = fetcher.client.list_custom_images(fetcher.owner, known=fetcher.known)
    fetcher.collect(pages, into, lambda image: str(image.id), rows.custom_image_values)


def fetch_image_versions(fetcher: Fetcher) -> None:
    """Versions of every custom image on our table; one that vanished meanwhile is left to the reading of images."""
    images = Image.objects.present().filter(account=fetcher.account, source=Image.Source.CUSTOM)
    for image in images.order_by("pk"):
        into = RowSet(ImageVersion, {"account": fetcher.account, "image": image}, "version")
        pages = fetcher.client.list_custom_image_versions(fetcher.owner, int(image.github_id), known=fetcher.known)
        try:
            fetcher.collect(pages, into, lambda version: version.version, rows.image_version_values)
        except NotFound:
            fetcher.fetched.requests += 1


FETCH: dict[str, Callable[[Fetcher], None]] = {
    Reading.Resource.RUNNERS: fetch_runners,
    Reading.Resource.LIMITS: fetch_limits,
    Reading.Resource.GROUPS: fetch_groups,
    Reading.Resource.CATALOG: fetch_catalog,
    Reading.Resource.CUSTOM_IMAGES: fetch_custom_images,
    Reading.Resource.IMAGE_VERSIONS: fetch_image_versions,
    Reading.Resource.GROUP_ACCESS: access.fetch_group_access,
    Reading.Resource.REPOSITORIES: access.fetch_repositories,
    Reading.Resource.SELF_HOSTED_RUNNERS: access.fetch_self_hosted_runners,
    Reading.Resource.ACCESS_CHECKS: access.fetch_access_checks,
}


def fetch(reading: Reading, client: GitHubClient, between_pages: BetweenPages) -> Fetched:
    """Read every page of a resource. Raises GitHubError or IncompleteList; then nothing is published."""
    fetcher = Fetcher(reading, client, between_pages)
    FETCH[reading.resource](fetcher)
    return fetcher.fetched
