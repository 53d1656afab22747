"""The freshness line of a page: when GitHub was last read, what fails, and the rate budget left."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypedDict

from django.core.cache import caches
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from runners_app.models import Account, Reading

CACHED_SECONDS = 3
LOW = 20  # percent; below it readings slow down, so that enough is left for people's changes
LONGEST_REASON = 500  # characters, because it is sent in a header
COLUMNS = (
    "account_id",
    "resource",
    "last_good_at",
    "error",
    "error_message",
    "account__credential__rate_limit",
    "account__credential__rate_remaining",
    "account__credential__rate_reset_at",
    "account__credential__quarantined_at",
)


@dataclass(frozen=True)
class Budget:
    """What is left of a rate budget, and the page that shows it in numbers.

    `note` says that this is the lowest of several budgets.
    """

    words: str
    address: str
    is_low: bool
    note: str = ""


class Line(TypedDict):
    """The template context of the freshness line. Only a single reading has a reason to show."""

    synced_at: datetime | None
    freshness_state: str
    freshness_reason: str
    budget: Budget | None


def freshness_of(accounts: Sequence[Account], resource: str) -> dict[str, Any]:
    """Context of the freshness line, and of the banners about readings that fail.

    `synced_at` is the oldest last success of the resource among the accounts, None while none of
    them has been read. Costs one query.
    """
    readings = _readings([account.pk for account in accounts], resource)
    line = _line(readings, [reading.account for reading in readings])
    by_id = {account.pk: account for account in accounts}
    for reading in readings:
        reading.account = by_id[reading.account_id]
    return {
        **line,
        "failing": [reading for reading in readings if reading.error],
        "never_synced": [
            reading for reading in readings if not reading.last_good_at and not reading.error
        ],
    }


def line_of(accounts: Sequence[int], resource: str) -> Line:
    """The freshness line alone, for accounts given by primary key.

    Costs one query, whose result is cached for `CACHED_SECONDS`.
    """

    def look_up() -> Line:
        readings = _readings(accounts, resource)
        return _line(readings, [reading.account for reading in readings])

    key = f"freshness:{resource}:{hash(tuple(accounts))}"
    return caches["pages"].get_or_set(key, look_up, CACHED_SECONDS) or look_up()


def freshness_of_one(account: Account, reading: Reading | None) -> Line:
    """The freshness line of a page about one thing, from rows it has already read. No query."""
    return _line([reading] if reading else [], [account])


def budget_of(accounts: Sequence[Account]) -> Budget | None:
    """The budget of the credential with the least left, among those that serve the accounts.

    Reads `account.credential`, so select it with the accounts. None while no budget is known.
    """
    now = timezone.now()
    serving = {
        account.credential for account in accounts if account.credential.quarantined_at is None
    }
    shares = [credential.budget_left(now) for credential in serving]
    left = [share for share in shares if share is not None]
    if not left:
        return None
    alone = len(accounts) == 1
    address = reverse("account", args=[accounts[0].pk]) if alone else reverse("accounts")
    note = "Of the credential that has least left" if len(left) > 1 else ""
    return Budget(f"Rate budget: {min(left)} % left", address, min(left) < LOW, note)


def _readings(accounts: Sequence[int], resource: str) -> list[Reading]:
    rows = Reading.objects.filter(account__in=accounts, resource=resource)
    return list(rows.select_related("account__credential").only(*COLUMNS))


def _line(readings: Sequence[Reading], accounts: Sequence[Account]) -> Line:
    failing = [reading for reading in readings if reading.error]
    return {
        "synced_at": min(
            (each.last_good_at for each in readings if each.last_good_at), default=None
        ),
        "freshness_state": "failing" if failing else "",
        "freshness_reason": failing[0].error_message[:LONGEST_REASON]
        if failing and len(readings) == 1
        else "",
        "budget": budget_of(accounts),
    }


def unchanged(accounts: Sequence[Account], resource: str) -> HttpResponse:
    """The 204 answer to a poll that already shows the newest version, with the freshness line."""
    return with_freshness(
        HttpResponse(status=204), line_of([account.pk for account in accounts], resource)
    )


def with_freshness(response: HttpResponse, line: Mapping[str, Any]) -> HttpResponse:
    """Add the freshness line to a poll's answer, as an `HX-Trigger` event for the script.

    The line stands outside the fragment that a poll swaps.
    """
    at, budget = line["synced_at"], line["budget"]
    event = {
        "at": at.isoformat() if at else None,
        "failing": line["freshness_state"] == "failing",
        "reason": line.get("freshness_reason", ""),
        "budget": asdict(budget) if budget else None,
    }
    response.headers["HX-Trigger"] = json.dumps({"freshness": event})
    return response
