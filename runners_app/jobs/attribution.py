"""Which pool ran a job, or is asked to. Pure.

GitHub names the machine, not the pool. "Unknown" is an answer that pages show; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from runners_app.jobs.normalise import JobFacts, was_assigned

STANDARD_GROUP, STANDARD_MACHINE = "github actions", "github actions "
# GitHub's own machines, macOS large ones among them: none of these is a pool.
_STANDARD_LABEL = re.compile(
    r"(ubuntu|windows|macos)-(latest|slim|\d{1,4}(\.\d\d)?)(-(arm|intel|large|xlarge|vs\d{4}))?",
    re.IGNORECASE,
)
_SELF_HOSTED = "self-hosted"


class JobKind(StrEnum):
    """Where a job runs. `unknown` is a larger runner's as far as anybody can tell."""

    LARGER = "larger"
    STANDARD = "standard"
    SELF_HOSTED = "self_hosted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool the jobs of an account may run on.

    `group_id` is the id the account itself knows its group by. If the pool is an enterprise's,
    `owner` is that account and `owner_group_id` the group's id there.
    """

    id: int
    name: str
    group_id: int
    gone_at: datetime | None = None
    owner: int | None = None
    owner_group_id: int | None = None


def pool_that_ran(facts: JobFacts, pools: Iterable[Pool]) -> Pool | None:
    """The pool of the machine that took the job, None if nobody can tell.

    In the job's group: (a) the one a label names, (b) the one whose name begins the machine's, the
    longest first, (c) the only one.
    """
    if (
        not was_assigned(facts)
        or not facts.group_id
        or is_standard(facts)
        or _asks_self_hosted(facts)
    ):
        return None
    group = _there_then([pool for pool in pools if pool.group_id == facts.group_id], facts)
    labels = {label.casefold() for label in facts.labels}
    named = [pool for pool in group if pool.name.casefold() in labels]
    if named:
        return _newest(named)
    machine = facts.runner_name.casefold()
    prefixes = [pool for pool in group if machine.startswith(_beginnings(pool))]
    if prefixes:
        longest = max(len(pool.name) for pool in prefixes)
        return _newest([pool for pool in prefixes if len(pool.name) == longest])
    return group[0] if len(group) == 1 else None


def pool_asked_for(facts: JobFacts, pools: Iterable[Pool]) -> Pool | None:
    """The one pool a waiting job's labels name, None if there is none, or several in different
    groups.
    """
    labels = {label.casefold() for label in facts.labels}
    named = [pool for pool in pools if pool.gone_at is None and pool.name.casefold() in labels]
    return named[0] if len({pool.id for pool in named}) == 1 else None


def kind_of(facts: JobFacts, pool: Pool | None) -> JobKind:
    """Where the job runs, or is to run."""
    if pool is not None:
        return JobKind.LARGER
    if _asks_self_hosted(facts):
        return JobKind.SELF_HOSTED
    if is_standard(facts):
        return JobKind.STANDARD
    return JobKind.UNKNOWN


def is_standard(facts: JobFacts) -> bool:
    """Whether one of GitHub's standard machines runs the job, or is asked to."""
    if facts.runner_name or facts.group_name:
        named = facts.runner_name.casefold().startswith(STANDARD_MACHINE)
        return named and facts.group_name.casefold() in ("", STANDARD_GROUP)
    return any(_STANDARD_LABEL.fullmatch(label) for label in facts.labels)


def _asks_self_hosted(facts: JobFacts) -> bool:
    return any(label.casefold() == _SELF_HOSTED for label in facts.labels)


def _beginnings(pool: Pool) -> tuple[str, str]:
    """`<pool>_<12 hex>` since 2023, `<pool in lower case>-<10 digits>` since 2026."""
    name = pool.name.casefold()
    return f"{name}_", f"{name}-"


def _there_then(pools: list[Pool], facts: JobFacts) -> list[Pool]:
    """Those not deleted before the job was created."""
    at = facts.created_at
    return [pool for pool in pools if pool.gone_at is None or (at and pool.gone_at > at)]


def _newest(pools: list[Pool]) -> Pool:
    """Of pools with one name: one still there, else the one made last."""
    return max(pools, key=lambda pool: (pool.gone_at is None, pool.id))
