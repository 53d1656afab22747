"""Errors as problem documents (RFC 9457), the one shape of every error the API answers."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Field, Schema

API = "/api/"
CONTENT_TYPE = "application/problem+json"
# Of errors that Django answers before or after the API's own code.
DETAILS = {
    400: "The request is malformed. Nothing was changed.",
    404: "There is no such address. See /api/v1/docs.",
    405: "This address does not take the method; see Allow.",
    500: "Trackside failed, and logged why. Read what you wanted to change before you try again.",
}
GetResponse = Callable[[HttpRequest], HttpResponse]


class FieldError(Schema):
    """What is wrong with one field of a request, in GitHub's words where GitHub said it."""

    field: str
    message: str


class Problem(Schema):
    """An error: what happened, what state is left, and what to do next."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list)


class ApiError(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors
        self.headers = headers


def problem(
    status: int,
    detail: str,
    *,
    errors: Sequence[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """The response; `errors` are pairs of field and message."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=[FieldError(field=field, message=message) for field, message in errors],
    )
    return JsonResponse(
        body.model_dump(), status=status, content_type=CONTENT_TYPE, headers=dict(headers or {})
    )


def problem_documents(get_response: GetResponse) -> GetResponse:
    """Middleware: answer as problem documents what would be a page of Django's."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_page = response.headers.get("Content-Type", "").partition(";")[0] != CONTENT_TYPE
        if not (request.path_info.startswith(API) and response.status_code >= 400 and is_page):
            return response
        detail = DETAILS.get(response.status_code, response.reason_phrase)
        kept = {
            name: value
            for name, value in response.headers.items()
            if name not in ("Content-Type", "Content-Length")
        }
        document = problem(response.status_code, detail, headers=kept)
        document.cookies = response.cookies
        return document

    return middleware
