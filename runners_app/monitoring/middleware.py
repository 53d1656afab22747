"""Middleware: page timings, and health checks that need neither an allowed host nor a session."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from runners_app.monitoring.metrics import PAGE_SECONDS

GetResponse = Callable[[HttpRequest], HttpResponse]
METHODS = frozenset({"GET", "HEAD", "POST"})
PROBES = ("/livez", "/readyz", "/metrics")


def for_watchers(get_response: GetResponse) -> GetResponse:
    """Answer health checks and metrics before any other middleware runs.

    A container's own health check knows no host name, and the database that holds the sessions may
    be what is down. The views check themselves who may read them.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path not in PROBES:
            return get_response(request)
        request.resolver_match = match = resolve(request.path)
        response: HttpResponse = match.func(request)
        return response

    return middleware


def page_timings(get_response: GetResponse) -> GetResponse:
    """Measure each request, by URL name. Put it first, so that it measures everything."""

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
