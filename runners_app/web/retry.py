"""Runs views again after a deadlock or a serialization failure, before a 503 is sent."""

import logging
import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

log = logging.getLogger(__name__)
TRIES = 4  # the first one, and three more
PAUSE_SECONDS = 0.05
# PostgreSQL's serialization_failure and deadlock_detected: the transaction was rolled back.
TRANSIENT = ("40001", "40P01")


def is_transient(error: BaseException) -> bool:
    """Whether the database has rolled a transaction back that may succeed if it is run again."""
    return getattr(error.__cause__, "sqlstate", None) in TRANSIENT


def retrying(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view, run up to three times more while the database rolls its transaction back.

    Each form is stored in one transaction, with its effects on commit: nothing of a failed try is
    left, so that running the whole view again is safe.
    """

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        for number in range(1, TRIES):
            try:
                return view(request, *args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or not is_transient(error):
                    raise
                log.warning("The database rolled back a request; try %s of %s.", number, TRIES)
                time.sleep(random.uniform(0, PAUSE_SECONDS * number))  # noqa: S311 - spreads load
        return view(request, *args, **kwargs)

    return run


def with_retries(patterns: list[Any]) -> list[Any]:
    """The same URL patterns, with views that are `retrying`."""
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            pattern.callback = retrying(pattern.callback)
    return patterns
