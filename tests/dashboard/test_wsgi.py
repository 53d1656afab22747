"""The WSGI application that gunicorn serves."""

from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest


@pytest.mark.parametrize("path", ["/livez", "/sign-in/", "/static/css/trackside.css", "/nowhere"])
def test_an_answer_to_head_has_the_headers_of_a_get_and_no_body(db: None, path: str) -> None:
    from dashboard.wsgi import application  # reads the static files, which a fixture prepares

    told: dict[str, Any] = {}

    def ask(method: str) -> bytes:
        environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path}
        setup_testing_defaults(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            told[method] = (status, sorted(name for name, _ in headers))

        return b"".join(application(environ, start))

    assert ask("HEAD") == b""
    assert ask("GET") != b""
    assert told["HEAD"] == told["GET"]
