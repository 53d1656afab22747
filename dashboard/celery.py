"""The Celery application; its settings are Django's, under ``CELERY_``."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
TRANSPORT_ALIASES["filesystem"] = "dashboard.broker:Transport"
app = Celery("trackside")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
