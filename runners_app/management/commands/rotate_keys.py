"""Reseals all stored secrets with the first of CREDENTIAL_KEYS."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runners_app.security.rotation import rotate_all


class Command(BaseCommand):
    help = (
        "Put a new key first in CREDENTIAL_KEYS, restart everything, then run this. Afterwards the "
        "older keys are unused and can be removed. It can be interrupted and run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts: Counter[str] = Counter()
        for row, outcome in rotate_all():
            counts[outcome] += 1
            if outcome == "unreadable":
                self.stderr.write(
                    f"{row}: none of CREDENTIAL_KEYS opens it. Enter its secret again."
                )
        self.stdout.write(
            f"{counts['resealed']} resealed, {counts['unchanged']} unchanged, "
            f"{counts['unreadable']} unreadable."
        )
        if counts["unreadable"]:
            raise CommandError(
                "Keep the older keys until you have entered the unreadable secrets again."
            )
