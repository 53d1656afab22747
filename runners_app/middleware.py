"""What happens around every page: its headers, and how long it took."""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from runners_app.services.metrics import PAGE_SECONDS

GetResponse = Callable[[HttpRequest], HttpResponse]
METHODS = frozenset({"GET", "HEAD", "POST"})


def page_headers(get_response: GetResponse) -> GetResponse:
    """One address answers a whole page or a fragment of it, so caches must tell the two apart."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Not on errors of the server: the database that knows the person may be what failed.
        if response.status_code < 500 and response.headers.get("Content-Type", "").startswith("text/html"):
            patch_vary_headers(response, ["HX-Request"])
            if request.user.is_authenticated:
                response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def page_timings(get_response: GetResponse) -> GetResponse:
    """The first middleware, so that it measures what a person waits for. Pages go by the names of their addresses."""

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = get_response(request)
        match = request.resolver_match
        page = match.view_name if match else "unknown"
        method = request.method if request.method in METHODS else "other"
        PAGE_SECONDS.labels(page, method, f"{response.status_code // 100}xx").observe(time.perf_counter() - started)
        return response

    return middleware
