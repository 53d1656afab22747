"""How fresh a page is: when GitHub was read last, what of that fails, and what is left of the rate
budget.
"""

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

KEPT_SECONDS = 3
LOW = 20  # percent; below it readings slow down, so that people can still ask for changes
LONGEST_REASON = 500  # characters; it travels in a header
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
    """What is left of a rate budget, in words, and the page that has it in numbers; `note` where it
    is one of many.
    """

    words: str
    address: str
    is_low: bool
    note: str = ""


class Line(TypedDict):
    """What the line under the heading shows, as context of its template; `freshness_reason` only of
    one reading.
    """

    synced_at: datetime | None
    freshness_state: str
    freshness_reason: str
    budget: Budget | None


def freshness_of(accounts: Sequence[Account], resource: str) -> dict[str, Any]:
    """For the line under the heading: the oldest good reading of a resource, where it fails, and
    the rate budget.

    One query. `synced_at` is empty while none of the accounts was read.
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
    """The line of `freshness_of`, for accounts given by primary key; one query, and none again for
    seconds.
    """

    def look_up() -> Line:
        readings = _readings(accounts, resource)
        return _line(readings, [reading.account for reading in readings])

    kept = caches["pages"].get_or_set(
        f"freshness:{resource}:{hash(tuple(accounts))}", look_up, KEPT_SECONDS
    )
    return kept or look_up()


def freshness_of_one(account: Account, reading: Reading | None) -> Line:
    """The same as `line_of` for the page of one thing, from what it has read already. No query."""
    return _line([reading] if reading else [], [account])


def budget_of(accounts: Sequence[Account]) -> Budget | None:
    """Of the credentials that serve accounts, the one with least left; the accounts come with their
    credentials.
    """
    now = timezone.now()
    serving = {
        account.credential for account in accounts if account.credential.quarantined_at is None
    }
    left = [share for each in serving if (share := each.budget_left(now)) is not None]
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
    """The answer to a poll that has the newest version already: nothing but how fresh that is."""
    return with_freshness(
        HttpResponse(status=204), line_of([account.pk for account in accounts], resource)
    )


def with_freshness(response: HttpResponse, line: Mapping[str, Any]) -> HttpResponse:
    """The answer to a poll, telling what the line under the heading shows now: that line is no part
    of what is sent.
    """
    at, budget = line["synced_at"], line["budget"]
    told = {
        "at": at.isoformat() if at else None,
        "failing": line["freshness_state"] == "failing",
        "reason": line.get("freshness_reason", ""),
        "budget": asdict(budget) if budget else None,
    }
    response.headers["HX-Trigger"] = json.dumps({"freshness": told})
    return response
