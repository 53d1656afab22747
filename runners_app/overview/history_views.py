"""Runners by status and static IPs over time, for all accounts or one: a page, and a part of
others, which load it after themselves.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.core.cache import caches
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from runners_app.models import Account, FieldChange, Runner
from runners_app.models.visibility import limited_by
from runners_app.overview.history import (
    PERIODS,
    USUAL,
    History,
    moments_of,
    static_ip_history,
    status_history,
)
from runners_app.web.pages import Request, render_page

CACHED_SECONDS = 300


@require_safe
def history(request: Request) -> HttpResponse:
    """Pictures of the accounts the user may see; `?account=` narrows them to one name."""
    accounts = list(Account.objects.visible_to(request.user))
    name = request.GET.get("account", "")
    if name:
        accounts = [account for account in accounts if account.is_named(name)]
    else:
        # Demo accounts count only until a real one is connected, as on the overview.
        accounts = [account for account in accounts if not account.demo] or accounts
    query = urlencode({"account": name}) + "&" if name else ""
    context = {
        "accounts": accounts,
        "base": f"{reverse('history')}?{query}",
        **pictures(request, accounts, timezone.now()),
    }
    return render_page(request, "overview/history.html", context, fragment="pictures")


def pictures(request: Request, accounts: list[Account], now: datetime) -> dict[str, Any]:
    """The context of both pictures, over the period of `?period=`.

    Totals of static IPs are drawn only from accounts that the user sees in full.
    """
    period = request.GET.get("period", USUAL)
    period = period if period in PERIODS else USUAL
    moments = moments_of(period, now.replace(second=0, microsecond=0))
    whole = [account for account in accounts if limited_by(account) is None]

    def draw() -> tuple[History, History | None]:
        pks = [account.pk for account in accounts]
        runners = Runner.objects.visible_to(request.user).filter(account__in=pks)
        changes = FieldChange.objects.filter(account__in=pks)
        limits = static_ip_history(whole, moments) if whole else None
        return status_history(runners, changes, moments), limits

    seen = [(account.pk, limited_by(account)) for account in accounts]
    digest = sha256(repr(seen).encode()).hexdigest()[:16]
    key = f"history:{request.user.pk}:{digest}:{period}"
    statuses, limits = caches["pages"].get_or_set(key, draw, CACHED_SECONDS) or draw()
    return {
        "period": period,
        "periods": [(name, words) for name, (_, words) in PERIODS.items()],
        "statuses": statuses,
        "static_ips": limits,
    }
