"""Connects an organization or enterprise, for scripts and first installations."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from runners_app.accounts.accounts import (
    CannotConnect,
    check_api_url,
    check_slug,
    connect,
    connect_with_token,
)
from runners_app.credentials.credentials import (
    UnusableToken,
    app_client,
    store_app,
    store_installation,
)
from runners_app.github import GitHubError
from runners_app.models import Account, App


class Command(BaseCommand):
    help = (
        "Connect an organization or enterprise with a token or a GitHub App. "
        "Nothing is changed on GitHub."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "slug", help="Name of the organization or enterprise, as in its address on GitHub."
        )
        parser.add_argument("--kind", choices=Account.Kind.values, required=True)
        parser.add_argument("--api-url", default="https://api.github.com")
        parser.add_argument(
            "--observe-only", action="store_true", help="Never write to this account."
        )
        secret = parser.add_mutually_exclusive_group(required=True)
        secret.add_argument(
            "--token-stdin", action="store_true", help="Read the token from standard input."
        )
        secret.add_argument(
            "--app-id", help="App id or client id of a GitHub App installed in the organization."
        )
        parser.add_argument("--key-file", type=Path, help="The App's private key, a PEM file.")

    def handle(self, *args: Any, **options: Any) -> None:
        slug, kind = options["slug"], options["kind"]
        try:
            if options["app_id"]:
                app, installation = self._installation(slug, options)
                with transaction.atomic():
                    credential = store_installation(app, installation, slug)
                    account = connect(
                        slug,
                        kind=kind,
                        credential=credential,
                        by=None,
                        observe_only=options["observe_only"],
                    )
            else:
                account = connect_with_token(
                    slug,
                    kind=kind,
                    api_url=options["api_url"],
                    token=sys.stdin.readline().strip(),
                    by=None,
                    observe_only=options["observe_only"],
                )
        except (CannotConnect, UnusableToken, GitHubError) as error:
            raise CommandError(f"{slug} was not connected. {error}") from None
        self.stdout.write(
            f"Connected the {account.kind} {account}. A running worker is reading it now; "
            f"without one, run: sync {account}"
        )

    def _installation(self, slug: str, options: dict[str, Any]) -> tuple[App, int]:
        """The App and the id of its installation in the organization."""
        if options["key_file"] is None:
            raise CommandError(
                "--app-id needs --key-file, the private key from the App's page on GitHub."
            )
        check_slug(slug)
        try:
            key = options["key_file"].read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"The key file could not be read: {error}") from None
        app = store_app(check_api_url(options["api_url"]), options["app_id"], key)
        return app, _installation_in(app, slug)


def _installation_in(app: App, slug: str) -> int:
    """The installation's id, from GitHub's list. Raises CannotConnect or GitHubError."""
    client = app_client(app)
    try:
        for page in client.list_installations():
            for installation in page.items or ():
                if installation.account.lower() == slug.lower():
                    return installation.id
    finally:
        client.close()
    raise CannotConnect(
        f"The App is not installed in {slug}. Install it there, then connect again."
    )
