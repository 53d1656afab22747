"""A process stopped in the middle of a write sends none of it once its deadline has passed."""

from __future__ import annotations

import array
import fcntl
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runners_app.github.clock import uptime

from .raw_server import answer

ROOT = Path(__file__).parents[2]
ALLOWED_SECONDS = 0.6
# What comes by so much after its deadline is late, also on a machine busy with something else.
TOLERATED_SECONDS = 0.3
SAMPLE, ALL = 2, 100
SMALL, LARGE = 10, 6_000_000
# What the kernels keep of one connection while nobody reads.
LITTLE = 4_096

sample_and_all = pytest.mark.parametrize(
    "times", [SAMPLE, pytest.param(ALL, marks=[pytest.mark.proof, pytest.mark.timeout(600)])]
)


@dataclass
class Received:
    """What came over one connection: when (by `uptime()`) and how many bytes."""

    sock: socket.socket
    same: socket.socket  # a second handle, for TLS takes the first away
    shake_hands: threading.Event = field(default_factory=threading.Event)
    read: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    chunks: list[tuple[float, int]] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """Bytes that have arrived and were not read yet."""
        size = array.array("i", [0])
        fcntl.ioctl(self.same, termios.FIONREAD, size)
        return size[0]

    @property
    def total(self) -> int:
        return sum(size for _, size in self.chunks)


@dataclass
class HeldServer:
    """Takes connections, and goes on with each only when the test sets its events."""

    port: int
    connections: list[Received] = field(default_factory=list)

    def next(self, number: int) -> Received:
        """The connection of that number, once something has come over it."""
        wait_until(lambda: len(self.connections) > number)
        wait_until(lambda: self.connections[number].waiting > 0)
        return self.connections[number]


def wait_until(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.002)


@contextmanager
def held_server(
    context: ssl.SSLContext | None = None, *, hold_handshakes: bool = False
) -> Iterator[HeldServer]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = HeldServer(listener.getsockname()[1])
        threads: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock = listener.accept()[0]
                    server.connections.append(Received(sock, sock.dup()))
                    threads.append(threading.Thread(target=read, args=(server.connections[-1],)))
                    threads[-1].start()

        def read(received: Received) -> None:
            with suppress(OSError):
                if hold_handshakes:
                    received.shake_hands.wait(30)
                if context:
                    received.sock = context.wrap_socket(received.sock, server_side=True)
                received.read.wait(30)
                while chunk := received.sock.recv(65_536):
                    received.chunks.append((uptime(), len(chunk)))
                    if chunk.endswith(b"}"):
                        received.sock.sendall(answer({"id": 5, "name": "linux"}))
            received.sock.close()
            received.same.close()
            received.ended.set()

        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for received in server.connections:
                received.shake_hands.set()
                received.read.set()
            for thread in threads:
                thread.join(5)


class Child:
    """The process that writes, and is stopped."""

    def __init__(self, url: str, size: int, how: str, ca_file: str) -> None:
        arguments = [url, ca_file, str(ALLOWED_SECONDS), str(size), how]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.github.frozen_child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def write(self) -> float:
        """Begin one write; returns when it must be over, by `uptime()`."""
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._line())

    def stop(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def wait_until_stopped(self) -> None:
        state = Path(f"/proc/{self._process.pid}/stat")
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T")

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def outcome(self) -> dict[str, Any]:
        """What became of the write."""
        said: dict[str, Any] = json.loads(self._line())
        return said

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def child(
    server: HeldServer, *, size: int = SMALL, how: str = "outside", certificate: Path | None = None
) -> Iterator[Child]:
    url = f"http{'s' if certificate else ''}://127.0.0.1:{server.port}"
    started = Child(url, size, how, str(certificate or ""))
    try:
        yield started
    finally:
        started.end()


def sleep_until_too_late(ends_at: float) -> None:
    time.sleep(max(ends_at - uptime(), 0) + TOLERATED_SECONDS)


def test_a_process_that_is_not_stopped_sends_its_write(
    server_context: ssl.SSLContext, certificate: Path
) -> None:
    for context in (None, server_context):
        with (
            held_server(context) as server,
            child(server, certificate=certificate if context else None) as writer,
        ):
            writer.write()
            received = server.next(0)
            received.read.set()
            assert writer.outcome() == {"error": "", "may_have_applied": True}
            assert received.total > 0


@sample_and_all
def test_stopped_before_connecting_it_sends_nothing(times: int) -> None:
    with held_server() as server, child(server, how="itself") as writer:
        for _ in range(times):
            ends_at = writer.write()
            writer.wait_until_stopped()
            sleep_until_too_late(ends_at)
            writer.go_on()
            assert writer.outcome() == {"error": "NotSent", "may_have_applied": False}
        assert server.connections == []


@sample_and_all
def test_stopped_on_a_kept_connection_it_sends_nothing(times: int) -> None:
    with held_server() as server, child(server, how="itself") as writer:
        writer.write()
        writer.wait_until_stopped()
        writer.go_on()
        kept = server.next(0)
        kept.read.set()
        assert writer.outcome()["error"] == ""
        before = kept.total
        for _ in range(times):
            ends_at = writer.write()
            writer.wait_until_stopped()
            sleep_until_too_late(ends_at)
            writer.go_on()
            assert writer.outcome() == {"error": "NotSent", "may_have_applied": False}
        assert len(server.connections) == 1
        assert kept.total == before


@sample_and_all
def test_stopped_in_the_tls_handshake_it_sends_nothing(
    times: int, server_context: ssl.SSLContext, certificate: Path
) -> None:
    with (
        held_server(server_context, hold_handshakes=True) as server,
        child(server, certificate=certificate) as writer,
    ):
        for number in range(times):
            ends_at = writer.write()
            received = server.next(number)
            writer.stop()
            received.shake_hands.set()
            received.read.set()
            sleep_until_too_late(ends_at)
            writer.go_on()
            assert writer.outcome() == {"error": "NotSent", "may_have_applied": False}
            assert received.ended.wait(20)
            assert received.total == 0


@sample_and_all
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_stopped_between_headers_and_the_end_of_the_body_it_sends_no_more(
    times: int, tls: bool, server_context: ssl.SSLContext, certificate: Path
) -> None:
    chance = random.Random(18)  # noqa: S311
    context, trusted = (server_context, certificate) if tls else (None, None)
    with held_server(context) as server, child(server, size=LARGE, certificate=trusted) as writer:
        stopped = 0
        while stopped < times:
            number = len(server.connections)
            ends_at = writer.write()
            time.sleep(chance.uniform(0.1, ALLOWED_SECONDS / 2))
            writer.stop()
            sleep_until_too_late(ends_at)
            if len(server.connections) == number:  # too busy a machine: it came not even so far
                writer.go_on()
                assert writer.outcome()["error"] == "NotSent"
                continue

            stopped += 1
            received = server.connections[number]
            arrived = received.waiting
            if chance.random() < 0.5:  # there is room again while it still stands
                received.read.set()
                time.sleep(TOLERATED_SECONDS)
            writer.go_on()
            received.read.set()
            assert writer.outcome()["error"] in ("AnswerLost", "NotSent")
            assert received.ended.wait(20)
            assert received.total <= arrived
