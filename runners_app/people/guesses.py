"""Limits of wrong passwords, and of passwords hashed at once.

A guess is counted before the password is hashed and taken back if it was right, so that guesses at
the same time do not get around a limit. A browser that signed in as a user before has a count of
its own: a stranger cannot lock the user out of it.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil

from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from runners_app.models import FailedSignIn
from runners_app.people.adapters import mark_of
from runners_app.web.addresses import address_of

QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
PER_NAME_AND_ADDRESS, PER_ADDRESS, PER_NAME_AND_DAY, PER_BROWSER = 10, 100, 100, 10
HASHED_AT_ONCE = 2
BROWSER_SALT, BROWSER_SECONDS, USERS_PER_BROWSER = "known browser", 180 * 24 * 60 * 60, 5
_hashing = threading.BoundedSemaphore(HASHED_AT_ONCE)


class TooManyGuesses(Exception):
    """A limit is reached; nothing was hashed. Says so to the user; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        minutes = ceil(retry_after / 60)
        wait = f"{minutes} minutes" if minutes > 1 else f"{retry_after} seconds"
        super().__init__(f"Too many sign-ins failed. Wait {wait}, then try again.")
        self.retry_after = retry_after


class TooManyAtOnce(TooManyGuesses):
    """Enough passwords are being hashed in this process."""

    def __init__(self) -> None:
        super().__init__(1)
        self.args = ("Others are signing in at this moment. Try again in a second.",)


@dataclass(frozen=True)
class Guess:
    """A password that is being checked, counted as wrong until `was_right`."""

    row: FailedSignIn

    def was_right(self) -> None:
        """Forget it, and the wrong ones before it that its limit counted."""
        before = Q(name=self.row.name, browser=self.row.browser)
        if not self.row.browser:
            before &= Q(network=self.row.network)
        FailedSignIn.objects.filter(before).delete()


def begin_guess(request: HttpRequest, username: str) -> Guess:
    """Count a password that is about to be checked. Raises TooManyGuesses."""
    now, name = timezone.now(), mark_of(username)
    network = network_of(address_of(request))
    browser = known_browsers(request).get(name, "")
    row = FailedSignIn.objects.create(at=now, name=name, network=network, browser=browser)

    unknown = FailedSignIn.objects.filter(browser="")
    limits = (
        [(FailedSignIn.objects.filter(name=name, browser=browser), PER_BROWSER, QUARTER)]
        if browser
        else [
            (unknown.filter(name=name, network=network), PER_NAME_AND_ADDRESS, QUARTER),
            (unknown.filter(network=network), PER_ADDRESS, QUARTER),
            (unknown.filter(name=name), PER_NAME_AND_DAY, DAY),
        ]
    )
    waits = []
    for rows, limit, period in limits:
        others = rows.filter(at__gt=now - period).exclude(pk=row.pk).order_by("-at")
        counted: list[datetime] = list(others.values_list("at", flat=True)[:limit])
        if len(counted) == limit:
            waits.append(counted[-1] + period - now)
    if waits:
        row.delete()
        raise TooManyGuesses(max(1, ceil(max(waits).total_seconds())))
    return Guess(row)


def network_of(address: str) -> str:
    """Return what one subscriber has: the address itself, of IPv6 its /64."""
    parsed = ip_address(address) if address else None
    if not isinstance(parsed, IPv6Address):
        return address
    return str(IPv6Network((parsed, 64), strict=False))


@contextmanager
def hashing() -> Iterator[None]:
    """Hash one password. Raises TooManyAtOnce if enough are being hashed in this process.

    It never waits: waiting requests would take every thread of the server.
    """
    if not _hashing.acquire(blocking=False):
        raise TooManyAtOnce
    try:
        yield
    finally:
        _hashing.release()


def known_browsers(request: HttpRequest) -> dict[str, str]:
    """Return which users signed in with this browser before: hash of the name → id."""
    try:
        known: dict[str, str] = signing.loads(
            request.COOKIES.get(cookie_name(), ""), salt=BROWSER_SALT, max_age=BROWSER_SECONDS
        )
    except signing.BadSignature:
        return {}
    return known


def remember_browser(request: HttpRequest, response: HttpResponse, username: str) -> None:
    """Set the cookie that makes this browser known for the user, for half a year."""
    known, name = known_browsers(request), mark_of(username)
    browser = known.pop(name, "") or secrets.token_hex(16)
    latest = dict([*known.items(), (name, browser)][-USERS_PER_BROWSER:])
    response.set_cookie(
        cookie_name(),
        signing.dumps(latest, salt=BROWSER_SALT),
        max_age=BROWSER_SECONDS,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def cookie_name() -> str:
    """Return the cookie's name; `__Host-` binds it to this host and to HTTPS."""
    return "__Host-browser" if settings.HTTPS else "browser"
