"""F2: what a page has shown is on disk. A power cut itself needs root and a loop device."""

from pathlib import Path

from django.db import connection
from django.db.backends.sqlite3.base import DatabaseWrapper

from dashboard.settings import SQLITE_OPTIONS

SYNCED_AT_EACH_COMMIT = 2  # FULL


def test_sqlite_syncs_each_commit_to_disk(db: None, tmp_path: Path) -> None:
    """On a connection with the product's options, which tests relax for their own database."""
    known = {**connection.settings_dict, "NAME": tmp_path / "own.sqlite3"}
    own = DatabaseWrapper({**known, "OPTIONS": SQLITE_OPTIONS}, "own")
    with own.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        found = cursor.fetchone()
    own.close()
    assert found == (SYNCED_AT_EACH_COMMIT,)


def test_writers_on_sqlite_take_the_lock_when_they_begin() -> None:
    assert SQLITE_OPTIONS["transaction_mode"] == "IMMEDIATE"
