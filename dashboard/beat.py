"""The clock: Celery's scheduler without a file for its schedule, and with a sign of life."""

from pathlib import Path
from typing import Any

from celery.beat import Scheduler
from django.conf import settings


class Beat(Scheduler):
    """Everything it schedules is looked up in the tables anyway, so it needs to remember nothing
    over a restart.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # In a container the folder lies on an empty /tmp, and nothing else makes it.
        Path(settings.DATA_DIR).mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Each tick touches `beat-alive` in the data folder, for health checks. Answers seconds
        until the next.
        """
        Path(settings.DATA_DIR, "beat-alive").touch()
        return super().tick(*args, **kwargs)
