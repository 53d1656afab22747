"""F3: a request that the database rolled back is run again, three times at most."""

import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from psycopg import errors

from runners_app.web.retry import retrying


class View:
    """Fails so many times with an error of PostgreSQL, and then responds."""

    def __init__(self, failures: int, error: type[Exception]) -> None:
        self.failures, self.error, self.runs = failures, error, 0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.runs += 1
        if self.runs <= self.failures:
            raise OperationalError("rolled back") from self.error()
        return HttpResponse("stored")


@pytest.mark.parametrize("error", [errors.DeadlockDetected, errors.SerializationFailure])
@pytest.mark.parametrize("failures", [0, 1, 3])
def test_a_transient_error_is_retried(failures: int, error: type[Exception]) -> None:
    view = View(failures, error)
    assert retrying(view)(HttpRequest()).content == b"stored"
    assert view.runs == failures + 1


def test_after_three_retries_the_error_is_raised() -> None:
    view = View(4, errors.DeadlockDetected)
    with pytest.raises(OperationalError):
        retrying(view)(HttpRequest())
    assert view.runs == 4


def test_a_lost_connection_is_not_retried() -> None:
    view = View(1, errors.AdminShutdown)
    with pytest.raises(OperationalError):
        retrying(view)(HttpRequest())
    assert view.runs == 1
