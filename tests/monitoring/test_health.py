"""`/livez`, `/readyz`, and pages while the database is down."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from runners_app.models import Account, Reading


@contextmanager
def database_down() -> Iterator[None]:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OperationalError("connection refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "cursor", refuse)
        yield


def test_livez_needs_no_session_and_no_database(
    client: Client, db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/livez")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_readyz_reports_each_part(client: Client, db: None) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    state = answer.json()
    assert (state["ready"], state["database"], state["migrations"]) == (True, "ok", "applied")
    assert (state["broker"], state["worker"], state["credentials_waiting"]) == ("ok", "ok", 0)


def test_readyz_is_ready_without_a_worker_and_reports_it(client: Client, acme: Account) -> None:
    Reading.objects.update(due_at=timezone.now() - timedelta(minutes=10))
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert (answer.json()["worker"], answer.json()["credentials_waiting"]) == ("behind", 1)


def test_health_checks_with_a_session_work_while_the_database_is_down(as_admin: Client) -> None:
    with database_down():
        assert as_admin.get("/livez").status_code == 200
        assert as_admin.get("/readyz").json()["database"] == "unreachable"


def test_readyz_fails_while_the_database_is_down(client: Client, db: None) -> None:
    with database_down():
        answer = client.get("/readyz")
        assert client.get("/livez").status_code == 200
    assert answer.status_code == 503
    assert (answer.json()["ready"], answer.json()["database"]) == (False, "unreachable")


def test_readyz_fails_while_migrations_are_pending(client: Client, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'runners_app'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["migrations"]) == (503, "pending")


def test_a_page_is_a_plain_503_while_the_database_is_down(client: Client, db: None) -> None:
    client.cookies["sessionid"] = "a session that cannot be looked up"
    client.raise_request_exception = False
    with database_down():
        answer = client.get("/")
    assert answer.status_code == 503
    assert "Trackside is not ready" in answer.content.decode()
    assert answer.headers["Retry-After"]


def test_any_other_error_is_a_500_that_says_what_to_do(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("runners_app.monitoring.health.check", fail)
    client.raise_request_exception = False
    answer = client.get("/readyz")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_checks_refuse_post(client: Client, db: None, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.get(f"{path}/").status_code == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_need_no_allowed_host_and_no_https(
    path: str, client: Client, db: None, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["trackside.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    settings.METRICS_TOKEN = "a token of the metrics"
    probe = {"Authorization": "Bearer a token of the metrics", "Host": "10.0.0.7:8000"}
    assert client.get(path, headers=probe).status_code == 200
    page = {"Host": "10.0.0.7:8000", "X-Forwarded-Proto": "https"}
    assert client.get("/runners/", headers=page).status_code == 400


def test_readyz_looks_once_a_second_however_often_somebody_asks(
    client: Client, db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.get("/readyz")
    with django_assert_num_queries(0):
        assert client.get("/readyz").status_code == 200
