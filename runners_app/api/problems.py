"""Errors as problem documents (RFC 9457), the one shape of every error the API answers."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from django.http import JsonResponse
from ninja import Field, Schema

CONTENT_TYPE = "application/problem+json"


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
