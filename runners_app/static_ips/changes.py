"""Static IP ranges that were added or removed since a moment, from the history of runners."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from runners_app.models import FieldChange, Runner
from runners_app.models.runners import RunnerQuerySet
from runners_app.static_ips.ranges import Network, in_order, networks_of


@dataclass(frozen=True)
class RangeChange:
    """A range that is in use now but was not then (`is_added`), or the reverse."""

    network: Network
    is_added: bool
    runner: Runner
    at: datetime


@dataclass(frozen=True)
class _Life:
    """A runner's ranges in use then and now, and when each was last added or removed since."""

    runner: Runner
    then: set[Network]
    now: set[Network]
    changed_at: dict[Network, datetime]


def changed_since(runners: RunnerQuerySet, since: datetime) -> list[RangeChange]:
    """Added ranges, then removed ones, each in address order. Includes runners that are gone.

    A range that moved from one runner to another did not change. A runner had no ranges before it
    was first seen. Takes two queries for any number of runners.
    """
    changes = FieldChange.objects.filter(
        item=FieldChange.Item.RUNNER, field__in=("public_ips", "gone_at"), at__gt=since
    )
    had_ranges = Q(pk__in=changes.filter(field="public_ips").values("item_pk"))
    rows = list(runners.filter(~Q(public_ips=[]) | had_ranges).select_related("account"))
    history = _by_runner(changes.filter(account__in={runner.account_id for runner in rows}))
    lives = [_life(runner, history.get(runner.pk, []), since) for runner in rows]
    then = {network: life for life in lives for network in life.then}
    now = {network: life for life in lives for network in life.now}

    def change(network: Network, life: _Life, is_added: bool) -> RangeChange:
        return RangeChange(network, is_added, life.runner, life.changed_at[network])

    added = in_order(now.keys() - then.keys())
    removed = in_order(then.keys() - now.keys())
    return [
        *(change(network, now[network], is_added=True) for network in added),
        *(change(network, then[network], is_added=False) for network in removed),
    ]


def _by_runner(changes: "QuerySet[FieldChange]") -> dict[int, list[FieldChange]]:
    """Changes by the runner's primary key, oldest first."""
    found: dict[int, list[FieldChange]] = {}
    for change in changes.order_by("at", "pk"):
        found.setdefault(change.item_pk, []).append(change)
    return found


def _life(runner: Runner, changes: list[FieldChange], since: datetime) -> _Life:
    """Rewind the changes from the current state, then replay them to date each range."""
    state = {"public_ips": runner.public_ips, "gone_at": runner.gone_at}
    now = _in_use(state)
    for change in reversed(changes):
        state[change.field] = change.before
    first = _in_use(state)
    is_new = runner.first_seen_at > since
    changed_at = dict.fromkeys(first, runner.first_seen_at) if is_new else {}
    previous = first
    for change in changes:
        state[change.field] = change.after
        used = _in_use(state)
        changed_at |= dict.fromkeys(used ^ previous, change.at)
        previous = used
    return _Life(runner, set() if is_new else first, now, changed_at)


def _in_use(state: dict[str, Any]) -> set[Network]:
    return set() if state["gone_at"] else set(networks_of(state["public_ips"] or [])[0])
