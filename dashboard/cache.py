"""The cache in Redis, without which pages are slower but the same."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

T = TypeVar("T")
log = logging.getLogger(__name__)
REST_SECONDS = 5.0
# Keys of allauth: how many codes were wrong, and which were used.
COUNTS_CODES = (":login_failed:", "allauth.mfa.totp.used?")


class Client(RedisCacheClient):
    """Is like an empty cache while Redis does not answer, and then leaves it alone for a few
    seconds.

    `incr` still raises: to count nothing would be wrong. Codes of a second factor are refused
    meanwhile, because nobody counts how many somebody tries: what allauth cannot add it takes for
    locked, or for used.
    """

    silent_until = 0.0

    def _ask(self, ask: Callable[[], T], otherwise: T) -> T:
        if time.monotonic() < self.silent_until:
            return otherwise
        try:
            return ask()
        except RedisError as error:
            self.silent_until = time.monotonic() + REST_SECONDS
            log.warning("The cache in Redis does not answer: %s", type(error).__name__)
            return otherwise

    def get(self, key: Any, default: Any) -> Any:
        return self._ask(partial(super().get, key, default), default)

    def get_many(self, keys: Any) -> Any:
        nothing: Any = {}
        return self._ask(partial(super().get_many, keys), nothing)

    def has_key(self, key: Any) -> bool:
        return self._ask(partial(super().has_key, key), False)

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        otherwise = not any(part in key for part in COUNTS_CODES)
        return self._ask(partial(super().add, key, value, timeout), otherwise)

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        self._ask(partial(super().set, key, value, timeout), None)

    def set_many(self, data: Any, timeout: Any) -> None:
        self._ask(partial(super().set_many, data, timeout), None)

    def touch(self, key: Any, timeout: Any) -> bool:
        return self._ask(partial(super().touch, key, timeout), False)

    def delete(self, key: Any) -> bool:
        return self._ask(partial(super().delete, key), False)

    def delete_many(self, keys: Any) -> None:
        self._ask(partial(super().delete_many, keys), None)

    def clear(self) -> bool:
        return self._ask(super().clear, False)


class Cache(RedisCache):
    """Django's, with a client that gives up within a second."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = {"socket_connect_timeout": 1, "socket_timeout": 1, **params.get("OPTIONS", {})}
        super().__init__(server, {**params, "OPTIONS": options})
        self._class = Client
