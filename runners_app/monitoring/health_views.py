"""`/livez` and `/readyz`: whether the process is alive, and whether it can serve pages."""

from dataclasses import asdict

from django.contrib.auth.decorators import login_not_required
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from runners_app.monitoring import health

KEPT_SECONDS = 1


@login_not_required
@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """503 only while pages cannot be served; broker and worker stand in the body.

    Anybody may ask and each look costs several queries, so a process looks once a second at most.
    """
    state: health.Health | None = caches["pages"].get("readyz")
    if state is None:
        state = health.check()
        caches["pages"].set("readyz", state, KEPT_SECONDS)
    return JsonResponse(
        {"ready": state.is_ready, **asdict(state)}, status=200 if state.is_ready else 503
    )
