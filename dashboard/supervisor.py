"""Supervises the processes of the embedded default: starts, restarts and stops them."""

import ctypes
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

log = logging.getLogger(__name__)
STOP_WITHIN_SECONDS = 10.0
DEATHS_ALLOWED = 5
LONGEST_PAUSE_SECONDS = 30.0
PR_SET_PDEATHSIG = 1  # from Linux's prctl.h
WITHIN_SECONDS = 60.0


def _end_with_parent() -> None:
    """In the child: have the kernel send SIGTERM when the supervisor dies, so that none is left."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """A process with its command line; its output goes to `stdout` if given.

    `deaths` are the times (monotonic clock) at which it ended by itself. Trackside ends with an
    essential child that keeps dying; others are started again for ever, at growing intervals.
    """

    name: str
    command: list[str]
    stdout: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    essential: bool = False
    deaths: list[float] = field(default_factory=list)
    start_at: float = 0.0

    def start(self, environment: Mapping[str, str]) -> None:
        out = self.stdout.open("wb") if self.stdout else None
        # In a session of its own, because only the supervisor must react to Ctrl-C.
        self.process = subprocess.Popen(  # noqa: S603 - a fixed command line of ours
            self.command,
            env=dict(environment),
            stdout=out,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        if out:
            out.close()

    def died(self) -> bool:
        return self.process is not None and self.process.poll() is not None


class KeepsDying(Exception):
    """An essential child ended too often in a short time; its own output says why."""


class Supervisor:
    """`stop_seconds` is the time that children have to end by themselves."""

    def __init__(
        self,
        children: list[Child],
        environment: Mapping[str, str],
        stop_seconds: float = STOP_WITHIN_SECONDS,
    ) -> None:
        self.children = children
        self.environment = environment
        self.stop_seconds = stop_seconds
        self._stopping = False

    def start(self) -> None:
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            signal.signal(getattr(signal, name), self._ask_to_stop)
        for child in self.children:
            child.start(self.environment)

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:
        self._stopping = True

    def watch(self) -> None:
        """Restart children that die, until a signal asks to stop. Raises KeepsDying."""
        while not self._stopping:
            for child in self.children:
                if child.died() and not self._stopping:
                    self._restart(child)
            time.sleep(0.2)

    def _restart(self, child: Child) -> None:
        now = time.monotonic()
        if child.start_at == 0.0:
            child.deaths = [at for at in child.deaths if now - at < WITHIN_SECONDS] + [now]
            count = len(child.deaths)
            if child.essential and count > DEATHS_ALLOWED:
                raise KeepsDying(
                    f"{child.name} ended {count} times within a minute; see its output above."
                )
            pause = 0.0 if count == 1 else min(2.0 ** (count - 2), LONGEST_PAUSE_SECONDS)
            child.start_at = now + (0.0 if child.essential else pause)
            log.warning("%s ended; it is started again in %.0f s.", child.name, pause)
        if now >= child.start_at:
            child.start_at = 0.0
            child.start(self.environment)

    def stop(self) -> None:
        """Send SIGTERM to all children, and SIGKILL to those that run after `stop_seconds`."""
        running = [
            child.process
            for child in self.children
            if child.process and child.process.poll() is None
        ]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self.stop_seconds
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def manage(*arguments: str) -> list[str]:
    return [sys.executable, "manage.py", *arguments]


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]
