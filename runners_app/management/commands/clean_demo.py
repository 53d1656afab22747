"""Removes the demo: its accounts, its people and the simulator's state. All others stay."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from runners_app.accounts import demo
from runners_app.accounts.accounts import disconnect_demo


class Command(BaseCommand):
    help = "Remove the demo accounts and the simulator's state. Stop Trackside first."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.EMBEDDED:  # elsewhere only the owner of the tables may
            call_command("migrate", verbosity=0)
        count = disconnect_demo(by=None)
        if demo.state_file().exists():
            for name, why in demo.remove_people().items():
                self.stdout.write(f"Kept {name}: {why}.")
        for name in (demo.state_file().name, "simulator.json", "simulator.out"):
            (Path(settings.DATA_DIR) / name).unlink(missing_ok=True)
        how = (
            "`make run` starts the demo over while nothing is connected."
            if settings.EMBEDDED
            else "Take COMPOSE_PROFILES=demo out of .env, or the next `up` starts the demo over."
        )
        self.stdout.write(f"Removed {count} demo accounts. {how}")
