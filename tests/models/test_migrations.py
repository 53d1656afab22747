"""Migrations keep the previous version working while the new one migrates.

The previous version does not name new columns, and needs every old one.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.migrations import AddField, CreateModel
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import Field, ManyToManyField

from tests.processes import ROOT, scaled_out, start_postgresql, start_redis

# Columns removed one version after the last code that used them: (migration, table, column).
REMOVED: frozenset[tuple[str, str, str]] = frozenset()


def step_by_step() -> MigrationLoader:
    """The migrations that older installations apply, instead of the one that replaces them."""
    return MigrationLoader(None, replace_migrations=False)


def operations_since_the_first() -> Iterator[tuple[str, Operation]]:
    """(name of its migration, operation) for each."""
    for (app, name), migration in sorted(step_by_step().disk_migrations.items()):
        if app == "runners_app" and not (migration.initial or migration.replaces):
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
    loader = step_by_step()
    before: set[tuple[str, str | None]] = set()
    removed = set()
    for key, migration in sorted(loader.disk_migrations.items()):
        if key[0] != "runners_app" or migration.replaces:
            continue
        models = loader.project_state(key).apps.get_app_config("runners_app").get_models()
        after = {
            (model._meta.db_table, field.column)
            for model in models
            for field in model._meta.local_concrete_fields
        }
        removed |= {(key[1], table, column) for table, column in before - after}
        before = after
    assert removed == REMOVED


def tables(environment: dict[str, str], how: str) -> dict[str, Any]:
    """Every table of a new database, migrated as tests/models/schema.py is told."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.schema", how],
        env={"DJANGO_SETTINGS_MODULE": "dashboard.settings", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.proof
def test_a_new_installation_has_the_tables_of_one_that_was_upgraded(tmp_path: Path) -> None:
    with start_postgresql() as postgresql, start_redis() as redis_server:
        postgresql.run("CREATE DATABASE upgraded")
        new = scaled_out(postgresql, redis_server, tmp_path)
        upgraded = {**new, "DATABASE_URL": postgresql.url_of("upgraded")}
        found = tables(new, "at_once")
        assert "runners_app_runner" in found
        assert tables(upgraded, "step_by_step") == found
    folders = [tmp_path / "new", tmp_path / "upgraded"]
    one, other = ({"PATH": os.environ["PATH"], "TRACKSIDE_DATA_DIR": str(each)} for each in folders)
    assert tables(one, "at_once") == tables(other, "step_by_step")
