"""The load of jobs and its traps, and the ledger of what truly happened."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runners_app.simulator.api.wire import Request, Response, json_object
from runners_app.simulator.world.jobs import TRAPS, add_run, status_of
from runners_app.simulator.world.state import account_key

if TYPE_CHECKING:
    from runners_app.simulator.server.app import Simulator

NUMBERS = ("cancelled_after_seconds", "rerun_after_seconds")
RANGES = ("run_seconds", "start_seconds")
FIELDS = frozenset({"jobs_per_minute", "traps", *NUMBERS, *RANGES, "runs", "organization"})


def read_jobs(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    """Load, traps, and every job with its times; ``status`` is what it is now."""
    jobs, now = simulator.courier.jobs, time.time()
    rows = [{**asdict(job), "status": status_of(job, now)} for job in jobs.jobs.values()]
    return Response(200, {"jobs_per_minute": jobs.per_minute, "traps": jobs.traps, "jobs": rows})


def change_jobs(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    """``jobs_per_minute``; ``traps`` from 0 to 1 each; ``run_seconds`` and ``start_seconds`` as
    [least, most]; ``cancelled_after_seconds`` and ``rerun_after_seconds``; ``runs`` starts so many
    workflow runs at once, of ``organization`` if given.
    """
    wanted: dict[str, Any] = json_object(request)
    jobs, world = simulator.courier.jobs, simulator.world
    if unknown := wanted.keys() - FIELDS:
        raise ValueError(f"Unknown fields: {', '.join(sorted(unknown))}.")
    traps = {str(name): float(share) for name, share in wanted.get("traps", jobs.traps).items()}
    if unknown := traps.keys() - TRAPS:
        raise ValueError(f"Unknown traps: {', '.join(sorted(unknown))}.")
    jobs.traps = traps
    jobs.per_minute = float(wanted.get("jobs_per_minute", jobs.per_minute))
    for name in NUMBERS:
        setattr(jobs, name, float(wanted.get(name, getattr(jobs, name))))
    for name in RANGES:
        least, most = wanted.get(name, getattr(jobs, name))
        setattr(jobs, name, (float(least), float(most)))
    accounts = list(world.organizations())
    if slug := wanted.get("organization"):
        accounts = [world.accounts[account_key("organization", str(slug))]]
    new = []
    for number in range(int(wanted.get("runs", 0))):
        new += add_run(world, jobs, accounts[number % len(accounts)], time.time())
    simulator.courier.announce(new)
    return Response(201, {"jobs": [job.id for job in new]})


def clear_jobs(simulator: "Simulator", request: Request, _: dict[str, str]) -> Response:
    simulator.courier.reset()
    return Response(204)
