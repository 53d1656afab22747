"""Trackside as a WSGI application for clients, within the transaction of a test."""

from collections.abc import Callable, Iterable
from typing import Any

from django.test.client import ClientHandler

StartResponse = Callable[..., Any]


def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    response: Any = ClientHandler()(environ)
    status = f"{response.status_code} {response.reason_phrase}"
    start_response(status, list(response.headers.items()))
    return [b"".join(response)]
