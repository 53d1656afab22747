"""gunicorn's settings in the image.

`gunicorn --config python:dashboard.web_server dashboard.wsgi` reads them.

Pages are served on `PAGES_PORT` (8000). Probes are answered on `PROBES_PORT` (8001) by a thread
that serves nothing else: however many slow or costly requests wait, the container is known to live,
and no log fills with probes. Both listen on `PAGES_ADDRESS`, which is everywhere: in a container
others reach them only over its networks.
"""

import logging
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from django.db import close_old_connections
from django.http import HttpRequest
from django.urls import resolve
from gunicorn.workers.base import Worker

log = logging.getLogger(__name__)

ADDRESS = os.environ.get("PAGES_ADDRESS", "0.0.0.0")  # noqa: S104 - see above
bind = f"{ADDRESS}:{os.environ.get('PAGES_PORT', '8000')}"
worker_class = "gthread"
workers = 2
threads = 8
worker_tmp_dir = "/dev/shm"  # noqa: S108 - a sign of life per process, which must not wait for a disk
# Longer than the proxy keeps a connection: who closes first must be the one that sends.
keepalive = 75
graceful_timeout = 30
control_socket_disable = True
PROBES = ("/livez", "/readyz")


class ProbeHandler(BaseHTTPRequestHandler):
    """Answers as the views of these addresses do, without middleware and so without a log line."""

    timeout = 5

    def do_GET(self) -> None:
        if self.path not in PROBES:
            self.send_error(404)
            return
        request = HttpRequest()
        request.method, request.path = "GET", self.path
        close_old_connections()
        try:
            response = resolve(self.path).func(request)
        except Exception:
            log.exception("A probe failed: %s", self.path)
            self.send_error(500)
            return
        self.send_response(response.status_code)
        self.send_header("Content-Type", response.headers["Content-Type"])
        self.send_header("Content-Length", str(len(response.content)))
        self.end_headers()
        self.wfile.write(response.content)

    def log_message(self, *_: object) -> None:
        """Nothing: a probe comes every few seconds."""


class ProbeServer(HTTPServer):
    """Each process has one on the same port; the kernel chooses which of them a probe asks."""

    request_queue_size = 32

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


def post_worker_init(worker: Worker) -> None:
    """gunicorn calls this in each process once the application is loaded."""
    server = ProbeServer((ADDRESS, int(os.environ.get("PROBES_PORT", "8001"))), ProbeHandler)
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
