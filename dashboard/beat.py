"""Celery's scheduler without a schedule file, on a clock that never jumps, and with a heartbeat."""

import logging
from pathlib import Path
from typing import Any

from celery.beat import Scheduler
from celery.schedules import crontab
from django.conf import settings

from dashboard.broker import waiting_messages
from runners_app.github.clock import uptime

log = logging.getLogger(__name__)
# Nobody takes messages while so many wait: more of them would only fill the broker.
MOST_WAITING = 100
LONGEST_SLEEP_SECONDS = 1.0


class Beat(Scheduler):
    """Keeps no state across restarts: its tasks find what is due in the tables.

    Intervals are measured on the monotonic clock, because a host's clock may be set back by hours.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # In a container the folder is on an empty /tmp.
        Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._due_at: dict[str, float] = {}
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Publish the tasks that are due, unless too many messages wait.

        Touches `beat-alive` in the data folder for health checks. Returns the seconds until the
        next tick.
        """
        Path(settings.DATA_DIR, "beat-alive").touch()
        due = [entry for entry in list(self.schedule.values()) if self._is_due(entry)]
        if due and self._has_room():
            for entry in due:
                self.apply_entry(entry, producer=self.producer)
        return LONGEST_SLEEP_SECONDS if not self._due_at else self._seconds_left()

    def _is_due(self, entry: Any) -> bool:
        """Whether an entry is due now; if so, its next time is set."""
        if isinstance(entry.schedule, crontab):
            is_due: bool = entry.is_due().is_due
            if is_due:
                schedule: dict[str, Any] = self.schedule
                schedule[entry.name] = self.reserve(entry)
            return is_due
        now = uptime()
        if now < self._due_at.get(entry.name, now):
            return False
        self._due_at[entry.name] = now + entry.schedule.run_every.total_seconds()
        return True

    def _seconds_left(self) -> float:
        left = min(self._due_at.values()) - uptime()
        return min(max(left, 0.0), LONGEST_SLEEP_SECONDS)

    def _has_room(self) -> bool:
        try:
            waiting = waiting_messages(self.app)
        except Exception as error:  # noqa: BLE001 - each transport raises its own kinds of errors
            log.warning("The broker does not respond: %s", type(error).__name__)
            return False
        if waiting >= MOST_WAITING:
            log.warning("%s messages wait for a worker; no more are published.", waiting)
        return waiting < MOST_WAITING
