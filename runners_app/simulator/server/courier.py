"""Runs jobs and posts what happens to them, signed, to the hooks that asked for it.

A thread of its own, because events leave by themselves. Only addresses of this machine are posted
to.
"""

import hashlib
import heapq
import hmac
import itertools
import json
import random
import threading
import time
import uuid
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runners_app.simulator.api.job_bodies import describe_event
from runners_app.simulator.world.hooks import APP, Delivery, Log, hook_key
from runners_app.simulator.world.jobs import Job, Jobs, add_history, tick
from runners_app.simulator.world.state import Webhook

if TYPE_CHECKING:
    from runners_app.simulator.server.app import Simulator

TICK_SECONDS, TIMEOUT_SECONDS, SENDERS = 0.25, 10.0, 4
HISTORY_DAYS, MOST_HISTORY = 30, 3000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Courier:
    """The jobs of a simulator, and what was posted about them."""

    def __init__(self, simulator: "Simulator", per_minute: float) -> None:
        self.simulator = simulator
        self.log = Log()
        self._events: list[tuple[float, int, str, int]] = []
        self._outbox: list[tuple[str, Webhook, Delivery]] = []
        self._ready = threading.Condition()
        self._count = itertools.count()
        self.jobs = Jobs(random.Random(simulator.world.seed))  # noqa: S311 - reproducible on purpose
        self.jobs.per_minute = per_minute
        if per_minute:
            add_history(simulator.world, self.jobs, HISTORY_DAYS, MOST_HISTORY)

    def start(self) -> None:
        """Begin to run jobs and to post; threads that end with the process."""
        threading.Thread(target=self._run, daemon=True).start()
        for _ in range(SENDERS):
            threading.Thread(target=self._send_all, daemon=True).start()

    def reset(self) -> None:
        """No jobs, no load, an empty log."""
        with self.simulator.lock:
            self.jobs = Jobs(random.Random(self.simulator.world.seed))  # noqa: S311
            self.log = Log()
            self._events.clear()

    def announce(self, new: list[Job]) -> None:
        """Plan the events of jobs that were just created; of copies GitHub sends none."""
        for job in new:
            if job.copy_of is not None:
                continue
            moments = [("queued", job.queued_on), ("completed", job.completed_on)]
            if "approval" in job.traps:
                moments.append(("waiting", job.created_on))
            if job.started_on is not None:
                moments.append(("in_progress", job.started_on))
            if job.conclusion == "skipped":
                moments = [("completed", job.completed_on)]
            for action, at in moments:
                late = 5.0 if "out_of_order" in job.traps and action == "in_progress" else 0.0
                heapq.heappush(self._events, (at + late, next(self._count), action, job.id))

    def ping(self, key: str, hook: Webhook) -> None:
        payload = {"zen": "Keep it logically awesome.", "hook_id": hook.id}
        self._post(hook_key(key, hook.id), hook, "ping", "", payload)

    def redeliver(self, key: str, hook: Webhook, delivery: Delivery) -> None:
        again = Delivery(
            id=self.log.next_id(),
            guid=delivery.guid,
            delivered_on=time.time(),
            event=delivery.event,
            action=delivery.action,
            payload=delivery.payload,
            redelivery=True,
        )
        self._enqueue(key, hook, again)

    def _run(self) -> None:
        while True:
            with self.simulator.lock:
                now = time.time()
                self.announce(tick(self.simulator.world, self.jobs, now))
                while self._events and self._events[0][0] <= now:
                    _, _, action, job_id = heapq.heappop(self._events)
                    if job := self.jobs.jobs.get(job_id):
                        self._tell(job, action)
            time.sleep(TICK_SECONDS)

    def _tell(self, job: Job, action: str) -> None:
        world = self.simulator.world
        account = world.accounts.get(job.account)
        if account is None:
            return
        times = {
            "waiting": job.created_on,
            "queued": job.queued_on,
            "in_progress": job.started_on or job.created_on,
            "completed": job.completed_on,
        }
        hooks: list[tuple[str, Webhook, int | None]] = [
            (hook_key(account.key, hook.id), hook, None) for hook in account.webhooks.values()
        ]
        if world.app.webhook and world.app.webhook.url:
            installed = [i.id for i in world.app.installations.values() if i.account == account.key]
            hooks += [(APP, world.app.webhook, installation) for installation in installed]
        for key, hook, installation in hooks:
            if not hook.active or "workflow_job" not in hook.events:
                continue
            payload = describe_event(
                job, action, self.base_url(), times[action], account.id, installation
            )
            self._post(key, hook, "workflow_job", action, payload, job.traps)

    def base_url(self) -> str:
        return "https://api.github.com"

    def _post(
        self,
        key: str,
        hook: Webhook,
        event: str,
        action: str,
        payload: dict[str, Any],
        traps: list[str] | None = None,
    ) -> None:
        delivery = Delivery(
            self.log.next_id(), str(uuid.uuid4()), time.time(), event, action, payload
        )
        if traps and "lost" in traps:
            delivery.status = "timed out"
            self.log.add(key, delivery)
            return
        self._enqueue(key, hook, delivery)
        if traps and "duplicate" in traps:
            self.redeliver(key, hook, delivery)

    def _enqueue(self, key: str, hook: Webhook, delivery: Delivery) -> None:
        with self._ready:
            self._outbox.append((key, hook, delivery))
            self._ready.notify()

    def _send_all(self) -> None:
        while True:
            with self._ready:
                while not self._outbox:
                    self._ready.wait()
                key, hook, delivery = self._outbox.pop(0)
            began = time.time()
            delivery.status, delivery.status_code = _send(hook, delivery)
            delivery.duration = round(time.time() - began, 2)
            with self.simulator.lock:
                self.log.add(key, delivery)


def _send(hook: Webhook, delivery: Delivery) -> tuple[str, int]:
    """GitHub's words and the status of the answer."""
    target = urlsplit(hook.url)
    if target.hostname not in LOOPBACK or target.scheme != "http":
        return "failed to connect to host", 0
    body = json.dumps(delivery.payload).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/simulated",
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Hook-ID": str(hook.id),
    }
    if hook.secret:
        digest = hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Hub-Signature-256"] = f"sha256={digest}"
    connection = HTTPConnection(target.hostname, target.port or 80, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", target.path or "/", body, headers)
        status = connection.getresponse().status
    except TimeoutError:
        return "timed out", 0
    except OSError:
        return "failed to connect to host", 0
    finally:
        connection.close()
    return ("OK", status) if 200 <= status < 300 else (f"Invalid HTTP Response: {status}", status)
