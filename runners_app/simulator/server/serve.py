"""Runs the simulator in gunicorn: one process, many threads, which stops within a second."""

import os
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from runners_app.simulator.controls.routes import accounts_with_tokens
from runners_app.simulator.server.app import Simulator

THREADS = 48


class PromptWorker(ThreadWorker):  # type: ignore[misc]
    """Exits at once: gunicorn would wait for delays that faults made and for idle connections."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.wsgi.save()
        os._exit(0)

    handle_quit = handle_exit


class Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, simulator: Simulator, settings: dict[str, Any]) -> None:
        self.simulator = simulator
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.settings.items():
            self.cfg.set(name, value)

    def load(self) -> Simulator:
        return self.simulator


def serve(
    simulator: Simulator, host: str, port: int, announce: Callable[[dict[str, Any]], None]
) -> None:
    """Listen until SIGTERM or SIGINT.

    ``announce`` is called with ``{"base_url", "accounts"}`` once connections are accepted.
    """

    def when_ready(arbiter: Any) -> None:
        bound = arbiter.LISTENERS[0].sock.getsockname()[1]
        base_url = f"http://{host}:{bound}{simulator.options.prefix}"
        announce({"base_url": base_url, "accounts": accounts_with_tokens(simulator)})

    def post_worker_init(worker: Any) -> None:
        simulator.courier.start()

    settings = {
        "bind": f"{host}:{port}",
        "workers": 1,
        "worker_class": PromptWorker,
        "threads": THREADS,
        "timeout": 0,
        "graceful_timeout": 1,
        "keepalive": 60,
        "loglevel": "warning",
        "control_socket_disable": True,
        "when_ready": when_ready,
        "post_worker_init": post_worker_init,
        "limit_request_line": 8190,
    }
    Server(simulator, settings).run()
