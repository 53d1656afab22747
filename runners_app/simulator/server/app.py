"""The simulator as a WSGI application: one lock around the world, waiting always outside of it."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runners_app.simulator.api.wire import Request
from runners_app.simulator.controls import routes as controls
from runners_app.simulator.controls.faults import Fault, Faults
from runners_app.simulator.controls.ledger import Ledger, fingerprint, readable
from runners_app.simulator.server import delivery
from runners_app.simulator.server.answering import Handled, answer_call
from runners_app.simulator.server.environ import read_request
from runners_app.simulator.world import lifecycle, persistence, seed
from runners_app.simulator.world.state import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@dataclass(frozen=True)
class Options:
    """``prefix`` mounts GitHub's API under a path; ``state_file`` keeps the world over a restart."""

    size: seed.Size = field(default_factory=seed.Size)
    latency_ms: float = 0.0
    prefix: str = ""
    enterprise_server: bool = False
    state_file: Path | None = None


class Simulator:
    """The world with its faults and its ledger; call it as a WSGI application."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.latency_ms = options.latency_ms
        self.lock = threading.RLock()
        self.faults = Faults()
        self.ledger = Ledger()
        self.world: World = self._stored_world() or seed.make_world(options.size, time.time())
        self.save()

    def _stored_world(self) -> World | None:
        """As it was left, but at the pace asked for now."""
        stored = persistence.load(self.options.state_file) if self.options.state_file else None
        if stored:
            lifecycle.change_speed(stored.clock, time.time(), self.options.size.speed)
        return stored

    def save(self) -> None:
        if self.options.state_file:
            with self.lock:
                persistence.save(self.world, self.options.state_file)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request = read_request(environ)
        if request.path.startswith("/_simulator/"):
            return delivery.deliver(controls.answer(self, request), start_response)
        started = time.monotonic()
        target = request.path + (f"?{request.query_string}" if request.query_string else "")
        with self.lock:
            fault = self.faults.take(request.method, target)
        time.sleep(self.latency_ms / 1000 + _seconds_before(fault))
        handled = self._handle(request, fault)
        if fault and fault.action == "delay" and fault.after_apply:
            time.sleep(fault.seconds)
        self._record(request, handled, fault, started)
        if fault:
            return delivery.deliver_faultily(fault, handled.answer, environ, start_response)
        return delivery.deliver(handled.answer, start_response)

    def _handle(self, request: Request, fault: Fault | None) -> Handled:
        with self.lock:
            handled = answer_call(self.world, self.options, request, fault, time.time())
            if handled.applied:
                self.save()
        return handled

    def _record(
        self, request: Request, handled: Handled, fault: Fault | None, started: float
    ) -> None:
        """One ledger entry; ``status`` is None when the connection was closed without an answer.

        ``began`` is in seconds since 1970; ``at`` is when the answer was ready.
        """
        dropped = fault is not None and fault.action in ("drop_before_apply", "drop_after_apply")
        entry: dict[str, Any] = {
            "at": lifecycle.timestamp(time.time()),
            "began": round(time.time() - (time.monotonic() - started), 4),
            "seconds": round(time.monotonic() - started, 3),
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "body": readable(request.body),
            "status": None if dropped else handled.answer.status,
            "applied": handled.applied,
            "authorization": fingerprint(request.token),
            "api_version": request.headers.get("x-github-api-version"),
            "user_agent": request.headers.get("user-agent"),
            "conditional": "if-none-match" in request.headers,
            "fault": fault.action if fault else None,
        }
        with self.lock:
            self.ledger.record(**entry)


def _seconds_before(fault: Fault | None) -> float:
    waits = fault is not None and fault.action != "trickle" and not fault.after_apply
    return fault.seconds if fault and waits else 0.0
