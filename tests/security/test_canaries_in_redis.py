"""The canaries of `test_canaries`, and the secrets in use, with real servers and processes.

Web, worker and beat run on PostgreSQL and Redis. Searched are every command sent to Redis
(MONITOR), all its keys and values, every row of PostgreSQL, the content of sessions, and all logs.
Finally a value is planted in a task and in the cache, and must be found: otherwise the search would
prove nothing.
"""

import base64
import re
import secrets as random
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import psycopg
import pytest
import redis
from cryptography.fernet import Fernet
from django.utils.crypto import salted_hmac

from tests.people.test_providers import PASSWORD as PASSWORD_IN_USE
from tests.people.test_providers import PREPARE, Browser, set_up_second_factor
from tests.processes import (
    PostgreSQL,
    Redis,
    scaled_out,
    start_beat,
    start_postgresql,
    start_redis,
    start_web,
    start_worker,
    wait_for,
)
from tests.security.test_canaries import (
    CLASSIC,
    FINE_GRAINED,
    HOOK_PATH,
    NEW_PASSWORD,
    STDIN_TOKEN,
    pem,
    spellings,
)
from tests.simulator_handle import SimulatorHandle, start_simulator
from tests.sinks import Sink, webhook
from tests.web.test_headers import run, run_as_it_is

pytestmark = pytest.mark.processes

__all__ = ["pem"]
METRICS_TOKEN = "canary-of-metrics-" + "m4" * 10
Places = list[tuple[str, str]]


@dataclass
class Monitor:
    """Every command sent to a Redis server, as MONITOR prints them."""

    chunks: list[bytes] = field(default_factory=list)

    def text(self) -> str:
        return unescaped(b"".join(self.chunks))


@contextmanager
def monitoring(server: Redis) -> Iterator[Monitor]:
    monitor = Monitor()
    host, port = "127.0.0.1", int(server.url.rsplit(":", 1)[1].partition("/")[0])
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(b"MONITOR\r\n")
        assert connection.recv(5) == b"+OK\r\n"
        connection.settimeout(None)

        def listen() -> None:
            while chunk := connection.recv(65_536):
                monitor.chunks.append(chunk)

        thread = Thread(target=listen)
        thread.start()
        try:
            yield monitor
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            thread.join()


def unescaped(said: bytes) -> str:
    r"""Undo the escapes of MONITOR, \" and \xNN; messages are JSON within JSON."""
    plain = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), said)
    return plain.replace(b"\\\\", b"\\").replace(b'\\"', b'"').decode(errors="replace")


def find(wanted: Mapping[str, str], places: Places) -> list[str]:
    return sorted(
        f"{name} in {place}"
        for name, secret in wanted.items()
        for place, text in places
        if any(spelling in text for spelling in spellings(secret))
    )


@dataclass
class Run:
    """The running servers, and the places to search."""

    folder: Path
    environment: dict[str, str]
    postgresql: PostgreSQL
    redis: Redis
    monitor: Monitor
    simulator: SimulatorHandle
    hook: Sink
    url: str

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.postgresql.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def places(self) -> Places:
        logs = [*self.folder.glob("*.log"), self.redis.log, self.postgresql.log]
        return [
            ("the commands of Redis", self.monitor.text()),
            *((f"Redis key {key}", value) for key, value in redis_content(self.redis)),
            *((f"table {table}", text) for table, text in self.tables()),
            *((f"log {path.name}", path.read_text(errors="replace")) for path in logs),
        ]

    def tables(self) -> Iterator[tuple[str, str]]:
        for (table,) in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            yield (
                str(table),
                "\n".join(str(row) for (row,) in self.rows(f'SELECT t::text FROM "{table}" t')),  # noqa: S608 - our own names
            )
        for (data,) in self.rows("SELECT session_data FROM runners_app_session"):
            yield (
                "runners_app_session, read",
                session_content(str(data), self.environment["SECRET_KEY"]),
            )


def session_content(data: str, secret_key: str) -> str:
    """Opened with the key of the processes, which is not that of this test."""
    key = salted_hmac("session data", "", secret=secret_key, algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key)).decrypt(data).decode()


def redis_content(server: Redis) -> Iterator[tuple[str, str]]:
    with server.client() as client:
        for key in client.scan_iter(count=1000):
            yield key.decode(errors="replace"), unescaped(repr(value_of(client, key)).encode())


def value_of(client: "redis.Redis", key: bytes) -> object:
    match client.type(key):
        case b"string":
            return client.get(key)
        case b"list":
            return client.lrange(key, 0, -1)
        case b"hash":
            return client.hgetall(key)
        case b"set":
            return client.smembers(key)
        case b"zset":
            return client.zrange(key, 0, -1)
    return client.dump(key)


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Run]:
    with ExitStack() as running:
        simulator = running.enter_context(
            start_simulator("--organizations", "2", "--enterprises", "0", "--runners", "6")
        )
        postgresql, server = (
            running.enter_context(start_postgresql()),
            running.enter_context(start_redis()),
        )
        environment = scaled_out(
            postgresql,
            server,
            tmp_path,
            GITHUB_API_ORIGINS=simulator.base_url,
            LOG_LEVEL="DEBUG",
            METRICS_TOKEN=METRICS_TOKEN,
            LEASE_SECONDS="3",
            GITHUB_DEADLINE="2",
            RETRY_SECONDS="0.2",
        )
        code = run(tmp_path, PREPARE, **environment).split()[-1]
        monitor = running.enter_context(monitoring(server))
        hook = running.enter_context(webhook())
        running.enter_context(start_worker(environment))
        running.enter_context(start_beat(environment))
        web = running.enter_context(start_web(environment))
        environment["SETUP_CODE"] = code
        yield Run(tmp_path, environment, postgresql, server, monitor, simulator, hook, web.url)


