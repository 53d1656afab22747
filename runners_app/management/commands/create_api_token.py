"""Creates an API token for a user, for scripts and first installations."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from runners_app.api.tokens import DEFAULT_DAYS, Access, create_token
from runners_app.models import Account, ApiToken


class Command(BaseCommand):
    help = "Create an API token and print it. It is not shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="The token does what this user may do.")
        parser.add_argument("--name", required=True, help="What the token is for.")
        parser.add_argument(
            "--scope", required=True, help=f"Any of {','.join(ApiToken.Scope.values)}."
        )
        parser.add_argument("--days", type=int, default=DEFAULT_DAYS)
        parser.add_argument(
            "--account", action="append", metavar="SLUG", help="Limit it to this account."
        )
        parser.add_argument("--address", action="append", default=[], metavar="CIDR")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = User.objects.filter(username=options["username"], is_active=True).first()
        if owner is None:
            raise CommandError(f"There is no enabled user {options['username']}.")

        access = None
        if options["account"]:
            visible = {each.slug: each for each in Account.objects.visible_to(owner)}
            if missing := set(options["account"]) - visible.keys():
                raise CommandError(f"{owner} has no access to {', '.join(sorted(missing))}.")
            access = [Access(visible[slug]) for slug in options["account"]]

        try:
            _, text = create_token(
                owner,
                name=options["name"],
                scopes=options["scope"].split(","),
                access=access,
                addresses=options["address"],
                days=options["days"],
                by=None,
            )
        except ValueError as error:
            raise CommandError(f"{error} No token was created.") from None
        self.stdout.write(text)
