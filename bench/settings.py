"""Trackside's settings plus its peers: django-tables2, Django's admin and bare views."""

from dashboard.settings import *  # noqa: F403
from dashboard.settings import INSTALLED_APPS as OURS
from dashboard.settings import TEMPLATES as OUR_TEMPLATES

INSTALLED_APPS = [*OURS, "django.contrib.admin", "django_tables2"]
ROOT_URLCONF = "bench.urls"
TEMPLATES = [{**OUR_TEMPLATES[0], "DIRS": [BASE_DIR / "templates", BASE_DIR / "bench/templates"]}]  # noqa: F405
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
SILENCED_SYSTEM_CHECKS = ["admin.E408", "admin.E409", "admin.E410"]
