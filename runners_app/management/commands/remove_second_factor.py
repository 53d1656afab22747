"""Removes a lost second factor, for the last administrator, whom no other one can help."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from runners_app.people.people import remove_second_factors


class Command(BaseCommand):
    help = "Remove a person's second factors. They sign in with the password until they add one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["username"]).first()
        if person is None:
            raise CommandError(f"There is no user {options['username']}. Nothing was changed.")
        if not remove_second_factors(person, by=None):
            raise CommandError(f"{person} has no second factor. Nothing was changed.")
        self.stdout.write(
            f"{person} now signs in with the password alone. Their sessions have ended."
        )
