"""`python -m bench [PART ...] [--json FILE]`: runs the named parts, or all, and prints their
tables.
"""

import argparse
import platform
import sys
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

import psycopg

from bench.common import Part, Servers, Table, print_table, start_servers, write_json
from bench.goals import judge

LAST_RUN = "## The last run"
PARTS = ("sync", "storing", "pages", "tabs", "search", "scale", "start")
PACKAGES = (
    "django",
    "celery",
    "gunicorn",
    "psycopg",
    "requests",
    "pygithub",
    "githubkit",
    "django-tables2",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"))
    parser.add_argument(
        "--page", type=Path, help=f"write all from the line {LAST_RUN!r} on of this page anew"
    )
    options = parser.parse_args()
    found: list[Part] = []
    with start_servers() as servers:
        for name in options.parts or PARTS:
            part: Part = import_module(f"bench.{name}").run(servers)
            found.append(part)
            for table in part.tables:
                sys.stdout.write(print_table(table) + "\n")
            sys.stdout.flush()
        installed = versions(servers)
    goals = judge(found)
    sys.stdout.write(print_table(goals) + "\n")
    if options.page:
        write_page(
            options.page, [goals, *(table for part in found for table in part.tables)], installed
        )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(found, options.json, machine=machine(), versions=installed)
    sys.stdout.write(f"{named(installed)}.\n")
    sys.stdout.write(f"The same as JSON: {options.json}\n")


def write_page(page: Path, tables: list[Table], installed: dict[str, str]) -> None:
    """Replace the last run on a documentation page and keep the text above it."""
    above = page.read_text().partition(LAST_RUN)[0]
    facts = machine()
    about = (
        f"On {datetime.now(UTC):%-d %B %Y}, {facts['system']}, {facts['cores']} cores, "
        f"{facts['memory GB']} GB"
    )
    page.write_text(
        "\n".join(
            [f"{above}{LAST_RUN}\n", f"{about}; {named(installed)}.\n", *map(print_table, tables)]
        )
    )


def machine() -> dict[str, str]:
    memory = Path("/proc/meminfo").read_text().split()[1]
    cores = len(Path("/proc/cpuinfo").read_text().split("processor\t:")) - 1
    return {
        "cores": str(cores),
        "memory GB": f"{int(memory) / 1e6:.0f}",
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions(servers: Servers) -> dict[str, str]:
    """Versions of Python, the packages and the servers."""
    with (
        psycopg.connect(servers.postgresql.url_of("postgres")) as connection,
        servers.redis.client() as client,
    ):
        postgresql = connection.execute("SHOW server_version").fetchone()
        redis = client.info("server")["redis_version"]
    assert postgresql
    running = {"PostgreSQL": postgresql[0].split()[0], "Redis": redis}
    packages = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **running, **packages}


def named(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in versions.items())


if __name__ == "__main__":
    main()
