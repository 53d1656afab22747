"""Move to another database: everything Trackside knows, from the one it runs on into an empty one."""

from argparse import ArgumentParser
from itertools import islice
from typing import Any

import environ
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style
from django.db import DatabaseError, connections, models, transaction

from runners_app.models import Account

TARGET = "target"
BATCH = 500
Model = type[models.Model]


class Command(BaseCommand):
    help = "Copy everything into an empty database, which is migrated first. Stop web, worker and beat before."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to",
            required=True,
            metavar="URL",
            help="such as postgresql://user:password@host/name",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _open(options["to"])
        try:
            call_command("migrate", database=TARGET, verbosity=0)
            if User.objects.using(TARGET).exists() or Account.objects.using(TARGET).exists():
                raise CommandError(
                    "The target is not empty: it has people or accounts. Nothing was copied."
                )
            with transaction.atomic(using=TARGET):
                tables = _tables()
                for model in tables:  # what migrating has filled with keys of its own
                    model._base_manager.using(TARGET).all()._raw_delete(TARGET)
                copied = sum(_copy(model) for model in tables)
                _set_sequences(tables)
        except DatabaseError as error:
            raise CommandError(f"The target refused, and nothing was copied: {error}") from None
        finally:
            connections[TARGET].close()
        self.stdout.write(
            f"Copied {copied:,} rows of {len(tables)} tables. Start Trackside with DATABASE_URL set to the target and "
            "with the same SECRET_KEY and CREDENTIAL_KEYS as before; everybody signs in anew."
        )


def _open(url: str) -> None:
    """Make the target known as a second database. Raises CommandError."""
    try:
        settings = environ.Env.db_url_config(url)
    except (ImproperlyConfigured, KeyError, ValueError):
        settings = {}
    if not settings.get("ENGINE"):
        raise CommandError(
            "--to is no address of a database, such as postgresql://user:password@host/name."
        )
    source = connections.databases["default"]
    if all(
        str(settings.get(name) or "") == str(source.get(name) or "")
        for name in ("ENGINE", "NAME", "HOST", "PORT")
    ):
        raise CommandError("The target is the database Trackside runs on.")
    connections.databases[TARGET] = {**source, "OPTIONS": {}, **settings}


def _tables() -> list[Model]:
    """Every table but those of sessions. Foreign keys are checked at the end, so their order is of
    no matter.
    """
    found = apps.get_models(include_auto_created=True)
    return [
        model
        for model in found
        if model._meta.managed and not model._meta.proxy and model is not Session
    ]


def _copy(model: Model) -> int:
    """All rows as they are: with their keys, and without what saving would put in (times of
    adding).
    """
    fields = [field for field in model._meta.local_concrete_fields if not field.generated]
    rows = model._base_manager.using("default").order_by("pk").iterator(chunk_size=BATCH)
    copied = 0
    while batch := list(islice(rows, BATCH)):
        # Not bulk_create, which asks fields what to put in.
        model._base_manager._insert(batch, fields=fields, using=TARGET, raw=True)  # type: ignore[attr-defined]
        copied += len(batch)
    return copied


def _set_sequences(tables: list[Model]) -> None:
    connection = connections[TARGET]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), tables):
            cursor.execute(statement)
