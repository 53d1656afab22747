"""`/metrics` for Prometheus, with METRICS_TOKEN as bearer token; 404 while none is configured."""

import os
from secrets import compare_digest

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from runners_app.monitoring.metrics import PAGE_SECONDS, registry_of_database


@login_not_required
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    if not settings.METRICS_TOKEN:
        raise Http404
    if not _has_token(request):
        refused = HttpResponse(
            "Send METRICS_TOKEN as a bearer token.\n", status=401, content_type="text/plain"
        )
        refused.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refused
    lines = generate_latest(registry_of_database()) + generate_latest(_pages())
    return HttpResponse(lines, content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = str(settings.METRICS_TOKEN).encode()
    return scheme.lower() == "bearer" and compare_digest(token.strip().encode(), expected)


def _pages() -> CollectorRegistry:
    """Page timings of this process, or of all processes that share a folder for them."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(PAGE_SECONDS)
    return registry
