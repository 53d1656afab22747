"""The Celery application; its settings are Django's, under ``CELERY_``."""

import os

from celery import Celery, signals
from django.db import close_old_connections
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
TRANSPORT_ALIASES["filesystem"] = "dashboard.broker:Transport"
TRANSPORT_ALIASES["redis"] = "dashboard.broker:RedisTransport"
app = Celery("trackside")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.task_prerun.connect
@signals.task_postrun.connect
def keep_sound_connections(**_: object) -> None:
    """Keep a thread's database connection from task to task until it breaks or is too old, as
    Django does from request to request.
    """
    close_old_connections()
