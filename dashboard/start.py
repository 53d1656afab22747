"""What a process does once when it starts, from the settings: importing them has no effects.

Called by the app's `ready`, so that it happens in every process that sets up Django: web, worker,
beat and commands.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from dashboard import data_dir, logs, sentry
from runners_app.security.redaction import hide


def start() -> None:
    """Set the umask, make folders and keys, and start logging and Sentry.

    Raises ImproperlyConfigured if SENTRY_DSN is set and its package is missing.
    """
    os.umask(0o077)
    logs.configure()
    if not settings.SIMULATOR_ONLY:
        _make_folders()
        _keep_keys()
    _hide_secrets()
    if settings.SENTRY_DSN:
        sentry.start(settings.SENTRY_DSN)


def _make_folders() -> None:
    if not settings.REDIS_URL:
        options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        for folder in (options["data_folder_in"], options["control_folder"]):
            Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)


def _keep_keys() -> None:
    """Write down the keys that this first start has made, or use those of a faster process."""
    if settings.NEW_KEYS is not None:
        kept = data_dir.keep_keys(settings.DATA_DIR, settings.NEW_KEYS)
        if settings.NEW_KEYS.secret_key == settings.SECRET_KEY:
            settings.SECRET_KEY = kept.secret_key
        if settings.NEW_KEYS.credential_keys == settings.CREDENTIAL_KEYS:
            settings.CREDENTIAL_KEYS = kept.credential_keys
        if settings.NEW_KEYS.web_keys == settings.WEB_KEYS:
            settings.WEB_KEYS = kept.web_keys


def _hide_secrets() -> None:
    """Keep the secrets among the settings out of logs."""
    apps = [app for each in settings.SOCIALACCOUNT_PROVIDERS.values() for app in each["APPS"]]
    secrets = [
        settings.SECRET_KEY,
        *settings.CREDENTIAL_KEYS,
        *settings.WEB_KEYS,
        settings.OUTGOING_PROXY and settings.OUTGOING_PROXY.password,
        settings.METRICS_TOKEN,
        settings.DATABASES["default"].get("PASSWORD"),
        urlsplit(settings.REDIS_URL).password,
        getattr(settings, "EMAIL_HOST_PASSWORD", ""),
        *(app["secret"] for app in apps),
    ]
    for secret in secrets:
        hide(secret or "", "settings")