def live(whole: Run, private_key: str) -> dict[str, str]:
    """Use everything that holds a secret, with many failures; returns the secrets that came up."""
    browser = Browser(whole.url)
    browser.open("/setup/")
    fields = {"username": "ada", "password1": PASSWORD_IN_USE, "password2": PASSWORD_IN_USE}
    browser.send("/setup/", code=whole.environment["SETUP_CODE"], **fields)
    browser.open("/sign-in/")
    browser.send("/sign-in/", username="ada", password=NEW_PASSWORD)
    browser.sign_in("ada")
    key = set_up_second_factor(browser)
    browser.open("/you/two-factor/recovery-codes/")
    recovery = re.findall(r"\b[0-9a-z]{8}\b", browser.page.partition("<textarea")[2])[0]
    connect(whole, browser)
    keep_an_app_and_a_channel(whole, browser, private_key)
    answer = browser.session.get(
        f"{whole.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=9
    )
    assert answer.status_code == 200
    a_command_fails(whole)
    return {
        "key of the second factor": key,
        "recovery code": recovery,
        "session": browser.session.cookies["sessionid"],
    }


def connect(whole: Run, browser: Browser) -> None:
    """Connect with a working, a refused and an unusable token; then GitHub's errors repeat one."""
    base, token = whole.simulator.base_url, whole.simulator.account("acme").token
    browser.open("/accounts/new/")
    for slug, kind, each in (
        ("acme", "organization", token),
        ("globex", "organization", CLASSIC),
        ("umbrella", "enterprise", FINE_GRAINED),
    ):
        browser.send("/accounts/new/", kind=kind, slug=slug, api_url=base, token=each)
        browser.open("/accounts/new/")
    wait_for(lambda: whole.rows("SELECT count(*) FROM runners_app_runner")[0][0] == 6)
    wait_for(
        lambda: bool(
            whole.rows("SELECT 1 FROM runners_app_credential WHERE quarantined_at IS NOT NULL")
        )
    )
    whole.simulator.add_fault(
        None, "hosted-runners", "status", status=422, body={"message": f"no {token}!"}, times=3
    )
    browser.open("/runners/")
    browser.send("/runners/refresh/")
    wait_for(
        lambda: bool(whole.rows("SELECT 1 FROM runners_app_reading WHERE error_message <> ''"))
    )


def keep_an_app_and_a_channel(whole: Run, browser: Browser, private_key: str) -> None:
    browser.open("/accounts/apps/new/")
    browser.send(
        "/accounts/apps/new/",
        issuer="4711",
        private_key=private_key,
        api_url=whole.simulator.base_url,
    )
    browser.open("/notices/new/")
    address = f"json://127.0.0.1:{whole.hook.port}/{HOOK_PATH}"
    browser.send(
        "/notices/new/", name="ops", kinds="runner_stuck", zone="UTC", is_on="on", address=address
    )
    browser.open("/notices/")
    browser.send("/notices/1/test/")
    wait_for(lambda: bool(whole.hook.messages))
    whole.hook.status = 500
    browser.send("/notices/1/test/")
    wait_for(lambda: bool(whole.rows("SELECT 1 FROM runners_app_notice WHERE failure <> ''")))


REFUSED = f"""
import io, sys
sys.stdin = io.StringIO("{STDIN_TOKEN}\\n")
try:
    where = ("--kind", "organization", "--api-url", "https://elsewhere.example")
    call_command("connect_account", "nowhere", *where, "--token-stdin")
except BaseException as error:
    print("refused", error)
"""
PLANT = """
from django.core.cache import cache
from dashboard import celery_app
cache.set("planted", {"words": "PLANTED in the cache"}, 60)
for before in ("", "x", "xx"):
    celery_app.send_task("no.such", args=[before + "PLANTED in a task"], queue="planted")
"""


def a_command_fails(whole: Run) -> None:
    said = run_as_it_is(whole.folder, REFUSED, **whole.environment)
    assert "refused" in said
    (whole.folder / "command.log").write_text(said)


def test_no_secret_is_sent_to_redis_or_stored_in_rows_and_logs(whole: Run, pem: str) -> None:
    wanted = {
        "password": PASSWORD_IN_USE,
        "wrong password": NEW_PASSWORD,
        "classic token": CLASSIC,
        "fine-grained token": FINE_GRAINED,
        "token of the command": STDIN_TOKEN,
        "hook": HOOK_PATH,
        "private key": pem.splitlines()[7],
        "token of metrics": METRICS_TOKEN,
        "token in use": whole.simulator.account("acme").token,
        "secret key": whole.environment["SECRET_KEY"],
        "credential key": whole.environment["CREDENTIAL_KEYS"],
        "web key": whole.environment["WEB_KEYS"],
        **live(whole, pem),
    }
    places = whole.places()
    assert find(wanted, places) == [], "of a session only a hash of its key is stored"
    assert any(place == "table runners_app_session, read" for place, _ in places)
    planted = random.token_hex(12)
    run_as_it_is(whole.folder, PLANT.replace("PLANTED", planted), **whole.environment)
    found = find({"planted": planted}, whole.places())
    assert {
        "planted in the commands of Redis",
        "planted in Redis key planted",
        "planted in Redis key :1:planted",
    } <= {*found}
    assert len([place for place, _ in places if place.startswith("table")]) > 30
