"""`/livez` and `/readyz`: whether the process is alive, and whether it can serve pages."""

from dataclasses import asdict

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from runners_app.monitoring import health


@login_not_required
@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """503 only while pages cannot be served. The body also reports broker and worker."""
    state = health.check()
    return JsonResponse(
        {"ready": state.is_ready, **asdict(state)}, status=200 if state.is_ready else 503
    )
