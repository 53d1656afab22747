"""A WSGI environment as a ``Request``."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from runners_app.simulator.api.wire import Request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def read_request(environ: "WSGIEnvironment") -> Request:
    """Read the request. The path stays percent-encoded: an encoded slash does not separate."""
    path, _, query_string = _raw_target(environ).partition("?")
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path,
        query_string=query_string,
        headers=headers,
        body=environ["wsgi.input"].read(),
        base_url=f"{environ['wsgi.url_scheme']}://{host}",
        address=environ.get("REMOTE_ADDR", ""),
    )


def _raw_target(environ: "WSGIEnvironment") -> str:
    raw = environ.get("RAW_URI")
    if isinstance(raw, str) and raw.startswith("/"):
        return raw
    query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
    return quote(environ["PATH_INFO"].encode("latin-1")) + query
