"""Waking a worker.

Messages carry only ids and may be lost, because the sweep of the tables finds all work.
"""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
# Older messages would pile up while no worker runs, and add nothing to what the sweep finds.
MESSAGE_SECONDS = 30
WAKE_SECONDS = 1.0
_publisher = ThreadPoolExecutor(1, thread_name_prefix="wake")
_publishing: "Future[object] | None" = None


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
    """Publish within WAKE_SECONDS, or leave it to the sweep.

    Publishing runs on a thread of its own, because a frozen Redis keeps it for many seconds. While
    that lasts nothing else is published.
    """
    global _publishing
    if _publishing is not None and not _publishing.done():
        return
    _publishing = _publisher.submit(
        current_app.send_task, task, args=list(pks), expires=MESSAGE_SECONDS
    )
    try:
        _publishing.result(WAKE_SECONDS)
    except (OperationalError, OSError, RedisError, TimeoutError) as error:
        log.warning(
            "The broker did not take a wake-up, the sweep will find the work: %s",
            type(error).__name__,
        )
