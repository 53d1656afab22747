"""The cache in Redis: values are JSON, and whoever can write to Redis runs no code."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.cache import Cache
from tests.processes import Redis, start_redis


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Redis]:
    with start_redis() as server:
        yield server


@pytest.fixture
def redis_cache(redis_server: Redis) -> Cache:
    return Cache(redis_server.url, {})


def test_values_come_back_as_they_were_stored(redis_cache: Cache) -> None:
    value = {"name": "é", "numbers": [1, 2.5, None, True]}
    redis_cache.set("a", value)
    redis_cache.set("b", 7)
    assert redis_cache.get("a") == value
    assert redis_cache.incr("b") == 8
    assert redis_cache.get_many(["a", "b"]) == {"a": value, "b": 8}


def test_a_pickle_that_a_stranger_wrote_to_redis_is_ignored(
    redis_cache: Cache, redis_server: Redis, tmp_path: Path
) -> None:
    proof = tmp_path / "code ran"
    redis_cache.set("page", "mine")
    key = next(iter(redis_server.client().keys("*page")))
    redis_server.client().set(key, pickle.dumps(Payload(proof)))
    assert redis_cache.get("page", "nothing") == "nothing"
    assert redis_cache.get_many(["page"]) == {}
    assert not proof.exists()
    stored = redis_server.client().get(key)
    assert isinstance(stored, bytes)
    pickle.loads(stored)  # noqa: S301 - the payload works
    assert proof.exists()
