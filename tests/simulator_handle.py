"""The GitHub simulator as a process, for tests. Without fixtures: each suite defines its own."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS, STOP_SECONDS, CONTROL_SECONDS = 60.0, 5.0, 15.0


@dataclass(frozen=True)
class SimulatedAccount:
    """``kind`` is organization or enterprise; ``token`` is classic and has all rights on this
    account only.
    """

    kind: str
    slug: str
    token: str


class SimulatorHandle:
    """A running simulator, with a method for each of its controls."""

    def __init__(self, process: "subprocess.Popen[str]", announcement: dict[str, Any]) -> None:
        self._process = process
        self._session = requests.Session()
        self._session.trust_env = False
        self.base_url: str = announcement["base_url"]
        """What a client takes as ``api_url``; with the prefix, if there is one."""
        self.origin = "/".join(self.base_url.split("/")[:3])
        self.accounts = [SimulatedAccount(**account) for account in announcement["accounts"]]
        self.wall = time.time()
        """The time the seeded world began, in seconds since 1970."""
        self.was_changed = True
        """Whether a control changed the world since it was reset."""

    @property
    def pid(self) -> int:
        return self._process.pid

    def account(self, slug: str) -> SimulatedAccount:
        return next(account for account in self.accounts if account.slug == slug)

    def token(self, note: str, account: str | None = None) -> str:
        """The first seeded token with this note (``read-only``, ``fine-grained``, …) or kind."""
        for token in self.tokens():
            if note in (token["note"], token["kind"]) and (
                account is None or _serves(token, account)
            ):
                return str(token["token"])
        raise LookupError(f"No seeded token {note} for {account or 'any account'}.")

    def tokens(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "tokens")
        return found

    def app(self) -> dict[str, Any]:
        """``app_id``, ``client_id``, ``pem`` and ``installations`` of the simulated GitHub App."""
        found: dict[str, Any] = self.control("GET", "app")
        return found

    def requests(self, method: str | None = None, path: str | None = None) -> list[dict[str, Any]]:
        """The requests since the ledger was last cleared, oldest first; optionally of one method
        and one exact path.
        """
        wanted = {"method": method, "path": path}
        found: list[dict[str, Any]] = self.control("GET", "requests", query=wanted)
        return found

    def clear_requests(self) -> None:
        self.control("DELETE", "requests")

    def add_fault(
        self, method: str | None, path: str, action: str, **fields: Any
    ) -> dict[str, Any]:
        """Add a fault. ``path`` is a regular expression searched for in path and query; ``method``
        None is any.
        """
        added: dict[str, Any] = self.control(
            "POST", "faults", {"method": method, "path": path, "action": action, **fields}
        )
        return added

    def faults(self) -> list[dict[str, Any]]:
        """The active faults."""
        found: list[dict[str, Any]] = self.control("GET", "faults")
        return found

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def reset(self, **overrides: Any) -> None:
        """Return to the seeded world; ``runners``, ``seed``, ``organizations``, ``speed`` and
        ``latency_ms`` change it.
        """
        self.wall += int(time.time() - self.wall)  # worlds then differ by whole seconds alone
        answered = self.control("POST", "reset", {**overrides, "wall": self.wall})
        self.was_changed = bool(overrides)
        self.accounts = [SimulatedAccount(**account) for account in answered["accounts"]]

    def advance(self, seconds: float) -> None:
        """Advance simulated time by so many seconds."""
        self.control("POST", "advance", {"seconds": seconds})

    def set_speed(self, speed: float) -> None:
        """Simulated seconds per second; 0 stops simulated time."""
        self.control("POST", "advance", {"speed": speed})

    def create_runner(self, kind: str, slug: str, **fields: Any) -> dict[str, Any]:
        """Create a runner behind the dashboard's back. It is Ready; other fields have defaults."""
        created: dict[str, Any] = self.control("POST", f"{kind}/{slug}/runners", fields)
        return created

    def change_runner(self, kind: str, slug: str, runner_id: int, **fields: Any) -> dict[str, Any]:
        changed: dict[str, Any] = self.control(
            "PATCH", f"{kind}/{slug}/runners/{runner_id}", fields
        )
        return changed

    def delete_runner(self, kind: str, slug: str, runner_id: int) -> None:
        """Remove a runner at once."""
        self.control("DELETE", f"{kind}/{slug}/runners/{runner_id}")

    def create_account(self, kind: str, slug: str) -> SimulatedAccount:
        """A new account of its own, such as one that takes the old name of a renamed one."""
        created = self.control("POST", f"{kind}/{slug}")
        return SimulatedAccount(created["kind"], created["slug"], created["token"])

    def change_account(self, kind: str, slug: str, /, **fields: Any) -> None:
        """Change ``plan``, ``static_ip_maximum``, ``slug`` (renames) or ``renamed`` (hides)."""
        self.control("PATCH", f"{kind}/{slug}", fields)

    def change_token(self, token: str, **fields: Any) -> None:
        """Change ``revoked``, ``scopes``, ``permissions``, ``sso_missing``, ``expires_in``,
        ``remaining``, ``reset_in`` …
        """
        self.control("PATCH", "tokens", {"token": token, **fields})

    def change_installation(self, installation_id: int, **fields: Any) -> None:
        """Change ``permissions`` or ``suspended``."""
        self.control("PATCH", f"installations/{installation_id}", fields)

    def delete_installation(self, installation_id: int) -> None:
        self.control("DELETE", f"installations/{installation_id}")

    def install_again(self, installation_id: int) -> int:
        """Uninstall and install the App; the new installation id."""
        anew: int = self.control("POST", f"installations/{installation_id}/again")["id"]
        return anew

    def control(self, method: str, name: str, body: Any = None, query: Any = None) -> Any:
        """Call any control by its path under ``/_simulator/``. Raises RuntimeError if it is
        refused.
        """
        self.was_changed = self.was_changed or method != "GET"
        answer = self._session.request(
            method,
            f"{self.origin}/_simulator/{name}",
            json=body,
            params=query,
            timeout=CONTROL_SECONDS,
        )
        if not answer.ok:
            raise RuntimeError(f"{method} {name}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def wait(self, seconds: float) -> int:
        """The exit status, once the process has ended."""
        return self._process.wait(seconds)

    def stop(self) -> None:
        """Stop the process and wait for it. Harmless if it has ended."""
        self._session.close()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        if self._process.stdout:
            self._process.stdout.close()


def _serves(token: dict[str, Any], slug: str) -> bool:
    return any(account.partition("/")[2] == slug for account in token["accounts"])


@contextmanager
def start_simulator(*args: str) -> Iterator[SimulatorHandle]:
    """Run ``manage.py simulate_github`` with ``args``, on a free port unless they name one."""
    port = () if "--port" in args else ("--port", "0")
    command = [sys.executable, "manage.py", "simulate_github", *port, *args]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        handle = SimulatorHandle(process, json.loads(_first_line(process)))
    except BaseException:
        process.kill()
        process.wait(STOP_SECONDS)
        raise
    try:
        yield handle
    finally:
        handle.stop()


def _first_line(process: "subprocess.Popen[str]") -> str:
    if process.stdout is None:
        raise RuntimeError("The simulator was started without a pipe to read its first line from.")
    deadline = time.monotonic() + START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if selector.select(timeout=0.1):
                if line := process.stdout.readline():
                    return line
                break
    raise RuntimeError(f"The simulator did not start: exit status {process.poll()}.")
