"""Celery's scheduler without a schedule file, but with a heartbeat."""

from pathlib import Path
from typing import Any

from celery.beat import Scheduler
from django.conf import settings


class Beat(Scheduler):
    """Keeps no state across restarts: its tasks find what is due in the tables."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # In a container the folder is on an empty /tmp.
        Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Touch `beat-alive` in the data folder for health checks; seconds until the next tick."""
        Path(settings.DATA_DIR, "beat-alive").touch()
        return super().tick(*args, **kwargs)
