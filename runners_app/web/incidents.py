"""Open incidents at GitHub, as pages and metrics show them."""

from django.core.cache import caches

from runners_app.models import Incident
from runners_app.models.clock import database_now

CACHED_SECONDS = 10


def current_incidents() -> list[Incident]:
    """Open incidents, newest first; each process reads them every ten seconds at most."""
    cached: list[Incident] | None = caches["pages"].get("incidents")
    if cached is None:
        cached = list(Incident.objects.current(database_now()))
        caches["pages"].set("incidents", cached, CACHED_SECONDS)
    return cached
