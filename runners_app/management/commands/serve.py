"""The embedded default: runs web, worker with beat and, for the demo, the simulator."""

import fcntl
import json
import os
import shlex
import socket
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from dashboard.supervisor import Child, KeepsDying, Supervisor, manage, module
from runners_app.accounts import demo
from runners_app.people.people import setup_code

READY_WITHIN_SECONDS = 120.0  # on a machine that is busy with other things
DEMO_JOBS_PER_MINUTE = 12


class Command(BaseCommand):
    help = "Run everything on this machine: web, worker with beat, and the simulator for the demo."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--demo", action="store_true", default=None, dest="demo")
        parser.add_argument("--no-demo", action="store_false", dest="demo")
        parser.add_argument(
            "--demo-speed",
            type=float,
            default=1.0,
            help="Simulated seconds per second in the demo.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        port = options["port"]
        with _data_folder():
            self._serve(port, options)

    def _serve(self, port: int, options: dict[str, Any]) -> None:
        if not _is_free(port):
            raise CommandError(
                f"Port {port} is in use, perhaps by another Trackside. "
                "Stop that, or choose another port with --port N."
            )
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        with_demo = demo.is_wanted() if options["demo"] is None else options["demo"]
        self._supervise(port, with_demo, options["demo_speed"])

    def _supervise(self, port: int, with_demo: bool, speed: float) -> None:
        environment = dict(os.environ)
        children = [_web(port), _worker()]
        sign_ins: list[demo.SignIn] = []
        if with_demo:
            simulator_port = _simulator_port()
            base_url = f"http://127.0.0.1:{simulator_port}"
            environment["DEMO_API_ORIGINS"] = base_url
            environment["DEMO_HOOKS_URL"] = f"http://127.0.0.1:{port}"
            settings.DEMO_API_ORIGINS = [base_url]
            sign_ins = demo.demo_sign_ins()
            children.insert(0, _simulator(simulator_port, speed))
        _announcement().unlink(missing_ok=True)
        # A worker finishes its request under way, which may take as long as GitHub's deadline.
        supervisor = Supervisor(children, environment, settings.GITHUB_DEADLINE + 5)
        try:
            supervisor.start()
            if with_demo:
                demo.connect_demo(base_url, _simulator_accounts(_announcement()))
            _wait_until_up(f"http://127.0.0.1:{port}/livez")
            self._greet(port, sign_ins)
            supervisor.watch()
        except KeepsDying as error:
            raise CommandError(str(error)) from None
        finally:
            supervisor.stop()
        self.stdout.write("Stopped.")

    def _greet(self, port: int, sign_ins: list[demo.SignIn]) -> None:
        self.stdout.write(f"\nTrackside runs at http://127.0.0.1:{port}/\n")
        for sign_in in sign_ins:
            self.stdout.write(f"  {sign_in.role:<14} {sign_in.username:<6} {sign_in.password}")
        if not User.objects.exists():
            self.stdout.write(
                f"  Nobody can sign in yet. Add an administrator at http://127.0.0.1:{port}/setup/"
            )
            self.stdout.write(
                f"  with the setup code {setup_code()}, or run: python manage.py createsuperuser"
            )
        self.stdout.write("Ctrl-C stops it.\n")
        self.stdout.flush()


@contextmanager
def _data_folder() -> Iterator[None]:
    """Hold the data folder for this process. Raises CommandError while another `serve` does."""
    with (Path(settings.DATA_DIR) / "serve.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CommandError(
                f"Trackside already runs on {settings.DATA_DIR} (process {lock.read().strip()}): "
                "stop that one, or set TRACKSIDE_DATA_DIR to another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _web(port: int) -> Child:
    if settings.DEV:
        return Child("web", manage("runserver", f"127.0.0.1:{port}"), essential=True)
    return Child(
        "web",
        module(
            "gunicorn",
            "dashboard.wsgi",
            "--bind",
            f"127.0.0.1:{port}",
            "--worker-class",
            "gthread",
            "--threads",
            "8",
            "--log-level",
            "warning",
            "--no-control-socket",
        ),
        essential=True,
    )


def _worker() -> Child:
    command = module(
        "celery",
        "--quiet",
        "--app",
        "dashboard",
        "worker",
        "--beat",
        "--pool",
        "threads",
        "--concurrency",
        "8",
        "--loglevel",
        "WARNING",
        "--without-gossip",
        "--without-mingle",
    )
    if settings.DEV:  # restarts the worker when a module changes
        folders = ("dashboard", "runners_app")
        command = module("watchfiles", "--filter", "python", shlex.join(command), *folders)
    return Child("worker", command)


def _simulator(port: int, speed: float) -> Child:
    state = str(settings.DATA_DIR / "simulator.json")
    return Child(
        "simulator",
        manage(
            "simulate_github",
            "--port",
            str(port),
            "--organizations",
            "3",
            "--enterprises",
            "1",
            "--jobs-per-minute",
            str(DEMO_JOBS_PER_MINUTE),
            "--speed",
            str(speed),
            "--state",
            state,
        ),
        stdout=_announcement(),
    )


def _announcement() -> Path:
    return Path(settings.DATA_DIR) / "simulator.out"


def _simulator_port() -> int:
    """The port of the last start, because the demo accounts have it in their API URL; another port
    if it is in use.
    """
    state = demo.read_state()
    port = state.get("simulator_port")
    if port is None or not _is_free(port):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        demo.write_state({**demo.read_state(), "simulator_port": port})
    return int(port)


def _simulator_accounts(announcement: Path) -> list[dict[str, str]]:
    """The accounts in the line that the simulator prints once it listens."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        first, newline, _ = (
            announcement.read_text().partition("\n") if announcement.exists() else ("", "", "")
        )
        if newline:
            accounts: list[dict[str, str]] = json.loads(first)["accounts"]
            return accounts
        time.sleep(0.05)
    raise CommandError("The simulator did not start; see the output above.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < deadline:
            try:
                session.get(url, timeout=5)
            except requests.RequestException:
                time.sleep(0.05)
            else:
                return
    raise CommandError(
        f"{url} did not answer within {READY_WITHIN_SECONDS:.0f} s; see the output above."
    )
