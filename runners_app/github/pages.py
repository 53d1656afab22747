"""Lists, page by page, reading again only what changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .meta import AnswerMeta

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KnownPage:
    """What was kept of a page read before, by its URL and by the credential it was read with."""

    etag: str | None
    body_sha256: str
    next_url: str | None
    total_count: int | None


Known = Callable[[str], KnownPage | None]


def none_known(url: str) -> None:
    """For lists that are always read afresh."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. `items` is None if the page is unchanged (a 304 or an equal body, told
    apart by `not_modified`); the other fields are always those to keep as its `KnownPage`.
    """

    url: str
    items: tuple[T, ...] | None
    total_count: int | None
    next_url: str | None
    etag: str | None
    body_sha256: str
    not_modified: bool
    meta: AnswerMeta
