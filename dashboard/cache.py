"""The cache in Redis. Pages are the same without it, only slower."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

T = TypeVar("T")
log = logging.getLogger(__name__)
SILENT_SECONDS = 5.0
# Keys of allauth: the number of wrong codes, and the codes that were used.
CODE_KEYS = (":login_failed:", "allauth.mfa.totp.used?")


class Client(RedisCacheClient):
    """Behaves like an empty cache while Redis is down, and does not retry for a few seconds.

    `incr` still raises, because a count must not be lost. During that time second-factor codes are
    refused, since attempts cannot be counted: allauth takes a key it cannot add for a lock, or for
    a used code.
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

    def get(self, key: Any, default: Any) -> Any:
        return self._try(partial(super().get, key, default), default)

    def get_many(self, keys: Any) -> Any:
        nothing: Any = {}
        return self._try(partial(super().get_many, keys), nothing)

    def has_key(self, key: Any) -> bool:
        return self._try(partial(super().has_key, key), False)

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        default = not any(part in key for part in CODE_KEYS)
        return self._try(partial(super().add, key, value, timeout), default)

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


class Cache(RedisCache):
    """Django's cache in Redis, with a client that gives up after a second."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = {"socket_connect_timeout": 1, "socket_timeout": 1, **params.get("OPTIONS", {})}
        super().__init__(server, {**params, "OPTIONS": options})
        self._class = Client
