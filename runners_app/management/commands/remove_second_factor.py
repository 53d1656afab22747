"""Let somebody in who lost their second factor: for the last administrator, whom nobody else can
help.
"""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from runners_app.people.people import remove_second_factors


class Command(BaseCommand):
    help = "Remove the second factors of a person. The password alone is enough then, until they set up another."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["username"]).first()
        if person is None:
            raise CommandError(f"Nobody here is called {options['username']}. Nothing was changed.")
        if not remove_second_factors(person, by=None):
            raise CommandError(f"{person} has no second factor. Nothing was changed.")
        self.stdout.write(
            f"{person} signs in with the password alone now. Their sessions have ended."
        )
