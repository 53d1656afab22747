"""The cache in Redis. Pages are the same without it, only slower.

Values are JSON: Django's own serializer unpickles what it reads, so that a writer to Redis could
run code here.
"""

import json
import logging
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

T = TypeVar("T")
log = logging.getLogger(__name__)
SILENT_SECONDS = 5.0
# Keys of allauth: the number of wrong codes, and the codes that were used.
CODE_KEYS = (":login_failed:", "allauth.mfa.totp.used?")


class CountsInDatabase(BaseCache):
    """Keeps the counters of second factors in the database.

    There they survive a restart, cannot be evicted by loading pages, and need no Redis.
    """

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        if _counts_codes(key):
            return bool(_code_counts().add(key, value, timeout))
        return super().add(key, value, timeout, version)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        if _counts_codes(key):
            return _code_counts().get(key, default)
        return super().get(key, default, version)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        if _counts_codes(key):
            _code_counts().put(key, value, timeout)
        else:
            super().set(key, value, timeout, version)

    def delete(self, key: Any, version: int | None = None) -> bool:
        if _counts_codes(key):
            return bool(_code_counts().delete(key))
        return super().delete(key, version)


def _counts_codes(key: Any) -> bool:
    return any(part in str(key) for part in CODE_KEYS)


def _code_counts() -> Any:
    """Imported when it is used: the cache is configured before the models are loaded."""
    return import_module("runners_app.people.code_counts")


class LocalCache(CountsInDatabase, LocMemCache):
    """The cache of one process, where there is no Redis."""


class JsonSerializer:
    """Numbers as they are, so that `incr` is atomic; everything else as JSON."""

    def dumps(self, value: object) -> int | bytes:
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, stored: bytes | int) -> Any:
        """Raises ValueError for bytes that are not JSON."""
        return stored if isinstance(stored, int) else json.loads(stored)


class Client(RedisCacheClient):
    """Behaves like an empty cache while Redis is down, and does not retry for a few seconds.

    `incr` still raises, because a count must not be lost.
    """

    silent_until = 0.0

    def _try(self, call: Callable[[], T], default: T) -> T:
        if time.monotonic() < self.silent_until:
            return default
        try:
            return call()
        except RedisError as error:
            self.silent_until = time.monotonic() + SILENT_SECONDS
            log.warning("The cache in Redis does not respond: %s", type(error).__name__)
            return default
        except ValueError:
            log.warning("The cache in Redis holds a value that is not JSON, which is ignored.")
            return default

    def get(self, key: Any, default: Any) -> Any:
        return self._try(partial(super().get, key, default), default)

    def get_many(self, keys: Any) -> Any:
        nothing: Any = {}
        return self._try(partial(super().get_many, keys), nothing)

    def has_key(self, key: Any) -> bool:
        return self._try(partial(super().has_key, key), False)

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        return self._try(partial(super().add, key, value, timeout), True)

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        self._try(partial(super().set, key, value, timeout), None)

    def set_many(self, data: Any, timeout: Any) -> None:
        self._try(partial(super().set_many, data, timeout), None)

    def touch(self, key: Any, timeout: Any) -> bool:
        return self._try(partial(super().touch, key, timeout), False)

    def delete(self, key: Any) -> bool:
        return self._try(partial(super().delete, key), False)

    def delete_many(self, keys: Any) -> None:
        self._try(partial(super().delete_many, keys), None)

    def clear(self) -> bool:
        return self._try(super().clear, False)


class Cache(CountsInDatabase, RedisCache):
    """Django's cache in Redis, with a client that gives up after a second."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = {
            "serializer": JsonSerializer,
            "socket_connect_timeout": 1,
            "socket_timeout": 1,
            **params.get("OPTIONS", {}),
        }
        super().__init__(server, {**params, "OPTIONS": options})
        self._class = Client
