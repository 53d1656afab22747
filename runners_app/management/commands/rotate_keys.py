"""Seal all stored secrets anew under the first of CREDENTIAL_KEYS."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runners_app.security.rotation import rotate_all


class Command(BaseCommand):
    help = (
        "Put a new key first in CREDENTIAL_KEYS, restart everything, then run this: afterwards the older keys open "
        "nothing and can go. It may be stopped at any point and run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts: Counter[str] = Counter()
        for row, outcome in rotate_all():
            counts[outcome] += 1
            if outcome == "unreadable":
                self.stderr.write(
                    f"{row}: no key in CREDENTIAL_KEYS opens it. Enter its secret again."
                )
        self.stdout.write(
            f"{counts['resealed']} sealed anew, {counts['unchanged']} were already, {counts['unreadable']} unreadable."
        )
        if counts["unreadable"]:
            raise CommandError(
                "Keep the older keys until those are entered again: another installation may open them."
            )
