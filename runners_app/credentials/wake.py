"""Waking a worker. Messages carry only ids and may all be lost: the sweep over the tables finds the
work anyway.
"""

import logging
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)
# Older messages pile up while no worker listens, and tell nothing the sweep does not find.
MESSAGE_SECONDS = 30


def wake_on_commit(credential_id: int) -> None:
    transaction.on_commit(partial(wake, credential_id))


def wake(credential_id: int) -> None:
    """Tell a worker that this credential has something to do. A broker that is down is no reason to
    fail.
    """
    _send("runners_app.tasks.work_credential", credential_id)


def wake_app_on_commit(app_id: int) -> None:
    """Somebody waits for the installations of an App."""
    transaction.on_commit(partial(wake_app, app_id))


def wake_app(app_id: int) -> None:
    _send("runners_app.tasks.list_installations", app_id)


def wake_notices_on_commit() -> None:
    """Somebody waits for a test notice."""
    transaction.on_commit(partial(_send, "runners_app.tasks.send_due_notices"))


def _send(task: str, *pks: int) -> None:
    try:
        current_app.send_task(task, args=list(pks), expires=MESSAGE_SECONDS)
    except (OperationalError, OSError) as error:
        log.warning(
            "The broker did not take a wake-up, the sweep will find the work: %s",
            type(error).__name__,
        )
