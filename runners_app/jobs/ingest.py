"""Deliveries into jobs, in batches. Killed anywhere, it begins again with the same result."""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from urllib.parse import parse_qs

from django.db import DataError, connection, transaction
from django.utils import timezone

from runners_app.jobs import store
from runners_app.jobs.normalise import Origin, from_delivery, origin
from runners_app.jobs.store import Told
from runners_app.models import Account, Delivery, Hook

BATCH = 500
log = logging.getLogger(__name__)


def normalise_waiting(most_batches: int = 20) -> int:
    """Turn stored deliveries into jobs, oldest first. Returns how many were handled."""
    handled = 0
    for _ in range(most_batches):
        began = time.monotonic()
        batch = normalise_batch()
        handled += batch
        if batch < BATCH:
            break
        # SQLite has one writer at a time, and the inbox needs its turn.
        time.sleep(min(0.2, time.monotonic() - began))
    return handled


def normalise_batch() -> int:
    """One batch in one transaction: jobs and outcomes of deliveries are written together or not at
    all.

    A delivery the database refuses must not hold back the others: then each goes by itself.
    """
    try:
        return _normalise_some(BATCH)
    except (DataError, OverflowError):
        log.exception("A batch of job events could not be stored. Each is tried by itself.")
    return sum(_normalise_first() for _ in range(BATCH))


def _normalise_some(most: int) -> int:
    with transaction.atomic():
        batch = _waiting(most)
        if batch:
            _normalise(batch)
    return len(batch)


def _normalise_first() -> int:
    try:
        return _normalise_some(1)
    except (DataError, OverflowError):
        with transaction.atomic():
            for delivery in _waiting(1):
                log.exception("Delivery %s cannot be stored.", delivery.pk)
                bad = Delivery.objects.filter(pk=delivery.pk)
                bad.update(outcome=Delivery.Outcome.UNREADABLE, body=b"")
        return 1


def _waiting(most: int) -> list[Delivery]:
    waiting = Delivery.objects.waiting().order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        waiting = waiting.select_for_update(skip_locked=True, no_key=True)
    return list(waiting[:most])


def _normalise(batch: list[Delivery]) -> None:
    found = Hook.objects.filter(pk__in={delivery.hook_id for delivery in batch})
    hooks = {hook.pk: hook for hook in found.select_related("account", "app")}
    told: dict[int, list[Told]] = defaultdict(list)
    accounts: dict[int, Account] = {}
    by_outcome: dict[str, list[int]] = defaultdict(list)
    finder = AccountFinder()
    for delivery in batch:
        try:
            payload = _payload(bytes(delivery.body))
            source = origin(payload)
            facts = from_delivery(payload, delivery.received_at if delivery.live else None)
        except (ValueError, RecursionError):  # Unreadable is a ValueError, as is bad JSON or UTF-8
            by_outcome[Delivery.Outcome.UNREADABLE].append(delivery.pk)
            continue
        account = finder.find(hooks[delivery.hook_id], source)
        if account is None:
            by_outcome[Delivery.Outcome.IGNORED].append(delivery.pk)
            continue
        accounts[account.pk] = account
        by_outcome[Delivery.Outcome.NORMALISED].append(delivery.pk)
        told[account.pk].append(
            Told(facts, source.repository_id, source.repository, delivery.received_at)
        )
    for pk in sorted(told):
        store.apply(accounts[pk], told[pk])
    for outcome, pks in by_outcome.items():
        Delivery.objects.filter(pk__in=pks).update(outcome=outcome, body=b"")
    _note_events(hooks, batch, set(by_outcome[Delivery.Outcome.NORMALISED]))


def _note_events(hooks: dict[int, Hook], batch: list[Delivery], good: set[int]) -> None:
    for hook in hooks.values():
        times = [d.received_at for d in batch if d.hook_id == hook.pk and d.pk in good]
        if times:
            hook.last_event_at = max([*times, hook.last_event_at or times[0]])
            hook.first_job_at = hook.first_job_at or timezone.now()
            hook.save(update_fields=["last_event_at", "first_job_at"])


def _payload(body: bytes) -> object:
    """JSON, or a form with a field `payload`, as GitHub sends unless told otherwise."""
    if body.startswith(b"payload="):
        return json.loads(parse_qs(body.decode())["payload"][0])
    payload: object = json.loads(body)
    return payload


class AccountFinder:
    """Whose job a delivery is about; asks the database once for each organization."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str, str, int], Account | None] = {}

    def find(self, hook: Hook, source: Origin) -> Account | None:
        """None if the delivery is of nobody who is connected, or not of whom it says."""
        if hook.account and hook.account.kind == Account.Kind.ORGANIZATION:
            return hook.account
        key = (hook.pk, source.organization, source.enterprise, source.installation_id)
        if key not in self._found:
            self._found[key] = self._find(hook, source)
        return self._found[key]

    def _find(self, hook: Hook, source: Origin) -> Account | None:
        same = Account.objects.filter(
            api_url=hook.api_url,
            kind=Account.Kind.ORGANIZATION,
            slug__iexact=source.organization,
        )
        if hook.app_id:
            installed = same.filter(
                credential__app=hook.app_id, credential__installation_id=source.installation_id
            )
            return installed.first()
        if (
            source.enterprise
            and hook.account
            and source.enterprise.lower() != hook.account.slug.lower()
        ):
            return None
        return same.first() or hook.account
