"""F5: a Redis that is full or frozen costs a form a second at most, and ends no worker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners_app.security.keys import new_key
from tests.processes import ROOT, Redis, start_redis, start_worker, wait_for

pytestmark = pytest.mark.processes
WAKE = """
import os, signal, sys, time
import django
django.setup()
from runners_app.credentials.wake import wake
wake(1)
if sys.argv[1:]:
    os.kill(int(sys.argv[1]), signal.SIGSTOP)
seconds = []
for _ in range(3):
    began = time.monotonic()
    wake(1)
    seconds.append(time.monotonic() - began)
print(*seconds)
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    with start_redis() as server:
        yield server


@pytest.fixture
def environment(redis_server: Redis, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "SECRET_KEY": "a secret key for processes of tests",
        "CREDENTIAL_KEYS": new_key(),
        "WEB_KEYS": new_key(),
        "DATABASE_URL": f"sqlite:///{tmp_path}/trackside.sqlite3",
        "REDIS_URL": redis_server.url,
        "TRACKSIDE_DATA_DIR": str(tmp_path),
        "STATUS_PAGES": "",
    }


def wake(environment: dict[str, str], *arguments: str) -> list[float]:
    """The seconds that three wake-ups took."""
    done = subprocess.run(
        [sys.executable, "-c", WAKE, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


def fill(server: Redis) -> None:
    client = server.client()
    client.config_set("maxmemory", "3mb")
    client.config_set("maxmemory-policy", "noeviction")
    with pytest.raises(Exception, match="maxmemory"):
        for number in range(100_000):
            client.set(f"filler-{number}", "x" * 10_000)


def test_a_frozen_redis_costs_a_form_a_second_and_the_next_ones_nothing(
    environment: dict[str, str], redis_server: Redis
) -> None:
    try:
        first, *rest = wake(environment, str(redis_server.pid))
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    assert first <= 1.5
    assert max(rest) <= 0.5


def test_a_full_redis_refuses_a_wake_up_without_an_error(
    environment: dict[str, str], redis_server: Redis
) -> None:
    fill(redis_server)
    assert max(wake(environment)) <= 1.5


def test_a_worker_survives_a_full_redis_and_goes_on(
    environment: dict[str, str], redis_server: Redis
) -> None:
    def takes_messages() -> bool:
        return any(each["cmd"] == "brpop" for each in redis_server.client().client_list())

    with start_worker(environment, "--without-gossip", "--without-mingle") as worker:
        worker.wait_until(takes_messages, 90)
        fill(redis_server)
        time.sleep(5)
        assert worker.is_running
        redis_server.client().flushall()
        redis_server.client().config_set("maxmemory", "0")
        wake(environment)
        wait_for(lambda: redis_server.client().llen("celery") == 0, 15)
        assert worker.is_running
