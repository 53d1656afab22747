"""`python -m bench [PART ...] [--json FILE]`: run the parts named, or all, and print their tables."""

import argparse
import platform
import sys
from importlib import import_module, metadata
from pathlib import Path

from bench.common import Part, print_table, start_servers, write_json

PARTS = ("sync", "storing", "pages", "tabs", "search", "scale", "start")
PACKAGES = ("django", "celery", "gunicorn", "psycopg", "requests", "pygithub", "githubkit", "django-tables2")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"))
    options = parser.parse_args()
    found: list[Part] = []
    with start_servers() as servers:
        for name in options.parts or PARTS:
            part: Part = import_module(f"bench.{name}").run(servers)
            found.append(part)
            for table in part.tables:
                sys.stdout.write(print_table(table) + "\n")
            sys.stdout.flush()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(found, options.json, machine=machine(), versions=versions())
    sys.stdout.write(f"The same as JSON: {options.json}\n")


def machine() -> dict[str, str]:
    memory = Path("/proc/meminfo").read_text().split()[1]
    cores = len(Path("/proc/cpuinfo").read_text().split("processor\t:")) - 1
    return {"cores": str(cores), "memory GB": f"{int(memory) / 1e6:.0f}", "system": platform.platform()}


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


if __name__ == "__main__":
    main()
