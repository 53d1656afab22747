"""The Celery application; its settings are Django's, under ``CELERY_``."""

import os
from pathlib import Path

from celery import Celery, signals
from django.conf import settings
from django.db import close_old_connections
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
TRANSPORT_ALIASES["filesystem"] = "dashboard.broker:Transport"
TRANSPORT_ALIASES["redis"] = "dashboard.broker:RedisTransport"
app = Celery("trackside")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_shutting_down.connect
def stop_requests(**_: object) -> None:
    """On SIGTERM a worker finishes the request under way; the rest of the work waits."""
    from runners_app.credentials.leases import stop_requests

    stop_requests()


@signals.task_prerun.connect
@signals.task_postrun.connect
def keep_sound_connections(**_: object) -> None:
    """Keep a thread's database connection from task to task until it breaks or is too old, as
    Django does from request to request.
    """
    close_old_connections()


@signals.celeryd_init.connect
def make_data_folder(**_: object) -> None:
    """In a container it lies on an empty /tmp, and nothing else makes it."""
    Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True, mode=0o700)


@signals.heartbeat_sent.connect
def show_life(**_: object) -> None:
    """A worker whose loop runs and whose broker answers touches `worker-alive` every two seconds.

    For health checks: looking at a file costs them nothing, and asking by a message cost a second.
    """
    Path(settings.DATA_DIR, "worker-alive").touch()
