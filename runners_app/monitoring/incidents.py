"""Reads GitHub's status pages, so that pages can say when GitHub itself has a problem."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import requests
from django.conf import settings
from django.db import transaction
from django.utils.dateparse import parse_datetime

from runners_app.models import Incident
from runners_app.models.clock import database_now
from runners_app.security.outgoing import open_session

log = logging.getLogger(__name__)
# Names of components that readings, writes and jobs depend on, in lower case.
COMPONENTS = ("actions", "api requests", "webhooks")
TIMEOUT_SECONDS = 10
MOST_BYTES = 1_000_000
MOST_INCIDENTS = 20


def read_status_pages() -> None:
    """Read each of STATUS_PAGES without a token. A page that fails changes nothing."""
    for page in settings.STATUS_PAGES:
        try:
            summary = _get(page)
        except (requests.RequestException, ValueError) as error:
            log.info("The status page %s could not be read: %s", page, type(error).__name__)
            continue
        _store(page, list(_incidents(summary)))


def _get(page: str) -> dict[str, Any]:
    with (
        open_session() as session,
        session.get(page, timeout=TIMEOUT_SECONDS, stream=True, allow_redirects=False) as response,
    ):
        response.raise_for_status()
        body = next(response.iter_content(MOST_BYTES), b"")
    parsed = json.loads(body)
    if not isinstance(parsed, dict):
        raise ValueError("not a summary")
    return parsed


def _incidents(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Open incidents of our components, as columns. Everything in the summary is untrusted."""
    listed = summary.get("incidents")
    for incident in (listed if isinstance(listed, list) else [])[:MOST_INCIDENTS]:
        if not isinstance(incident, dict) or not isinstance(incident.get("id"), str):
            continue
        components = [
            component["name"]
            for component in incident.get("components") or []
            if isinstance(component, dict)
            and isinstance(component.get("name"), str)
            and component["name"].lower() in COMPONENTS
        ]
        if not components or incident.get("status") in ("resolved", "postmortem"):
            continue
        url = str(incident.get("shortlink") or "")
        yield {
            "key": incident["id"][:100],
            "name": str(incident.get("name") or "An incident without a name")[:300],
            "components": components,
            "url": url[:300] if url.startswith("https://") else "",
            "started_at": _time(incident.get("started_at") or incident.get("created_at")),
        }


def _time(text: object) -> datetime | None:
    try:
        found = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _store(page: str, incidents: list[dict[str, Any]]) -> None:
    now = database_now()
    with transaction.atomic():
        for incident in incidents:
            Incident.objects.update_or_create(
                page=page[:300],
                key=incident["key"],
                defaults={**incident, "seen_at": now, "ended_at": None},
            )
        keys = [incident["key"] for incident in incidents]
        rest = Incident.objects.filter(page=page[:300], ended_at=None).exclude(key__in=keys)
        rest.update(ended_at=now)
