"""Holds every unsent operation: part of restoring a backup."""

from typing import Any

from django.core.management.base import BaseCommand

from runners_app.operations.restored import hold_restored


class Command(BaseCommand):
    help = (
        "Hold every operation that was not sent, until a person confirms it. Run it after the "
        "database was restored from a backup and before workers start: GitHub may have received "
        "what the backup still shows as unsent."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{hold_restored()} operations are held until a person confirms them.")
