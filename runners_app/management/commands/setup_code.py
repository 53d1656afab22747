"""Say the code that makes the first administrator on the setup page."""

from typing import Any

from django.core.management.base import BaseCommand

from runners_app.people.people import setup_code


class Command(BaseCommand):
    help = "Print the code the setup page asks for. It is of use only while nobody can sign in."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(setup_code())
