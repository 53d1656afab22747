"""Requests and responses as plain data, and the refusals GitHub sends."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

Body = dict[str, Any]
DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True)
class Request:
    """One request. ``path`` is percent-encoded and lacks the mount prefix; header names are lower
    case.
    """

    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    body: bytes
    base_url: str
    """Scheme, host and mount prefix: the beginning of the URLs in responses."""
    address: str = ""

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def token(self) -> str | None:
        """The credential after ``Bearer`` or ``token``, if there is one."""
        scheme, _, credential = self.headers.get("authorization", "").partition(" ")
        return (
            credential.strip()
            if scheme.lower() in ("bearer", "token") and credential.strip()
            else None
        )


@dataclass
class Response:
    """A response. ``body`` is None (empty), bytes (sent as they are) or data to send as JSON."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        if self.body is None:
            return b""
        return (
            self.body
            if isinstance(self.body, bytes)
            else json.dumps(self.body, separators=(",", ":")).encode()
        )


def status_phrase(status: int) -> str:
    """The phrase of a status, "Unknown" for one that HTTP does not define."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class Refused(Exception):
    """GitHub refuses the request, with ``response``. Nothing has been changed."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status, response.body)
        self.response = response


def refuse(status: int, message: str, docs: str = "", **headers: str) -> Refused:
    """A refusal in GitHub's format; names in ``headers`` have underscores instead of dashes."""
    body = {"message": message, "documentation_url": DOCS + docs, "status": str(status)}
    return Refused(
        Response(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
    )


def not_found(docs: str = "") -> Refused:
    return refuse(404, "Not Found", docs)


def conflict(message: str, docs: str = "") -> Refused:
    return refuse(409, message, docs)


def invalid_request(reasons: Iterable[str]) -> Refused:
    """A 422 for a missing parameter or one of the wrong type; it has no ``errors``."""
    return refuse(422, "Invalid request.\n\n" + "\n".join(reasons))


def validation_failed(
    errors: list[Body] | list[str], docs: str = "/actions/hosted-runners"
) -> Refused:
    """A 422 for a well-formed body that breaks a rule."""
    refused = refuse(422, "Validation Failed", docs)
    refused.response.body["errors"] = errors
    return refused


def problem(resource: str, field_name: str, code: str, message: str = "") -> Body:
    """An item of ``errors``. ``code`` is missing, missing_field, invalid, already_exists,
    unprocessable or custom.
    """
    found = {"resource": resource, "field": field_name, "code": code}
    return {**found, "message": message} if message else found


def json_object(request: Request) -> Body:
    """The body as a JSON object, ``{}`` if it is empty. Raises ``Refused`` 400."""
    if not request.body.strip():
        return {}
    try:
        parsed = json.loads(request.body)
    except ValueError:
        raise refuse(400, "Problems parsing JSON") from None
    if not isinstance(parsed, dict):
        raise refuse(400, "Body should be a JSON object")
    return parsed


def page_of(request: Request, items: list[Any]) -> tuple[list[Any], dict[str, str]]:
    """The requested page of ``items``, and the ``Link`` header if there is more than one page."""
    query = request.query
    per_page = min(_positive(query.get("per_page"), 30), 100)
    page = _positive(query.get("page"), 1)
    last = max(1, -(-len(items) // per_page))
    wanted = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    if page == 1:
        del wanted["prev"], wanted["first"]
    if page >= last:
        del wanted["next"], wanted["last"]
    links = ", ".join(
        f'<{_page_url(request, per_page, number)}>; rel="{rel}"' for rel, number in wanted.items()
    )
    return items[(page - 1) * per_page : page * per_page], {"Link": links} if links else {}


def _positive(text: str | None, default: int) -> int:
    return (
        int(text)
        if text and text.isascii() and text.isdigit() and 0 < int(text) < 10**9
        else default
    )


def _page_url(request: Request, per_page: int, page: int) -> str:
    others = [
        (name, value)
        for name, value in parse_qsl(request.query_string)
        if name not in ("page", "per_page")
    ]
    query = [
        *others,
        *([("per_page", str(per_page))] if "per_page" in request.query else []),
        ("page", str(page)),
    ]
    return f"{request.base_url}{request.path}?" + "&".join(
        f"{quote(name)}={quote(value)}" for name, value in query
    )
