"""Moves to another database: copies everything from the current one into an empty one."""

import sys
from argparse import ArgumentParser
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import environ
from django.apps import apps
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style
from django.db import DatabaseError, connections, models, transaction

from runners_app.models import Account, Session
from runners_app.security.redaction import hide

TARGET = "target"
BATCH = 500
Model = type[models.Model]


class Command(BaseCommand):
    help = "Migrate an empty database and copy everything into it. Stop all processes first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        target = parser.add_mutually_exclusive_group(required=True)
        target.add_argument(
            "--to-stdin",
            action="store_true",
            help="read the target's URL from standard input: postgresql://user:password@host/name",
        )
        target.add_argument(
            "--to", metavar="URL", help="the target's URL, if it contains no password"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url = sys.stdin.readline().strip() if options["to_stdin"] else options["to"]
        if not options["to_stdin"] and _password_in(url):
            raise CommandError(
                "Every user of this machine can read a password on the command line. Nothing was "
                "copied. Change this password, and pass the URL to --to-stdin instead."
            )
        hide(_password_in(url))
        _open(url)
        try:
            call_command("migrate", database=TARGET, verbosity=0)
            if User.objects.using(TARGET).exists() or Account.objects.using(TARGET).exists():
                raise CommandError("The target has people or accounts already. Nothing was copied.")
            with transaction.atomic(using=TARGET):
                tables = _tables()
                for model in tables:  # migrating has added rows, with keys of their own
                    model._base_manager.using(TARGET).all()._raw_delete(TARGET)
                copied = sum(_copy(model) for model in tables)
                _set_sequences(tables)
        except DatabaseError as error:
            raise CommandError(f"The target failed, and nothing was copied: {error}") from None
        finally:
            connections[TARGET].close()
        self.stdout.write(
            f"Copied {copied:,} rows of {len(tables)} tables. Start Trackside with DATABASE_URL "
            "set to the target and with the same SECRET_KEY and CREDENTIAL_KEYS as before. "
            "Everyone has to sign in again."
        )


def _password_in(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def _open(url: str) -> None:
    """Add the target to Django's databases. Raises CommandError."""
    try:
        settings = environ.Env.db_url_config(url)
    except (ImproperlyConfigured, KeyError, ValueError):
        settings = {}
    if not settings.get("ENGINE"):
        raise CommandError(
            "This is not the URL of a database, such as postgresql://user:password@host/name."
        )
    source = connections.databases["default"]
    if all(
        str(settings.get(name) or "") == str(source.get(name) or "")
        for name in ("ENGINE", "NAME", "HOST", "PORT")
    ):
        raise CommandError("The target is the current database.")
    connections.databases[TARGET] = {**source, "OPTIONS": {}, **settings}


def _tables() -> list[Model]:
    """All tables except sessions. Their order does not matter: foreign keys are checked at the
    end of the transaction.
    """
    found = apps.get_models(include_auto_created=True)
    return [
        model
        for model in found
        if model._meta.managed and not model._meta.proxy and model is not Session
    ]


def _copy(model: Model) -> int:
    """Copy all rows with their keys, and without the values that saving sets, such as times."""
    fields = [field for field in model._meta.local_concrete_fields if not field.generated]
    rows = model._base_manager.using("default").order_by("pk").iterator(chunk_size=BATCH)
    copied = 0
    while batch := list(islice(rows, BATCH)):
        # bulk_create would call the fields' pre_save, which sets values.
        model._base_manager._insert(batch, fields=fields, using=TARGET, raw=True)  # type: ignore[attr-defined]
        copied += len(batch)
    return copied


def _set_sequences(tables: list[Model]) -> None:
    connection = connections[TARGET]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), tables):
            cursor.execute(statement)
