"""Sorting, counting and refreshing, as all lists of things on GitHub do it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from django.contrib import messages
from django.core.cache import cache
from django.utils import timezone

from runners_app.credentials.wake import wake
from runners_app.models import Account, Reading
from runners_app.readings.schedule import may_read_again
from runners_app.web.pages import Request
from runners_app.web.paging import Order


def order_of(request: Request, sorts: dict[str, Order], default: str = "name") -> tuple[str, Order]:
    """The value of `?sort=` (a leading minus sorts descending) and the order it stands for."""
    sort = request.GET.get("sort", "")
    name = sort.removeprefix("-")
    if name not in sorts:
        return default, sorts[default]
    return sort, replace(sorts[name], descending=sort.startswith("-"))


def count_once(kind: str, version: str, count: Callable[[], int]) -> int:
    """The number of matching rows, counted once per page version and kept for a minute."""
    return cache.get_or_set(f"{kind}-found:{version}", count, 60) or 0


def read_again(request: Request, *resources: str) -> None:
    """Schedule readings of these resources now, in every account the user may see.

    An account whose rate budget is nearly used is left out, and a message says so.
    """
    refused = []
    accounts = Account.objects.visible_to(request.user).filter(paused=False)
    for account in accounts.select_related("credential"):
        if may_read_again(account, timezone.now()):
            Reading.objects.schedule_now(account, *resources)
            wake(account.credential_id)
        else:
            refused.append(str(account))
    if refused:
        messages.warning(request, budget_words(refused))
    else:
        messages.success(request, "Refreshing. New values appear here within seconds.")


def budget_words(accounts: Sequence[str]) -> str:
    """Why a refresh was refused for these accounts, given by slug; at most three are named."""
    names = ", ".join(accounts[:3])
    if len(accounts) > 3:
        names += f" and {len(accounts) - 3} more"
    return (
        f"GitHub's hourly rate budget for {names} is nearly used up, and the rest is reserved for "
        "changes. Trackside reads it again within the hour."
    )
