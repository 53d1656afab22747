"""Kombu's brokers, with fixes for two faults that would end a worker.

In the embedded default, message files appear whole. Kombu writes into a file that a reader may
already have found; the reader takes the empty message for an unrecoverable error and exits, about
once a minute while someone uses the dashboard.

With Redis, a lost connection ends no worker. Kombu would restore unacknowledged messages over the
connection it has just closed and fail in a way that the worker does not survive. Restoring is not
needed, because the sweeper finds the work in the tables. For the same reason messages are not kept
until they are acknowledged, which would need memory that a full Redis refuses: a worker only reads
from Redis. Should it refuse a write all the same, the worker reconnects instead of ending.
"""

import uuid
from pathlib import Path
from time import monotonic
from typing import Any

from celery import Celery
from kombu.transport import filesystem, redis
from kombu.utils.json import dumps
from redis.exceptions import OutOfMemoryError


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override] # as its parent has it
        """Write the message under a name that readers ignore, then rename it in one step."""
        folder = Path(self.data_folder_out)
        name = uuid.uuid4()
        unfinished = folder / f"{name}.part"
        unfinished.write_text(dumps(payload))
        unfinished.rename(folder / f"{round(monotonic() * 1000)}_{name}.{queue}.msg")

    def get_table(self, exchange: str) -> Any:
        """The queues bound to an exchange; none while another process is writing the table."""
        try:
            return super().get_table(exchange)
        except ValueError:
            return []


class Transport(filesystem.Transport):
    Channel = Channel


class RedisChannel(redis.Channel):
    do_restore = False
    ack_emulation = False


class RedisTransport(redis.Transport):
    Channel = RedisChannel
    connection_errors = (*redis.Transport.connection_errors, OutOfMemoryError)


def waiting_messages(app: Celery) -> int:
    """How many messages no worker has taken. Raises what the transport does if it is down."""
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)
        channel: Any = connection.default_channel  # each transport can count, none says so
        waiting: int = channel._size(app.conf.task_default_queue)
    return waiting
