"""What the lists of images, groups and static IPs share."""

from collections.abc import Callable, Sequence

from django.contrib import messages
from django.core.cache import cache
from django.utils import timezone

from runners_app.credentials.wake import wake
from runners_app.models import Account, Reading
from runners_app.readings.schedule import may_read_again
from runners_app.web.pages import Request
from runners_app.web.paging import Order


def order_of(request: Request, sorts: dict[str, Order], default: str = "name") -> tuple[str, Order]:
    """The sort asked for by `?sort=`, with a leading minus for descending, and the order it stands
    for.
    """
    asked = request.GET.get("sort", "")
    name = asked.removeprefix("-")
    if name not in sorts:
        return default, sorts[default]
    order = sorts[name]
    return asked, Order(order.column, asked.startswith("-"), order.nullable)


def count_once(kind: str, version: str, count: Callable[[], int]) -> int:
    """How many match; counted again only when an account has changed."""
    return cache.get_or_set(f"{kind}-found:{version}", count, 60) or 0


def read_again(request: Request, *resources: str) -> None:
    """Have resources of every account one may see read at once."""
    refused = []
    for account in (
        Account.objects.visible_to(request.user).filter(paused=False).select_related("credential")
    ):
        if may_read_again(account, timezone.now()):
            Reading.objects.schedule_now(account, *resources)
            wake(account.credential_id)
        else:
            refused.append(account.slug)
    if refused:
        messages.warning(request, budget_words(refused))
    else:
        messages.success(request, "Asked for. New answers appear here within seconds.")


def budget_words(accounts: Sequence[str]) -> str:
    """Why GitHub is not asked for somebody who only looks."""
    names = ", ".join(accounts[:3]) + (
        f" and {len(accounts) - 3} more" if len(accounts) > 3 else ""
    )
    return (
        f"GitHub's hourly budget for {names} is nearly used, and the rest is kept for changes. "
        "It is read again by itself within the hour."
    )
