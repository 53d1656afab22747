"""Prints the code that the setup page requires to add the first administrator."""

from typing import Any

from django.core.management.base import BaseCommand

from runners_app.people.people import setup_code


class Command(BaseCommand):
    help = "Print the code for the setup page. It works only while nobody can sign in."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(setup_code())
