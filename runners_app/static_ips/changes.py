"""Which ranges came and went since a moment, told from the history of runners: for those who look
after firewalls.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from runners_app.models import FieldChange, Runner
from runners_app.models.runners import RunnerQuerySet
from runners_app.static_ips.ranges import Network, in_order, networks_of


@dataclass(frozen=True)
class RangeChange:
    """A range that is in use now and was not at that moment, or the other way round."""

    network: Network
    is_added: bool
    runner: Runner
    at: datetime


@dataclass(frozen=True)
class _Life:
    """A runner's ranges: in use at that moment, in use now, and when each was last switched on or
    off since.
    """

    runner: Runner
    then: set[Network]
    now: set[Network]
    changed_at: dict[Network, datetime]


def changed_since(runners: RunnerQuerySet, since: datetime) -> list[RangeChange]:
    """What to allow, then what to take away, among the runners given, gone ones included; each in
    address order.

    A range that went from one runner to another did not change. Before a runner was first seen it
    had no ranges. Two queries, however many runners.
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
    return [
        RangeChange(network, is_added, life.runner, life.changed_at[network])
        for is_added, found, others in ((True, now, then), (False, then, now))
        for network in in_order(found.keys() - others.keys())
        if (life := found[network])
    ]


def _by_runner(changes: "QuerySet[FieldChange]") -> dict[int, list[FieldChange]]:
    """Oldest first."""
    found: dict[int, list[FieldChange]] = {}
    for change in changes.order_by("at", "pk"):
        found.setdefault(change.item_pk, []).append(change)
    return found


def _life(runner: Runner, changes: list[FieldChange], since: datetime) -> _Life:
    """Rewind the changes from what is known now, then play them again to see when each range came
    or went.
    """
    state = {"public_ips": runner.public_ips, "gone_at": runner.gone_at}
    now = _in_use(state)
    for change in reversed(changes):
        state[change.field] = change.before
    first = _in_use(state)
    is_new = runner.first_seen_at > since
    changed_at = dict.fromkeys(first, runner.first_seen_at) if is_new else {}
    known = first
    for change in changes:
        state[change.field] = change.after
        used = _in_use(state)
        changed_at |= dict.fromkeys(used ^ known, change.at)
        known = used
    return _Life(runner, set() if is_new else first, now, changed_at)


def _in_use(state: dict[str, Any]) -> set[Network]:
    return set() if state["gone_at"] else set(networks_of(state["public_ips"] or [])[0])
