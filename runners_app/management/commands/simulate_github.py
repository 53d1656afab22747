"""Runs the GitHub simulator: GitHub's API for larger runners, for the demo and the tests."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runners_app.simulator.server.app import Options, Simulator
from runners_app.simulator.server.serve import serve
from runners_app.simulator.world.seed import Size


class Command(BaseCommand):
    help = "Serve GitHub's API for larger runners with made-up accounts. Its first line is JSON."
    requires_system_checks: list[str] = []  # noqa: RUF012 - as Django declares it

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--organizations", type=int, default=3)
        parser.add_argument("--enterprises", type=int, default=1)
        parser.add_argument("--runners", type=int, default=40, help="for each account")
        parser.add_argument(
            "--latency-ms", type=float, default=0.0, help="wait before each response"
        )
        parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds per second")
        parser.add_argument(
            "--prefix", default="", help="mount the API under a path, such as /api/v3"
        )
        parser.add_argument(
            "--enterprise-server",
            action="store_true",
            help="without larger runners and rate limits",
        )
        parser.add_argument(
            "--jobs-per-minute", type=float, default=0.0, help="with 30 days of history; 0: no jobs"
        )
        parser.add_argument("--state", type=Path, help="keep the world in this file")

    def handle(self, *args: Any, **options: Any) -> None:
        size = Size(
            options["seed"],
            options["organizations"],
            options["enterprises"],
            options["runners"],
            options["speed"],
        )
        prefix = options["prefix"].rstrip("/")
        if prefix and not prefix.startswith("/"):
            raise CommandError("--prefix must begin with a slash, such as /api/v3.")
        wanted = Options(
            size,
            options["latency_ms"],
            prefix,
            options["enterprise_server"],
            options["state"],
            options["jobs_per_minute"],
        )
        try:
            simulator = Simulator(wanted)
        except ValueError as error:
            raise CommandError(str(error)) from error
        serve(simulator, options["host"], options["port"], announce=_print_line)


def _print_line(announcement: dict[str, Any]) -> None:
    """Print the first line; a reader that has gone must not stop the simulator."""
    try:
        sys.stdout.write(json.dumps(announcement) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - stays open for good
