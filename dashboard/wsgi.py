"""The WSGI application that gunicorn serves."""

import os
import signal
import threading
from types import FrameType

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
application = get_wsgi_application()


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
