"""The WSGI application that gunicorn serves."""

import os
import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django_application = get_wsgi_application()


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Django, without the bodies of answers to HEAD, which it leaves to the server to drop.

    gunicorn logs a warning for each. The headers stay those of a GET.
    """
    body = django_application(environ, start_response)
    if environ["REQUEST_METHOD"] != "HEAD":
        return body
    body.close()
    return []


def _end_waits_before_stopping() -> None:
    """Answer requests that wait for an outcome as soon as gunicorn is told to stop.

    gunicorn lets running requests finish, which would hold up a restart for as long as they wait.
    """
    from runners_app.api.writes import stop_waiting

    stop = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        stop_waiting()
        if callable(stop):
            stop(number, frame)

    if callable(stop):
        signal.signal(signal.SIGTERM, handle)


if threading.current_thread() is threading.main_thread():
    _end_waits_before_stopping()
