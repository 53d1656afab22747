"""Waking a worker.

Messages carry only ids and may be lost, because the sweep of the tables finds all work.
"""

import logging
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)
# Older messages would pile up while no worker runs, and add nothing to what the sweep finds.
MESSAGE_SECONDS = 30


def wake_on_commit(credential_id: int) -> None:
    """Call `wake` once the present transaction is committed."""
    transaction.on_commit(partial(wake, credential_id))


def wake(credential_id: int) -> None:
    """Tell a worker that a credential has work to do; never fails, even if the broker is down."""
    _send("runners_app.tasks.work_credential", credential_id)


def wake_app_on_commit(app_id: int) -> None:
    """Have the installations of an App listed once the present transaction is committed."""
    transaction.on_commit(partial(wake_app, app_id))


def wake_app(app_id: int) -> None:
    """Have a worker list the installations of an App."""
    _send("runners_app.tasks.list_installations", app_id)


def wake_notices_on_commit() -> None:
    """Have due notices sent, for example a test, once the transaction is committed."""
    transaction.on_commit(partial(_send, "runners_app.tasks.send_due_notices"))


def _send(task: str, *pks: int) -> None:
    try:
        current_app.send_task(task, args=list(pks), expires=MESSAGE_SECONDS)
    except (OperationalError, OSError) as error:
        log.warning(
            "The broker did not take a wake-up, the sweep will find the work: %s",
            type(error).__name__,
        )
