"""The hash chain over the audit log: linking new entries, verifying all of it, pruning it.

A chain shows that an entry was changed or removed by somebody who administers the database. They
could compute the whole chain again, but not change a digest that a log outside has kept.
"""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from runners_app.models import AuditEntry, AuditLink

log = logging.getLogger("audit")
START = "0" * 64
MOST_AT_ONCE, BATCH = 1000, 500
# Entries commit in another order than their ids; none is this many ids late.
LATE = 100_000


@dataclass(frozen=True)
class Verified:
    """The outcome of a verification. `problem` is empty if every link is right."""

    links: int
    unlinked: int
    head: str
    problem: str = ""


def digest_of(previous: str, entry: AuditEntry) -> str:
    """Return the digest of an entry that follows a link."""
    return hashlib.sha256(f"{previous}\n{entry.canonical()}".encode()).hexdigest()


def link_entries() -> int:
    """Add a link for each committed entry that has none; return how many. Run by a worker."""
    try:
        with transaction.atomic():
            return _link(MOST_AT_ONCE)
    except IntegrityError:
        return 0  # another worker took the same position


def _link(limit: int) -> int:
    last = AuditLink.objects.select_for_update().order_by("-position").first()
    links = AuditLink.objects.filter(entry_id=OuterRef("pk"))
    entries = AuditEntry.objects.filter(~Exists(links)).order_by("pk")
    if last is not None:
        entries = entries.filter(pk__gt=last.entry_id - LATE)
    position, digest = (last.position, last.digest) if last else (0, START)
    new = []
    for entry in entries[:limit]:
        position, digest = position + 1, digest_of(digest, entry)
        new.append(AuditLink(position=position, entry_id=entry.pk, digest=digest))
    AuditLink.objects.bulk_create(new, batch_size=BATCH)
    return len(new)


def log_head() -> None:
    """Log the newest digest, out of reach of whoever administers the database."""
    if (last := AuditLink.objects.order_by("-position").first()) is not None:
        log.info(
            '{"audit_chain_position":%d,"audit_chain_digest":"%s"}', last.position, last.digest
        )


def drop_pruned_links() -> int:
    """Delete links of pruned entries but for the last of them, the anchor; return how many."""
    first = _links_with_entries().order_by("position").first()
    if first is None:
        return 0
    return AuditLink.objects.filter(position__lt=first.position - 1).delete()[0]


def _links_with_entries() -> QuerySet[AuditLink]:
    return AuditLink.objects.filter(Exists(AuditEntry.objects.filter(pk=OuterRef("entry_id"))))


def verify() -> Verified:
    """Compute every digest again. The first link that is wrong is named in `problem`."""
    links = AuditLink.objects.filter(entry_id=OuterRef("pk"))
    unlinked = AuditEntry.objects.filter(~Exists(links)).count()
    before: AuditLink | None = None
    checked = 0
    for link, entry in _pairs():
        # Of the first link alone the entry may be gone: it is the anchor that pruning left.
        if entry is not None or before is not None:
            if problem := _problem_of(link, entry, before):
                head = before.digest if before else START
                return Verified(checked, unlinked, head, problem)
            checked += 1
        before = link
    return Verified(checked, unlinked, before.digest if before else START)


def _problem_of(link: AuditLink, entry: AuditEntry | None, before: AuditLink | None) -> str:
    position, digest = (before.position, before.digest) if before else (0, START)
    if link.position != position + 1:
        return f"Link {position + 1} is missing."
    if entry is None:
        return f"Link {link.position}: entry {link.entry_id} is missing."
    if link.digest != digest_of(digest, entry):
        return f"Link {link.position}: entry {link.entry_id} or the link was changed."
    return ""


def _pairs() -> Iterator[tuple[AuditLink, AuditEntry | None]]:
    links = AuditLink.objects.order_by("position").iterator(chunk_size=BATCH)
    while batch := list(islice(links, BATCH)):
        entries = AuditEntry.objects.in_bulk([link.entry_id for link in batch])
        for link in batch:
            yield link, entries.get(link.entry_id)
