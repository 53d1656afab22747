"""The simulator as a WSGI application. One lock guards the world; no request waits inside it."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runners_app.simulator.api.wire import Request
from runners_app.simulator.controls import routes as controls
from runners_app.simulator.controls.distortions import History
from runners_app.simulator.controls.faults import Fault, Faults
from runners_app.simulator.controls.ledger import Ledger, fingerprint, readable
from runners_app.simulator.server import delivery
from runners_app.simulator.server.courier import Courier
from runners_app.simulator.server.environ import read_request
from runners_app.simulator.server.responding import Outcome, is_list, respond
from runners_app.simulator.world import lifecycle, persistence, seed
from runners_app.simulator.world.state import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


FREEZE_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Options:
    """``prefix`` mounts the API under a path; ``state_file`` keeps the world across restarts."""

    size: seed.Size = field(default_factory=seed.Size)
    latency_ms: float = 0.0
    prefix: str = ""
    enterprise_server: bool = False
    state_file: Path | None = None
    jobs_per_minute: float = 0.0


class Simulator:
    """A WSGI application: the world with its faults and its ledger."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.latency_ms = options.latency_ms
        self.lock = threading.RLock()
        self.faults = Faults()
        self.history = History()
        self.incidents: list[dict[str, Any]] = []
        self.ledger = Ledger()
        self.world: World = self._stored_world() or seed.make_world(options.size, time.time())
        self.courier = Courier(self, options.jobs_per_minute)
        self.save()

    def _stored_world(self) -> World | None:
        """The world as it was saved, at the speed of this start."""
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
            return delivery.deliver(controls.respond(self, request), start_response)
        started = time.monotonic()
        target = request.path + (f"?{request.query_string}" if request.query_string else "")
        with self.lock:
            fault = self.faults.take(
                request.method,
                target,
                is_list=is_list(request, self.options.prefix),
                is_conditional="if-none-match" in request.headers,
            )
        time.sleep(self.latency_ms / 1000)
        if fault and not fault.after_apply:
            self._wait(fault)
        outcome = self._handle(request, fault)
        if fault and fault.after_apply:
            self._wait(fault)
        self._record(request, outcome, fault, started)
        if fault:
            return delivery.deliver_faultily(fault, outcome.response, environ, start_response)
        return delivery.deliver(outcome.response, start_response)

    def _wait(self, fault: Fault) -> None:
        """Delay the request, or freeze it until the fault is cleared or over."""
        if fault.action == "delay":
            time.sleep(fault.seconds)
        while self.faults.freezes(fault):
            time.sleep(FREEZE_POLL_SECONDS)

    def _handle(self, request: Request, fault: Fault | None) -> Outcome:
        with self.lock:
            outcome = respond(
                self.world,
                self.options,
                request,
                fault,
                self.history,
                time.time(),
                self.courier,
            )
            if outcome.applied or (fault and fault.action == "slip"):
                self.changed()
        return outcome

    def changed(self) -> None:
        """Save the world, and remember it for lists that lag; call this after every change."""
        with self.lock:
            if self.faults.any_lag():
                self.history.record(self.world, time.time())
            else:
                self.history.clear()
            self.save()

    def _record(
        self, request: Request, outcome: Outcome, fault: Fault | None, started: float
    ) -> None:
        """Add one ledger entry; ``status`` is None when the connection was closed unanswered.

        ``began`` is in seconds since 1970; ``at`` is when the response was ready.
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
            "status": None if dropped else outcome.response.status,
            "applied": outcome.applied,
            "authorization": fingerprint(request.token),
            "api_version": request.headers.get("x-github-api-version"),
            "user_agent": request.headers.get("user-agent"),
            "conditional": "if-none-match" in request.headers,
            "fault": fault.action if fault else None,
        }
        with self.lock:
            self.ledger.record(**entry)
