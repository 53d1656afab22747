"""Migrations keep the previous version working while the new one migrates.

The previous version does not name new columns, and needs every old one.
"""

from collections.abc import Iterator

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.migrations import AddField, CreateModel
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import Field, ManyToManyField

# Columns removed one version after the last code that used them: (migration, table, column).
REMOVED: frozenset[tuple[str, str, str]] = frozenset()


def operations_since_the_first() -> Iterator[tuple[str, Operation]]:
    """(name of its migration, operation) for each."""
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app == "runners_app" and not migration.initial:
            yield from ((name, operation) for operation in migration.operations)


def added_fields() -> Iterator[Field]:  # type: ignore[type-arg] # of many kinds
    """Fields added to existing tables, as they are now."""
    new: set[tuple[str, str]] = set()
    for migration, operation in operations_since_the_first():
        if isinstance(operation, CreateModel):
            new.add((migration, operation.name_lower))
        elif isinstance(operation, AddField) and (migration, operation.model_name_lower) not in new:
            try:
                yield apps.get_model("runners_app", operation.model_name)._meta.get_field(
                    operation.name
                )
            except (FieldDoesNotExist, LookupError):
                continue


def test_the_previous_version_can_insert_rows_without_naming_added_columns() -> None:
    added = [
        field
        for field in added_fields()
        if not isinstance(field, ManyToManyField) and not field.generated
    ]
    assert "plan" in {field.name for field in added}
    assert [str(field) for field in added if not field.null and not field.has_db_default()] == []


def test_no_column_or_table_of_the_previous_version_is_removed_or_renamed() -> None:
    loader = MigrationLoader(None)
    before: set[tuple[str, str | None]] = set()
    removed = set()
    for key in sorted(key for key in loader.disk_migrations if key[0] == "runners_app"):
        models = loader.project_state(key).apps.get_app_config("runners_app").get_models()
        after = {
            (model._meta.db_table, field.column)
            for model in models
            for field in model._meta.local_concrete_fields
        }
        removed |= {(key[1], table, column) for table, column in before - after}
        before = after
    assert removed == REMOVED
