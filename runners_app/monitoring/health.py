"""The health of Trackside itself: database, migrations, broker and workers."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from celery import current_app
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max

from runners_app.models import Credential, Reading
from runners_app.models.clock import NOTABLE_SKEW, database_now, skew

log = logging.getLogger(__name__)
BEHIND_AFTER = timedelta(minutes=1)
BROKER_SECONDS = 1


@dataclass(frozen=True)
class Health:
    """The state of each part. Pages need only the database, and grow stale without a worker.

    `credentials_waiting` counts credentials with work that no worker has taken for a minute.
    `clock` says by how much this host's clock differs from the database's, from five seconds on.
    """

    database: str
    migrations: str = "unknown"
    broker: str = "unknown"
    worker: str = "unknown"
    last_reading_at: datetime | None = None
    credentials_waiting: int = 0
    clock: str = "ok"

    @property
    def is_ready(self) -> bool:
        return self.database == "ok" and self.migrations == "applied"


def check() -> Health:
    """Check each part. A part that is down is reported, and raises nothing."""
    try:
        executor = MigrationExecutor(connection)
        pending = bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if pending:
            return Health("ok", "pending", broker=_broker())
        waiting = len(Credential.objects.due(database_now() - BEHIND_AFTER))
        last = Reading.objects.aggregate(at=Max("last_started_at"))["at"]
        off = skew()
    except DatabaseError as error:
        log.warning("The database does not answer: %s", error)
        return Health("unreachable", broker=_broker())
    clock = f"off by {off.total_seconds():.0f} s" if abs(off) > NOTABLE_SKEW else "ok"
    return Health("ok", "applied", _broker(), "behind" if waiting else "ok", last, waiting, clock)


def _broker() -> str:
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)
    except Exception as error:  # noqa: BLE001 - each transport raises its own kinds of errors
        log.warning("The broker does not answer: %s", type(error).__name__)
        return "unreachable"
    return "ok"
