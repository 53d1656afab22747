"""Prints the tables of the database as JSON, migrated `at_once` as a new installation is, or
`step_by_step` as the oldest one was. Run as a program, with the settings of its environment.
"""

import json
import sys

import django

django.setup()

from django.db import connection  # noqa: E402 - after the setup
from django.db.migrations.executor import MigrationExecutor  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402

executor = MigrationExecutor(connection)
targets = executor.loader.graph.leaf_nodes()
if sys.argv[1] == "step_by_step":
    executor.loader = MigrationLoader(connection, replace_migrations=False)
    last = max(key for key in executor.loader.disk_migrations if key[0] == "runners_app")
    targets = [key for key in targets if key[0] != "runners_app"] + [last]
executor.migrate(targets)

tables = {}
with connection.cursor() as cursor:
    for table in connection.introspection.table_names(cursor):
        columns = connection.introspection.get_table_description(cursor, table)
        constraints = connection.introspection.get_constraints(cursor, table)
        tables[table] = {
            "columns": sorted(map(repr, columns)),
            "indexes": sorted(
                [name, facts["columns"], str(facts.get("definition"))]
                for name, facts in constraints.items()
                if facts["index"] and not facts["unique"] and not name.startswith("sqlite_auto")
            ),
            "rules": sorted(
                [
                    str(facts[kind])
                    for kind in ("columns", "primary_key", "unique", "foreign_key", "check")
                ]
                for facts in constraints.values()
                if not facts["index"] or facts["unique"]
            ),
        }
sys.stdout.write(json.dumps(tables))
