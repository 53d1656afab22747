"""Real processes for tests: PostgreSQL, Redis, and Trackside's web, worker and beat, on free ports.

Every `start_…` is a context manager that stops its process. A test that needs a server which is not
installed is skipped with the reason; with CI=true it fails.
"""

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
import redis
import requests

from runners_app.security.keys import new_key, public_half

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS, STOP_SECONDS = 30.0, 15.0
LAST_LINES = 40
P = TypeVar("P", bound="Process")
_numbers = itertools.count(1)


class Process:
    """A process that can be stopped, killed and restarted. Its output goes to a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        log: Path,
        user: str | None = None,
        folder: Path = ROOT,
    ) -> None:
        self.command = list(command)
        self.environment = dict(os.environ if environment is None else environment)
        self.log, self.user, self.folder = log, user, folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self, seconds: float = START_SECONDS) -> int:
        """The exit status of a process that ends by itself."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, then SIGKILL if the process does not end. Harmless if it has ended."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the process and its children."""
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_until(self, is_up: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Wait until `is_up`. Raises AssertionError with the end of the output if that takes too
        long or the process ends.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.is_running:
            if is_up():
                return
            time.sleep(0.05)
        words = "\n".join(self.output().splitlines()[-LAST_LINES:])
        raise AssertionError(f"{' '.join(self.command)} did not come up:\n{words}")


def wait_for(done: Callable[[], bool], seconds: float = START_SECONDS, every: float = 0.1) -> None:
    """Wait until `done`, at most `seconds`. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"{done} did not hold within {seconds:.0f} s"
        time.sleep(every)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Redis(Process):
    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        binary = find_binary("redis-server")
        command = [
            binary,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        super().__init__(command, log=folder / "redis.log")

    def start(self) -> None:
        super().start()
        self.wait_until(self._answers)

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, socket_timeout=2)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class PostgreSQL(Process):
    """A cluster of its own on loopback, without a password. `url` is its database `trackside`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.url = self.url_of("trackside")
        command = [
            postgres_binary("postgres"),
            "-D",
            str(folder / "data"),
            "-p",
            str(port),
            "-k",
            str(folder),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=200",
        ]
        super().__init__(command, log=folder / "postgresql.log", user=server_user(), folder=folder)

    def url_of(self, database: str) -> str:
        return f"postgresql://trackside@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        super().start()
        self.wait_until(self._answers)

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> None:
        """By default fast: open connections are broken off."""
        super().stop(with_signal)

    def run(self, statement: str) -> None:
        """One statement outside any transaction, in the database that is always there."""
        with psycopg.connect(
            self.url_of("postgres"), autocommit=True, connect_timeout=2
        ) as connection:
            connection.execute(statement.encode())

    def _answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def start_redis(port: int | None = None) -> Iterator[Redis]:
    with server_folder() as folder, run(Redis(folder, port or free_port())) as server:
        yield server


@contextmanager
def start_postgresql(port: int | None = None) -> Iterator[PostgreSQL]:
    with server_folder() as folder:
        make_cluster(folder, "-A", "trust")
        with run(PostgreSQL(folder, port or free_port())) as server:
            server.run("CREATE DATABASE trackside")
            yield server


def make_cluster(folder: Path, *arguments: str) -> None:
    """Create an empty cluster with a superuser `trackside` in `folder`/data."""
    initdb = [postgres_binary("initdb"), "-D", str(folder / "data"), "-U", "trackside", "--no-sync"]
    subprocess.run(
        [*initdb, "-E", "UTF8", "--locale=C.UTF-8", *arguments],
        check=True,
        user=server_user(),
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )


def scaled_out(
    postgresql: PostgreSQL, redis_server: Redis, folder: Path, **more: str
) -> dict[str, str]:
    """The environment for processes on these servers, with keys of their own."""
    return {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "a secret key for processes of tests",
        "CREDENTIAL_KEYS": new_key(),
        "WEB_KEYS": new_key(),
        "DATABASE_URL": postgresql.url,
        "REDIS_URL": redis_server.url,
        "TRACKSIDE_DATA_DIR": str(folder),
        "PYTHONWARNINGS": "default",
        "STATUS_PAGES": "",
        **more,
    }


def manage(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command of manage.py; its output. Raises AssertionError with the output if it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=dict(environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,  # all migrations on a busy machine
    )
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def start_worker(environment: Mapping[str, str], *arguments: str) -> Iterator[Process]:
    """Start a worker without beat, with a pool of threads unless `arguments` name another."""
    pool = () if "--pool" in arguments else ("--pool", "threads", "--concurrency", "8")
    with run(
        _python(environment, "worker", "celery", "--app", "dashboard", "worker", *pool, *arguments)
    ) as worker:
        yield worker


@contextmanager
def start_beat(environment: Mapping[str, str]) -> Iterator[Process]:
    with run(
        _python(environment, "beat", "celery", "--app", "dashboard", "beat", "--pidfile", "")
    ) as beat:
        yield beat


class Web(Process):
    url: str


@contextmanager
def start_web(
    environment: Mapping[str, str], port: int | None = None, *arguments: str
) -> Iterator[Web]:
    """Start gunicorn as in production, and wait until it responds.

    Of CREDENTIAL_KEYS it gets the public half alone, as with compose.
    """
    if keys := environment.get("CREDENTIAL_KEYS"):
        environment = {**environment, "CREDENTIAL_KEYS": public_half(keys)}
    port = port or free_port()
    server = (
        "gunicorn",
        "dashboard.wsgi",
        "--bind",
        f"127.0.0.1:{port}",
        "--worker-class",
        "gthread",
    )
    command = [sys.executable, "-m", *server, "--threads", "8", "--no-control-socket", *arguments]
    web = Web(command, environment=environment, log=_log(environment, "web"))
    web.url = f"http://127.0.0.1:{port}"
    with run(web):
        web.wait_until(lambda: responds(f"{web.url}/livez"))
        yield web


def responds(url: str) -> bool:
    """Whether a GET succeeds now."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _python(environment: Mapping[str, str], name: str, module: str, *arguments: str) -> Process:
    command = [sys.executable, "-m", module, *arguments]
    return Process(command, environment=environment, log=_log(environment, name))


def _log(environment: Mapping[str, str], name: str) -> Path:
    return Path(environment["TRACKSIDE_DATA_DIR"]) / f"{name}-{next(_numbers)}.log"


@contextmanager
def run(process: P) -> Iterator[P]:
    """Start a process, and stop it at the end of the block."""
    process.start()
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder for servers, which do not run as root and cannot enter pytest's folders."""
    folder = Path(tempfile.mkdtemp(prefix="trackside-test-"))
    try:
        if user := server_user():
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def server_user() -> str | None:
    """The user to run PostgreSQL as, which refuses to run as root; None if tests do not run as
    root.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def postgres_binary(name: str) -> str:
    """The path of a PostgreSQL binary: from PATH, or from Debian's folder per version."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(installed[0]) if installed else _missing(name))


def find_binary(name: str) -> str:
    """Beside this Python first: some come as packages."""
    return (
        shutil.which(name, path=str(Path(sys.executable).parent))
        or shutil.which(name)
        or _missing(name)
    )


def _missing(name: str) -> str:
    reason = f"{name} is not installed on this machine"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
