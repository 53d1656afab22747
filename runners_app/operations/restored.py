"""Recognizing that the database was restored from a backup older than what was sent.

The database counts the writes it sent (`Instance.sends`). A mark outside of it, in Redis or in the
data folder, holds the same number, and is ahead of a restored database. Then nothing is sent before
a person confirms it: it may have been sent already. A missing mark proves nothing.
"""

import logging
import os
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F
from redis import Redis
from redis.exceptions import RedisError

from runners_app.models import Instance, Operation
from runners_app.operations.holds import hold

log = logging.getLogger(__name__)
S, RESTORED = Operation.State, Operation.HeldBecause.RESTORED
REDIS_KEY, REDIS_SECONDS = "trackside:sent-mark", 1.5
NOTE = "The database was restored from a backup, and this may have been sent already."


def count_send() -> int:
    """Count a write in the transaction that commits it as sent; returns the new number."""
    Instance.objects.get_or_create(pk=1)
    Instance.objects.filter(pk=1).update(sends=F("sends") + 1)
    return Instance.objects.values_list("sends", flat=True).get(pk=1)


def hold_if_restored() -> int:
    """Hold all unsent operations if the mark is ahead of the database; returns how many.

    Called before each write and by the sweeper.
    """
    mark = read_mark()
    sends = Instance.objects.filter(pk=1).values_list("sends", flat=True).first() or 0
    if mark is None:
        write_mark(sends)
    if mark is None or mark <= sends:
        return 0
    log.warning("The database was restored from a backup: unsent operations are held.")
    return hold_restored(sends=mark)


@transaction.atomic
def hold_restored(*, sends: int = 0) -> int:
    """Hold all unsent operations until a person confirms them; returns how many.

    Operations with a lost answer are still followed, but not sent again. The number of sent writes
    rises to `sends`, so that a restored database is recognized once.
    """
    Instance.objects.get_or_create(pk=1)
    Instance.objects.filter(pk=1, sends__lt=sends).update(sends=sends)
    under_way = Operation.objects.filter(state__in=(S.SENT, S.UNKNOWN), known_not_applied=False)
    under_way.update(held_because=RESTORED)
    return hold(Operation.objects.select_related("account"), RESTORED, NOTE)


def read_mark() -> int | None:
    """The number of writes sent, as kept outside the database; None if unknown."""
    try:
        if settings.REDIS_URL:
            stored = _redis().get(REDIS_KEY)
            return None if stored is None else int(stored)
        return int(Path(settings.SENT_MARK).read_text())
    except (RedisError, OSError, ValueError):
        return None


def write_mark(sends: int) -> None:
    """Keep the number outside the database. A failure only loses the mark."""
    try:
        if settings.REDIS_URL:
            _redis().set(REDIS_KEY, sends)
            return
        path = Path(settings.SENT_MARK)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(str(sends))
        part.replace(path)
    except (RedisError, OSError) as error:
        log.warning("The mark of what was sent could not be written: %s", type(error).__name__)


@cache
def _redis() -> "Redis":
    return Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
