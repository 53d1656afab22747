"""F2: what a page has shown is on disk. A power cut itself needs root and a loop device."""

import pytest
from django.db import connection

SYNCED_AT_EACH_COMMIT = 2  # FULL


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL syncs by default")
def test_sqlite_syncs_each_commit_to_disk(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone() == (SYNCED_AT_EACH_COMMIT,)


def test_writers_on_sqlite_take_the_lock_when_they_begin() -> None:
    if connection.vendor == "sqlite":
        assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
