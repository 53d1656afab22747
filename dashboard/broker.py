"""Kombu's brokers, mended where a worker would end by itself.

The embedded default's files appear whole: Kombu's own writes into the file a reader may already
have found, who takes the empty message for an unrecoverable error and ends, about once a minute in
a dashboard that is looked at.

A lost connection to Redis ends no worker: Kombu would put messages back that were not acknowledged,
over the connection it has just closed, and fail in a way the worker does not survive. The sweep
over the tables finds the work anyway.
"""

import uuid
from pathlib import Path
from time import monotonic
from typing import Any

from kombu.transport import filesystem, redis
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override] # as its parent has it
        """Written under a name no reader looks for, then renamed in one step."""
        folder = Path(self.data_folder_out)
        name = uuid.uuid4()
        unfinished = folder / f"{name}.part"
        unfinished.write_text(dumps(payload))
        unfinished.rename(folder / f"{round(monotonic() * 1000)}_{name}.{queue}.msg")

    def get_table(self, exchange: str) -> Any:
        """Which queues an exchange leads to; none while another process is just writing it down."""
        try:
            return super().get_table(exchange)
        except ValueError:
            return []


class Transport(filesystem.Transport):
    Channel = Channel


class RedisChannel(redis.Channel):
    do_restore = False


class RedisTransport(redis.Transport):
    Channel = RedisChannel
