"""Connects the accounts of a running simulator, for `docker compose --profile demo up`."""

from argparse import ArgumentParser
from typing import Any

import requests
from django.core.management.base import BaseCommand, CommandError

from runners_app.accounts import demo
from runners_app.accounts.accounts import CannotConnect
from runners_app.security.outgoing import open_session


class Command(BaseCommand):
    help = "Connect all accounts of the simulator at an address as demo accounts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "base_url", metavar="ADDRESS", help="The simulator; must be in DEMO_API_ORIGINS."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        base_url = options["base_url"].rstrip("/")
        sign_ins = demo.demo_sign_ins()
        try:
            with open_session() as session:
                response = session.get(f"{base_url}/_simulator/accounts", timeout=10)
            response.raise_for_status()
            demo.connect_demo(base_url, response.json())
        except requests.RequestException as error:
            raise CommandError(f"The simulator at {base_url} does not respond: {error}") from None
        except CannotConnect as error:
            raise CommandError(str(error)) from None
        for sign_in in sign_ins:
            self.stdout.write(f"{sign_in.role:<14} {sign_in.username:<6} {sign_in.password}")
        if not sign_ins:
            self.stdout.write(
                "The demo accounts are connected. People exist already, so no sign-in was made for "
                "the demo: use your own, as an administrator."
            )
