"""Reseals all stored secrets with the first of CREDENTIAL_KEYS and of WEB_KEYS."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from runners_app.security.keys import PUBLIC
from runners_app.security.rotation import rotate_all


class Command(BaseCommand):
    help = (
        "Put new keys first in CREDENTIAL_KEYS and WEB_KEYS, restart everything, then run this "
        "where a worker runs: web has no key that opens tokens. Afterwards the older keys are "
        "unused and can be removed. It can be interrupted and run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if all(key.startswith(PUBLIC) for key in settings.CREDENTIAL_KEYS):
            raise CommandError(
                "Nothing was resealed: this process has only the public half of CREDENTIAL_KEYS. "
                "Run the command where workers run, which have the private half."
            )
        counts: Counter[str] = Counter()
        for row, outcome in rotate_all():
            counts[outcome] += 1
            if outcome == "unreadable":
                self.stderr.write(f"{row}: none of the keys opens it. Enter its secret again.")
        self.stdout.write(
            f"{counts['resealed']} resealed, {counts['unchanged']} unchanged, "
            f"{counts['unreadable']} unreadable."
        )
        if counts["unreadable"]:
            raise CommandError(
                "Keep the older keys until you have entered the unreadable secrets again."
            )
