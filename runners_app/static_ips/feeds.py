"""Whether the ranges may be handed to a firewall, and how old they are.

A firewall that follows a list closes what the list no longer has. So a list that may have become
shorter by mistake is not answered at all.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag

from runners_app.models import Account, Reading
from runners_app.models.accounts import account_name
from runners_app.web.pages import Request

if TYPE_CHECKING:
    from django.contrib.auth.models import User

RETRY_SECONDS = 60


@dataclass(frozen=True)
class Feed:
    """`as_of` is the oldest last successful reading; `refusal` says why the list is not proven."""

    as_of: datetime | None
    refusal: str = ""


def check_feed(user: "User", account: str = "") -> Feed:
    """The state of the ranges in one account, given by name, or in all that the user may see.

    A list is not proven while an account was never read. A runner that GitHub's lists lack stays
    in it until that is proven (see `missing_since`), so it cannot make the list shorter by mistake.
    """
    accounts = Account.objects.visible_to(user)
    if account:
        accounts = accounts.named(account)
    readings = Reading.objects.filter(account__in=accounts, resource=Reading.Resource.RUNNERS)
    times = list(readings.values_list(account_name(), "last_good_at"))
    unread = sorted(name for name, last_good_at in times if last_good_at is None)
    if unread:
        return Feed(None, f"The runners of {', '.join(unread)} have not been read yet.")
    return Feed(min((last_good_at for _, last_good_at in times if last_good_at), default=None))


def refused(feed: Feed) -> HttpResponse:
    """The 503 answer instead of a list that is not proven."""
    text = f"No list: it would lack ranges. {feed.refusal} Keep the last one.\n"
    headers = {"Retry-After": str(RETRY_SECONDS), "Cache-Control": "no-store"}
    return HttpResponse(text, status=503, headers=headers, content_type="text/plain; charset=utf-8")


def etag_of(lines: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return quote_etag(digest.hexdigest()[:32])


def not_modified(request: Request, etag: str) -> HttpResponse | None:
    """The 304 or 412 answer if the client's precondition on the ETag says so."""
    response = get_conditional_response(request, etag=etag)
    return response if isinstance(response, HttpResponse) else None


def add_headers(response: HttpResponseBase, etag: str, feed: Feed) -> None:
    response.headers["ETag"] = etag
    if feed.as_of is not None:
        response.headers["X-Trackside-As-Of"] = feed.as_of.isoformat(timespec="seconds")
