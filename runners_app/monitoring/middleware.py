"""What monitoring adds to every request: timings, and health checks that need neither host name nor
session.
"""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from runners_app.monitoring.metrics import PAGE_SECONDS

GetResponse = Callable[[HttpRequest], HttpResponse]
METHODS = frozenset({"GET", "HEAD", "POST"})
WATCHED = ("/livez", "/readyz", "/metrics")


def for_watchers(get_response: GetResponse) -> GetResponse:
    """Health and metrics are told by whatever name and to whomever asks: a container's own health
    check knows no host name, and the database that knows sessions may be what is down. Their views
    say what they ask for.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path not in WATCHED:
            return get_response(request)
        request.resolver_match = match = resolve(request.path)
        response: HttpResponse = match.func(request)
        return response

    return middleware


def page_timings(get_response: GetResponse) -> GetResponse:
    """The first middleware, so that it measures what a person waits for. Pages go by the names of
    their addresses.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = get_response(request)
        match = request.resolver_match
        page = match.view_name if match else "unknown"
        method = request.method if request.method in METHODS else "other"
        PAGE_SECONDS.labels(page, method, f"{response.status_code // 100}xx").observe(
            time.perf_counter() - started
        )
        return response

    return middleware
