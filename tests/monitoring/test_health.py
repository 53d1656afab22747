"""For whatever watches over Trackside: /livez, /readyz, and what a page says while the database is
down.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
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


def test_livez_answers_anybody_and_asks_the_database_nothing(
    client: Client, db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/livez")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_readyz_says_how_each_part_is(client: Client, db: None) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["ready"], told["database"], told["migrations"]) == (True, "ok", "applied")
    assert (told["broker"], told["worker"], told["credentials_waiting"]) == ("ok", "ok", 0)


def test_readyz_stays_ready_while_no_worker_works_but_says_so(
    client: Client, acme: Account
) -> None:
    Reading.objects.update(due_at=timezone.now() - timedelta(minutes=10))
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert (answer.json()["worker"], answer.json()["credentials_waiting"]) == ("behind", 1)


def test_health_is_told_to_somebody_with_a_session_too_while_the_database_is_down(
    client: Client, admin: User
) -> None:
    client.force_login(admin)
    with database_down():
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").json()["database"] == "unreachable"


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
    client.cookies["sessionid"] = "a session nobody can look up now"
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

    monkeypatch.setattr("runners_app.monitoring.health.look", fail)
    client.raise_request_exception = False
    answer = client.get("/readyz")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_refuses_post(client: Client, db: None, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.get(f"{path}/").status_code == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_a_watcher_needs_no_name_of_ours_and_no_https(
    path: str, client: Client, db: None, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["trackside.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    settings.METRICS_TOKEN = "a token of the metrics"
    asked = {"Authorization": "Bearer a token of the metrics", "Host": "10.0.0.7:8000"}
    assert client.get(path, headers=asked).status_code == 200
    assert (
        client.get(
            "/runners/", headers={"Host": "10.0.0.7:8000", "X-Forwarded-Proto": "https"}
        ).status_code
        != 200
    )


def test_readyz_looks_once_a_second_however_often_somebody_asks(
    client: Client, db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.get("/readyz")
    with django_assert_num_queries(0):
        assert client.get("/readyz").status_code == 200
