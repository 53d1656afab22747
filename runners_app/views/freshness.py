"""How fresh a page is: when GitHub was read last, what of that fails, and what is left of the rate budget."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import caches
from django.db.models import Min
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from runners_app.models import Account, Credential, Reading

KEPT_SECONDS = 3
LOW = 20  # percent; below it readings slow down, so that people can still ask for changes


@dataclass(frozen=True)
class Budget:
    """What is left of a rate budget, in words, and the page that has it in numbers; `note` where it is one of many."""

    words: str
    address: str
    is_low: bool
    note: str = ""


def freshness_of(accounts: Sequence[Account], resource: str) -> dict[str, Any]:
    """For the line under the heading: the oldest good reading of a resource, where it fails, and the rate budget.

    One query. `synced_at` is empty while none of the accounts was read.
    """
    rows = Reading.objects.filter(account__in=accounts, resource=resource)
    readings = list(rows.select_related("account__credential"))
    serving = {reading.account.credential for reading in readings}
    by_id = {account.pk: account for account in accounts}
    for reading in readings:
        reading.account = by_id[reading.account_id]
    times = [reading.last_good_at for reading in readings if reading.last_good_at]
    failing = [reading for reading in readings if reading.error]
    return {
        "synced_at": min(times) if times else None,
        "failing": failing,
        "never_synced": [reading for reading in readings if not reading.last_good_at and not reading.error],
        "freshness_state": "failing" if failing else "",
        "budget": _lowest(serving),
    }


def synced_at_of(accounts: Sequence[int], resource: str) -> datetime | None:
    """The oldest good reading of a resource in accounts, given by primary key; looked up again after seconds."""

    def look_up() -> tuple[datetime | None]:
        readings = Reading.objects.filter(account__in=accounts, resource=resource)
        return (readings.aggregate(at=Min("last_good_at"))["at"],)

    kept = caches["pages"].get_or_set(f"synced:{resource}:{hash(tuple(accounts))}", look_up, KEPT_SECONDS)
    return kept[0] if kept else None


def lowest_budget(accounts: Sequence[int]) -> Budget | None:
    """Of the credentials that serve accounts, given by primary key, the one with least; looked up as `synced_at_of`."""

    def look_up() -> tuple[Budget | None]:
        return (_lowest(Credential.objects.filter(accounts__in=accounts).distinct()),)

    kept = caches["pages"].get_or_set(f"budget:{hash(tuple(accounts))}", look_up, KEPT_SECONDS)
    return kept[0] if kept else None


def freshness_of_one(account: Account, reading: Reading | None) -> dict[str, Any]:
    """The same as `freshness_of` for the page of one thing, with the account's own budget. No query."""
    left = account.credential.budget_left(timezone.now())
    return {
        "synced_at": reading.last_good_at if reading else None,
        "freshness_state": "failing" if reading and reading.error else "",
        "freshness_reason": reading.error_message if reading else "",
        "budget": None if left is None else _budget([left], reverse("account", args=[account.pk])),
    }


def _lowest(serving: Iterable[Credential]) -> Budget | None:
    now = timezone.now()
    in_use = [each for each in serving if each.quarantined_at is None]
    left = [share for each in in_use if (share := each.budget_left(now)) is not None]
    return _budget(left, reverse("accounts")) if left else None


def _budget(left: list[int], address: str) -> Budget:
    lowest = min(left)
    note = "Of the credential that has least left" if len(left) > 1 else ""
    return Budget(f"Rate budget: {lowest} % left", address, lowest < LOW, note)


def unchanged(accounts: Sequence[Account], resource: str) -> HttpResponse:
    """The answer to a poll that has the newest version already: nothing but how fresh that is."""
    return with_freshness(HttpResponse(status=204), synced_at_of([account.pk for account in accounts], resource))


def with_freshness(response: HttpResponse, synced_at: datetime | None) -> HttpResponse:
    """The answer to a poll, telling the page how fresh it is although nothing, or only a part of it, is sent."""
    if synced_at is not None:
        response.headers["HX-Trigger"] = json.dumps({"freshness": {"at": synced_at.isoformat()}})
    return response
