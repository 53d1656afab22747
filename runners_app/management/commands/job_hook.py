"""The address and secret of an account's webhook inbox."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from runners_app.jobs.hooks import hook_for, secret_of
from runners_app.models import Account


class Command(BaseCommand):
    help = (
        'Print one JSON line {"path", "secret"}: where GitHub posts the job events of an account.'
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the account, such as acme or enterprise:acme")

    def handle(self, *args: Any, slug: str, **options: Any) -> None:
        kind, _, name = slug.rpartition(":")
        accounts = Account.objects.filter(slug__iexact=name, **({"kind": kind} if kind else {}))
        found = list(accounts[:2])
        if not found:
            raise CommandError(f"There is no account {slug}. Connect it first.")
        if len(found) > 1:
            raise CommandError(
                f"Several accounts are called {slug}. Say organization:{name} or enterprise:{name}."
            )
        hook = hook_for(found[0])
        self.stdout.write(json.dumps({"path": hook.path, "secret": secret_of(hook)}))
