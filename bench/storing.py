"""Part 2: storing 10,000 runners of which 0, 1 or 100 % changed, in several common ways."""

import json
import sys
from collections.abc import Callable
from typing import Any

from bench.common import Part, Servers, Table, interleave, make_world, run_child

RUNNERS, ROUNDS = 10_000, 2
SHARES = (0, 1, 100)


def run(servers: Servers) -> Part:
    environment = servers.database("storing")
    make_world(environment, RUNNERS)
    servers.settle("storing")
    sqlite = {
        **environment,
        "DATABASE_URL": f"sqlite:///{environment['TRACKSIDE_DATA_DIR']}/storing.sqlite3",
    }
    from tests.processes import manage

    manage(sqlite, "migrate", "--verbosity", "0")
    make_world(sqlite, RUNNERS)
    found = {
        "PostgreSQL": run_child(environment, "bench.storing"),
        "SQLite": run_child(sqlite, "bench.storing"),
    }
    head = [
        "way",
        *(f"{database} s at {share} %" for database in found for share in SHARES),
        "WAL MB at 0 %",
        "at 100 %",
    ]
    rows = []
    for way in found["PostgreSQL"]:
        cells = [found[database][way][str(share)] for database in found for share in SHARES]
        seconds = [f"{cell['seconds']:.3f} ({cell['median']:.3f})" for cell in cells]
        wal = [f"{found['PostgreSQL'][way][str(share)]['wal']:.1f}" for share in (0, 100)]
        rows.append([way, *seconds, *wal])
    ours, peer = (
        found["PostgreSQL"]["Trackside: changed rows, by hash"],
        found["PostgreSQL"]["update_or_create"],
    )
    figures = {
        f"update_or_create ÷ Trackside at {share} %": peer[str(share)]["seconds"]
        / ours[str(share)]["seconds"]
        for share in SHARES
    }
    table = Table(
        f"Storing {RUNNERS:,} runners of 50 organizations",
        head,
        rows,
        ["The faster of two interleaved runs, and in brackets their median."],
    )
    return Part("storing", [table], figures)


def main() -> None:
    import django

    django.setup()
    result: dict[str, dict[int, dict[str, float]]] = {}
    for share in SHARES:
        wal: dict[str, list[float]] = {}
        ways = {name: _counting(name, way, share, wal) for name, way in WAYS.items()}
        timings = interleave(ways, rounds=ROUNDS, warm_up=False)
        for name, timing in timings.items():
            result.setdefault(name, {})[share] = {
                "seconds": timing.fastest,
                "median": timing.median,
                "wal": min(wal[name]),
            }
    sys.stdout.write(json.dumps(result) + "\n")


def _counting(
    name: str, way: Callable[[list[Any]], None], share: int, wal: dict[str, list[float]]
) -> Callable[[], None]:
    def go() -> None:
        before = _wal_position()
        way(_world(share))
        wal.setdefault(name, []).append((_wal_position() - before) / 1e6)

    return go


def _wal_position() -> float:
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return float(cursor.fetchone()[0])


_kept: list[Any] = []
_turn = 0


def _world(share: int) -> list[Any]:
    """(account, key → values) as parsed from GitHub's answers, with `share` percent of the rows
    different each time.
    """
    global _turn
    from runners_app.models import Account, Runner

    if not _kept:
        for account in Account.objects.order_by("pk"):
            rows = {
                runner.github_id: {name: getattr(runner, name) for name in FIELDS}
                for runner in Runner.objects.filter(account=account)
            }
            _kept.append((account, rows))
    _turn += 1
    every = 100 // share if share else 0
    for _, rows in _kept:
        for number, values in enumerate(rows.values()):
            if every and number % every == 0:
                values["maximum_runners"] = 1000 + _turn
    return _kept


FIELDS = (
    "name",
    "status",
    "platform",
    "image_id",
    "image_source",
    "image_name",
    "image_version",
    "image_size_gb",
    "size",
    "cpu_cores",
    "memory_gb",
    "storage_gb",
    "group_id",
    "maximum_runners",
    "static_ip",
    "public_ips",
    "last_active_on",
    "image_gen",
)


def trackside(world: list[Any]) -> None:
    from django.db import transaction
    from django.utils import timezone

    from runners_app.models import Runner
    from runners_app.readings.publish import RowSet, publish_rows

    for account, rows in world:
        with transaction.atomic():
            publish_rows(
                RowSet(Runner, {"account": account}, "github_id", rows=rows),
                account=account,
                begun=timezone.now(),
            )


def update_or_create(world: list[Any]) -> None:
    from runners_app.models import Runner

    for account, rows in world:
        for key, values in rows.items():
            Runner.objects.update_or_create(account=account, github_id=key, defaults=values)


def bulk_everything(world: list[Any]) -> None:
    from django.utils import timezone

    from runners_app.models import Runner

    now = timezone.now()
    times = {"observed_at": now, "first_seen_at": now, "status_since": now}
    for account, rows in world:
        Runner.objects.bulk_create(
            [
                Runner(account=account, github_id=key, **times, **values)
                for key, values in rows.items()
            ],
            update_conflicts=True,
            unique_fields=["account", "github_id"],
            update_fields=list(FIELDS),
        )


def raw_sql(world: list[Any]) -> None:
    """One INSERT … ON CONFLICT per account with all rows, in SQL."""
    from django.db import connection, transaction
    from django.utils import timezone

    columns = [
        *FIELDS,
        "account_id",
        "github_id",
        "row_hash",
        "observed_at",
        "first_seen_at",
        "status_since",
    ]
    updates = ", ".join(f"{name} = excluded.{name}" for name in FIELDS)
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    insert = f"INSERT INTO runners_app_runner ({names}) VALUES ({marks})"  # noqa: S608 - our own columns
    statement = f"{insert} ON CONFLICT (account_id, github_id) DO UPDATE SET {updates}"
    now = timezone.now()
    for account, rows in world:
        parameters = [
            [
                *(
                    json.dumps(values[name]) if name == "public_ips" else values[name]
                    for name in FIELDS
                ),
                account.pk,
                key,
                "",
                now,
                now,
                now,
            ]
            for key, values in rows.items()
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(statement, parameters)


WAYS: dict[str, Callable[[list[Any]], None]] = {
    "Trackside: changed rows, by hash": trackside,
    "raw SQL, INSERT … ON CONFLICT of everything": raw_sql,
    "bulk_create(update_conflicts) of everything": bulk_everything,
    "update_or_create": update_or_create,
}

if __name__ == "__main__":
    main()
