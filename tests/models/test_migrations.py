"""While the newer version migrates, the one before still serves: it names no new column and needs
every old one.
"""

from collections.abc import Iterator

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.migrations import AddField, DeleteModel, RemoveField, RenameField, RenameModel
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import Field, ManyToManyField

# What was taken away one version after the last code that used it: (migration, what it says of
# itself).
TAKEN_AWAY: frozenset[tuple[str, str]] = frozenset()


def operations_since_the_first() -> Iterator[tuple[str, Operation]]:
    """Each with the name of its migration."""
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app == "runners_app" and not migration.initial:
            yield from ((name, operation) for operation in migration.operations)


def added_fields() -> Iterator[Field]:  # type: ignore[type-arg] # of many kinds
    """Those added since to a table that was there, as they are now."""
    for _, operation in operations_since_the_first():
        if isinstance(operation, AddField):
            try:
                yield apps.get_model("runners_app", operation.model_name)._meta.get_field(
                    operation.name
                )
            except (FieldDoesNotExist, LookupError):
                continue


def test_the_version_before_can_insert_rows_without_naming_columns_that_were_added() -> None:
    added = [
        field
        for field in added_fields()
        if not isinstance(field, ManyToManyField) and not field.generated
    ]
    assert "plan" in {field.name for field in added}
    assert [str(field) for field in added if not field.null and not field.has_db_default()] == []


def test_nothing_the_version_before_uses_is_taken_away_or_renamed() -> None:
    kinds = (RemoveField, RenameField, DeleteModel, RenameModel)
    found = {
        (name, each.describe())
        for name, each in operations_since_the_first()
        if isinstance(each, kinds)
    }
    assert found == TAKEN_AWAY
