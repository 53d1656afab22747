"""Incidents at GitHub: read from its status page, shown on pages and as a metric."""

from datetime import timedelta

import pytest
from django.core.cache import caches
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.models import Account, Incident
from runners_app.monitoring.incidents import read_status_pages
from tests.simulator_handle import SimulatorHandle


@pytest.fixture(autouse=True)
def _status_page(simulator: SimulatorHandle, settings: Settings) -> None:
    settings.STATUS_PAGES = [f"{simulator.origin}/_simulator/status"]


def read() -> None:
    read_status_pages()
    caches["pages"].clear()


def test_an_open_incident_stands_on_every_page_until_it_is_over(
    as_admin: Client, acme: Account, simulator: SimulatorHandle
) -> None:
    simulator.control(
        "POST", "incidents", {"name": "Runners start late", "components": ["Actions"]}
    )
    read()
    for path in ("/", "/runners/", "/operations/", f"/accounts/{acme.pk}/"):
        page = as_admin.get(path).content.decode()
        assert "GitHub reports an incident: Runners start late" in page, path
    simulator.control("DELETE", "incidents")
    read()
    assert "GitHub reports an incident" not in as_admin.get("/").content.decode()
    assert Incident.objects.get().ended_at is not None


def test_incidents_of_other_components_are_not_shown(
    as_admin: Client, simulator: SimulatorHandle
) -> None:
    simulator.control("POST", "incidents", {"components": ["Pages", "Codespaces"]})
    simulator.control("POST", "incidents", {"status": "resolved"})
    read()
    assert not Incident.objects.exists()


def test_a_status_page_that_fails_changes_nothing_and_old_news_is_not_shown(
    as_admin: Client, simulator: SimulatorHandle, settings: Settings
) -> None:
    simulator.control("POST", "incidents", {})
    read()
    settings.STATUS_PAGES = ["http://127.0.0.1:9/summary.json", f"{simulator.origin}/nowhere"]
    read()
    assert "GitHub reports an incident" in as_admin.get("/").content.decode()
    Incident.objects.update(seen_at=timezone.now() - timedelta(minutes=16))
    caches["pages"].clear()
    assert "GitHub reports an incident" not in as_admin.get("/").content.decode()


@pytest.mark.parametrize(
    "odd",
    [
        {"id": 5},
        {"name": None, "started_at": "yesterday", "shortlink": "javascript:alert(1)"},
        {"name": "<script>alert(1)</script>"},
        {"name": "x" * 5000, "id": "y" * 5000},
    ],
)
def test_odd_summaries_break_no_page(
    as_admin: Client, simulator: SimulatorHandle, odd: dict[str, object]
) -> None:
    simulator.control("POST", "incidents", {"components": ["Webhooks"], **odd})
    read()
    page = as_admin.get("/")
    assert page.status_code == 200
    assert "javascript:" not in page.content.decode()


def test_the_metric_counts_incidents_by_component(
    as_admin: Client, simulator: SimulatorHandle, settings: Settings
) -> None:
    settings.METRICS_TOKEN = "a token for metrics"
    simulator.control("POST", "incidents", {"components": ["API Requests", "Actions"]})
    read()
    headers = {"Authorization": "Bearer a token for metrics"}
    metrics = as_admin.get("/metrics", headers=headers).content.decode()
    assert 'trackside_github_incidents{component="API Requests"} 1.0' in metrics
    assert 'trackside_github_incidents{component="Webhooks"} 0.0' in metrics
    assert "trackside_clock_skew_seconds 0.0" in metrics
