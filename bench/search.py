"""Part 5: filters, sorts, searches and paging at 100,000 runners, compared with 10,000."""

import json
import random
import statistics
import sys
import time
from urllib.parse import urlencode

from bench.common import Part, Servers, Table, make_world, run_child

SMALL, LARGE, ROUNDS = 10_000, 100_000, 15
CASES = {
    "first page": {},
    "sorted by status": {"sort": "status"},
    "sorted by size, descending": {"sort": "-size"},
    "sorted by last use, descending": {"sort": "-active"},
    "sorted by time in status": {"sort": "since"},
    "status Ready": {"status": "Ready"},
    "status Stuck": {"status": "Stuck"},
    "platform, 60 % of all": {"platform": "linux-x64"},
    "platform, 1 % of all": {"platform": "win-arm64"},
    "size": {"size": "64-core"},
    "image": {"image": "Ubuntu 24.04"},
    "group": {"group": "team-a"},
    "static IPs": {"static_ip": "yes"},
    "idle for 90 days": {"idle": "yes"},
    "image no longer offered": {"image_offered": "no"},
    "one organization": {"account": "organization-007"},
    "one organization, Stuck": {"account": "organization-007", "status": "Stuck"},
    "word in most names": {"q": "linux"},
    "word in a quarter of the names, late in the order": {"q": "win-x64"},
    "word in few names": {"q": "qzv"},
    "word in no name": {"q": "nosuchrunner"},
    "two letters": {"q": "zz"},
    "two words and a status": {"q": "win 64 status:stuck"},
}
TURNS = {
    "": "by name",
    "-status": "by status, descending",
    "size": "by size",
    "-active": "by last use, descending",
}


def run(servers: Servers) -> Part:
    environments = {}
    for runners in (SMALL, LARGE):
        environments[runners] = servers.database(f"search_{runners}")
        make_world(environments[runners], runners)
        servers.settle(f"search_{runners}")
    halves = {
        runners: [run_child(environments[runners], "bench.search", seed) for seed in (1, 2)]
        for runners in environments
    }
    goes = {
        runners: {name: first[name] + second[name] for name in first}
        for runners, (first, second) in halves.items()
    }
    found = {
        runners: {name: min(each) for name, each in of.items()} for runners, of in goes.items()
    }
    medians = {
        runners: {name: statistics.median(each) for name, each in of.items()}
        for runners, of in goes.items()
    }
    ratios = {name: found[LARGE][name] / found[SMALL][name] for name in found[SMALL]}
    table = Table(
        f"Search, filter, sort and deep pages: {LARGE:,} runners ÷ {SMALL:,}, PostgreSQL, "
        "50 organizations",
        ["response", f"ms at {SMALL:,}", "median", f"ms at {LARGE:,}", "median", "ratio"],
        [
            [
                name,
                *(
                    f"{each[runners][name]:.2f}"
                    for runners in (SMALL, LARGE)
                    for each in (found, medians)
                ),
                f"{ratio:.2f}",
            ]
            for name, ratio in ratios.items()
        ],
        [
            "The complete response to an htmx request with an uncached table; counts are cached by "
            f"version. The fastest of {2 * ROUNDS} runs, and their median; the ratio is of the "
            "fastest."
        ],
    )
    worst = max(ratios, key=lambda name: ratios[name])
    return Part(
        "search",
        [table],
        {"worst ratio": ratios[worst], "answers above 2": sum(r > 2 for r in ratios.values())},
    )


def main(seed: int) -> None:
    import django

    django.setup()
    from bench.pages import Visitor, forget

    visitor = Visitor()
    addresses = {name: f"/runners/?{urlencode(query)}" for name, query in CASES.items()}
    addresses |= {f"deep page {words}": _deep(sort) for sort, words in TURNS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in addresses}
    order = random.Random(seed)
    for _ in range(ROUNDS + 1):
        names = list(addresses)
        order.shuffle(names)
        for name in names:
            forget(":runners:")
            started = time.perf_counter()
            status, _ = visitor.get(addresses[name], htmx=True)
            seconds[name].append(time.perf_counter() - started)
            assert status == 200, addresses[name]
    sys.stdout.write(
        json.dumps({name: [1000 * go for go in each[1:]] for name, each in seconds.items()}) + "\n"
    )


def _deep(sort: str) -> str:
    """The address of the page after nine tenths of all runners, or of those of a status."""
    from runners_app.models import Runner
    from runners_app.runners.columns import ORDERS
    from runners_app.web.paging import _write

    order = ORDERS.get(sort.removeprefix("-"), ORDERS["name"])
    sign = "-" if sort.startswith("-") and order is not ORDERS["name"] else ""
    rows = Runner.objects.exclude(**{order.column: None}).order_by(
        f"{sign}{order.column}", f"{sign}pk"
    )
    number = rows.count() * 9 // 10
    last = rows[number]
    by_status = (last.status.lower(),) if sort == "-status" else ()
    place = _write((getattr(last, order.column), last.pk, *by_status), number)
    return f"/runners/?{urlencode({'sort': sort, 'after': place})}"


if __name__ == "__main__":
    main(int(sys.argv[1]))
