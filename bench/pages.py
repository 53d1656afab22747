"""Part 3: the list of runners uncached, cached and unchanged, beside other ways to render it."""

import gzip
import json
import sys
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

from bench.common import Part, Servers, Table, interleave, make_world, run_child

RUNNERS, ROWS, ROUNDS, TIMES = 10_000, 100, 15, 8
ADDRESS = f"/runners/?size_of_page={ROWS}"
API_ADDRESS = f"/api/v1/runners?limit={ROWS}"


def run(servers: Servers) -> Part:
    environment = servers.database("pages")
    make_world(environment, RUNNERS)
    servers.settle("pages")
    found = run_child(environment, "bench.pages")
    table = Table(
        f"List page: {ROWS} rows of {RUNNERS:,} runners, PostgreSQL, signed in",
        [
            "page",
            "% of a bare view's requests/s",
            "ms, fastest",
            "median",
            "CPU ms",
            "queries",
            "bytes",
            "gzipped",
        ],
        [
            [
                name,
                f"{row['share']:.1f}",
                f"{row['fastest']:.2f}",
                f"{row['median']:.2f}",
                f"{row['cpu']:.2f}",
                str(row["queries"]),
                f"{row['bytes']:,}",
                f"{row['gzipped']:,}",
            ]
            for name, row in found.items()
        ],
        [
            "A bare view returns the same bytes to the same signed-in person through the same "
            "middleware."
        ],
    )
    figures = {f"share {name}": row["share"] for name, row in found.items()}
    figures["cold / django-tables2"] = found["django-tables2"]["fastest"] / found["cold"]["fastest"]
    figures["API list / cold"] = found["cold"]["fastest"] / found["API list"]["fastest"]
    return Part("pages", [table], figures)


def forget(*parts: str) -> None:
    """Delete cached parts of pages whose key contains one of these texts.

    Django cannot list the keys of a cache, so this reads the dictionary of the one in memory.
    """
    from django.core.cache import caches

    kept: Any = caches["pages"]
    for key in list(kept._cache):
        if any(part in key for part in parts):
            kept.delete(key.partition(":1:")[2])


class Visitor:
    """A signed-in person who calls the WSGI application directly, without sockets or a client
    library.
    """

    def __init__(self) -> None:
        from django.conf import settings
        from django.contrib.auth.models import User
        from django.core.wsgi import get_wsgi_application
        from django.test import Client

        from runners_app.api.tokens import create_token

        settings.ALLOWED_HOSTS = ["testserver"]
        settings.API_REQUESTS_PER_MINUTE = 10**6
        self.application = get_wsgi_application()
        client = Client()
        user = User.objects.get(username="ada")
        self.token = create_token(user, name="bench", scopes=("read",), by=user)[1]
        client.force_login(user)
        self.cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())

    def get(
        self, address: str, *, htmx: bool = False, with_token: bool = False
    ) -> tuple[int, bytes]:
        """Status and body; the session's cookie is sent, or the API token in its place."""
        path, _, query = address.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.input": BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_COOKIE": self.cookie,
        }
        if with_token:
            del environ["HTTP_COOKIE"]
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self.token}"
        if htmx:
            environ["HTTP_HX_REQUEST"] = "true"
        started: list[str] = []
        start_response: Any = lambda status, headers, *_: started.append(status)  # noqa: E731 - too little for a name
        answer: Any = self.application(environ, start_response)
        body = b"".join(answer)
        answer.close()
        return int(started[0].split()[0]), body


def main() -> None:
    import django

    django.setup()
    from bench.urls import BARE

    visitor = Visitor()
    pages = _pages(visitor)
    contenders: dict[str, Callable[[], object]] = dict(pages)
    bodies: dict[str, bytes] = {}
    for name, page in pages.items():
        status, bodies[name] = page()
        assert status in (200, 204), (name, status)
        BARE[name.replace(" ", "-")] = bodies[name]
        contenders[f"bare {name}"] = partial(visitor.get, f"/bare/{name.replace(' ', '-')}/")
    timings = interleave(contenders, rounds=ROUNDS, times=TIMES)
    report = {}
    for name in pages:
        mine, bare = timings[name], timings[f"bare {name}"]
        report[name] = {
            "share": 100 * bare.fastest / mine.fastest,
            "fastest": 1000 * mine.fastest,
            "median": 1000 * mine.median,
            "cpu": 1000 * mine.median_cpu,
            "queries": _queries(pages[name]),
            "bytes": len(bodies[name]),
            "gzipped": len(gzip.compress(bodies[name], 6)),
        }
    sys.stdout.write(json.dumps(report) + "\n")


def _pages(visitor: Visitor) -> dict[str, Callable[[], tuple[int, bytes]]]:
    whole = visitor.get(ADDRESS)[1].decode()
    version = whole.partition('data-version="')[2].partition('"')[0]

    def cold() -> tuple[int, bytes]:
        """As after a change of one account: page, count and account version are not cached."""
        forget(":runners", ":facets:1:")
        return visitor.get(ADDRESS)

    return {
        "unchanged poll": lambda: visitor.get(f"{ADDRESS}&version={version}", htmx=True),
        "kept table": lambda: visitor.get(ADDRESS, htmx=True),
        "kept page": lambda: visitor.get(ADDRESS),
        "cold": cold,
        "API list": lambda: visitor.get(API_ADDRESS, with_token=True),
        "django-tables2": lambda: visitor.get("/tables2/"),
        "Django admin": lambda: visitor.get("/admin/runners_app/runner/"),
    }


def _queries(page: Callable[[], object]) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        page()
    return len(captured)


if __name__ == "__main__":
    main()
