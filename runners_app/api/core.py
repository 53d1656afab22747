"""The API's frame: authentication by scope, problem documents, ETags, and paging by key."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, RawPostDataException
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from ninja import NinjaAPI, Query, Schema
from ninja.errors import HttpError, ValidationError
from ninja.renderers import BaseRenderer
from ninja.security import HttpBearer
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import to_json

from runners_app.api.authentication import CHALLENGE, has_scope
from runners_app.api.problems import CONTENT_TYPE, ApiError, Problem, problem
from runners_app.models import Account, ApiToken
from runners_app.web.filters import TokenFilter
from runners_app.web.numbers import number_in
from runners_app.web.pages import Request
from runners_app.web.paging import Find, Order, page_by_key

M = TypeVar("M", bound=Model)
SAFE = ("GET", "HEAD")
YEARS = range(2000, 2200)  # arithmetic with days and offsets stays within what a datetime holds
MOST_ROWS = 100
# Every operation may answer these; each is a problem document.
ERRORS = {
    400: "The request is malformed.",
    401: "No valid token, or one used from another address.",
    403: "The token lacks the scope, or its owner the role.",
    404: "It does not exist, or you may not see it.",
    409: "It cannot be done in the present state.",
    412: "It changed since it was read (If-Match).",
    422: "Fields are invalid, or the Idempotency-Key was used for another request.",
    429: "Too many requests; see Retry-After.",
    503: "Trackside is not ready; see Retry-After.",
}


def found_by(listed: TokenFilter) -> Any:
    """The rows that a filter finds. ApiError 422 for terms that cannot be used."""
    found = listed.qs
    if listed.problems:
        errors = [("q", problem.message) for problem in listed.problems]
        raise ApiError(422, "The filter cannot be used.", errors=errors)
    return found


class Scoped(HttpBearer):
    """A token with this scope or, for reading, a session of the same browser."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Any:
        user = request.user
        is_token = getattr(user, "api_token", None) is not None
        # Pages of other sites can make a browser send its cookie, but cannot read the answer.
        if not user.is_authenticated or not (is_token or request.method in SAFE):
            raise ApiError(401, "Send an API token, as Bearer or Basic.", headers=CHALLENGE)
        if not has_scope(request, self.scope):  # type: ignore[arg-type]
            raise ApiError(403, f"This token lacks the scope {self.scope}.")
        if _has_nul(request):
            raise ApiError(422, "Text cannot contain the character NUL. Nothing was changed.")
        return user

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Unused: the middleware has checked the token by now."""


def _has_nul(request: HttpRequest) -> bool:
    """PostgreSQL refuses NUL in every text, even in a lookup."""
    texts = [request.path_info, *request.GET, *(str(each) for each in request.GET.values())]
    try:
        body = request.body
    except RawPostDataException:  # a form, which was read before and is no address's body
        body = b""
    return any("\0" in text for text in texts) or b"\\u0000" in body


READ, WRITE, EXPORT = (Scoped(scope) for scope in ApiToken.Scope.values)


class Json(BaseRenderer):
    """JSON by pydantic, which writes times twice as fast as Python's encoder."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return to_json(data)


class Api(NinjaAPI):
    """Answers ETags and 304, and describes its errors in the OpenAPI document."""

    def create_response(self, request: HttpRequest, data: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().create_response(request, data, **kwargs)
        if request.method in SAFE and response.status_code == 200:
            etag = quote_etag(hashlib.sha256(response.content).hexdigest()[:32])
            response.headers["ETag"] = etag
            conditional = get_conditional_response(request, etag=etag, response=response)
            if conditional is not None:
                conditional.headers["ETag"] = etag
                return conditional
        return response

    def get_openapi_operation_id(self, operation: Any) -> str:
        """The name of the view, so that generated clients have readable methods."""
        return str(operation.view_func.__name__)

    def get_openapi_schema(self, **kwargs: Any) -> Any:
        document = super().get_openapi_schema(**kwargs)
        reference = {"$ref": "#/components/schemas/Problem"}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                _describe_headers(operation, path, method)
                for status, description in ERRORS.items():
                    operation["responses"][status] = {
                        "description": description,
                        "content": {CONTENT_TYPE: {"schema": reference}},
                    }
        schemas = document["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schemas["Problem"].pop("$defs", {}))
        return document


def _describe_headers(operation: dict[str, Any], path: str, method: str) -> None:
    """Add the headers that a request may send and an answer has, and the answer 304."""
    responses, parameters = operation["responses"], operation.setdefault("parameters", [])
    if method == "get" and list(responses[200]["content"]) == ["application/json"]:
        parameters.append(_header("If-None-Match", "The ETag of an earlier answer."))
        responses[200]["headers"] = {"ETag": _text_of("Changes when the answer does.")}
        responses[304] = {"description": "Unchanged since the answer with this ETag."}
        if any(parameter["name"] == "after" for parameter in parameters):
            link = _text_of("The next page, as rel=next; absent on the last page.")
            responses[200]["headers"]["Link"] = link
    elif 202 in responses:
        key = "Any text: the same request with the same key creates one operation."
        parameters.append(_header("Idempotency-Key", key))
        for status in (200, 202):
            where = _text_of("The operation; absent from the answer to a dry run.")
            responses[status]["headers"] = {"Location": where}
        if method in ("patch", "delete") and "/versions/" not in path and "/images/" not in path:
            etag = "The settings_etag that was read; 412 if the settings changed since."
            parameters.append(_header("If-Match", etag))


def _header(name: str, description: str) -> dict[str, Any]:
    return {"in": "header", "name": name, "required": False, **_text_of(description)}


def _text_of(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def add_error_handlers(api: Api) -> None:
    """Answer every error as a problem document."""

    @api.exception_handler(ApiError)
    def on_api_error(request: HttpRequest, error: ApiError) -> HttpResponse:
        return problem(error.status, error.detail, errors=error.errors, headers=error.headers)

    @api.exception_handler(RawPostDataException)
    def on_form(request: HttpRequest, error: RawPostDataException) -> HttpResponse:
        return problem(400, "Send JSON, as application/json. Nothing was changed.")

    @api.exception_handler(HttpError)
    def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
        return problem(error.status_code, f"{error.message}. Nothing was changed.")

    @api.exception_handler(ValidationError)
    def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        fields = [
            (".".join(str(part) for part in each["loc"][1:]), str(each["msg"]))
            for each in error.errors
        ]
        return problem(422, "Some fields are invalid. Nothing was changed.", errors=fields)

    @api.exception_handler(Http404)
    def on_not_found(request: HttpRequest, error: Http404) -> HttpResponse:
        return problem(404, "It does not exist, or you may not see it.")

    @api.exception_handler(PermissionDenied)
    def on_forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
        return problem(403, str(error) or "Your role does not allow this.")


def _with_plus(value: object) -> object:
    """A plus that was not encoded arrives as a space: 2026-11-01T08:00:00 00:00."""
    return re.sub(r" (\d\d:?\d\d)$", r"+\1", value) if isinstance(value, str) else value


def _in_utc(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(f"Give a year from {YEARS.start} to {YEARS.stop - 1}.")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# A time in a query string: 2026-11-01, 2026-11-01T08:00:00Z. UTC unless it has an offset.
Moment = Annotated[datetime, BeforeValidator(_with_plus), AfterValidator(_in_utc)]


class Paged(Schema):
    """`after` of a page is the `next` of the page before it."""

    after: str = Field("", description="Where the page starts: `next` of the page before.")
    limit: int = Field(50, ge=1, le=MOST_ROWS, description="Rows per page.")


PageQuery = Query[Paged]


def list_page(
    request: Request,
    response: HttpResponse,
    rows: "QuerySet[M]",
    order: Order,
    paged: Paged,
    *,
    find: Find = "all",
) -> tuple[list[M], str | None]:
    """One page of rows, and the `after` of the next; sets the Link header (RFC 8288)."""
    place = request.GET.copy()
    place.pop("before", None)
    page = page_by_key(rows, order, place, size=paged.limit, find=find)
    if not page.after:
        return page.rows, None
    query = request.GET.copy()
    query["after"] = page.after
    link = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    response.headers["Link"] = f'<{link}>; rel="next"'
    return page.rows, page.after


def account_or_404(request: Request, name: str) -> Account:
    """An account by primary key, or by `organization:acme` or `enterprise:acme`.

    `organization:acme@github.example.com` names the one on a server. Raises Http404 for one the
    user may not see, and for a name that two servers share.
    """
    accounts = Account.objects.visible_to(request.user).select_related("credential")
    kind, colon, text = name.partition(":")
    if colon:
        found = list(accounts.filter(kind=kind).named(text)[:2])
    else:
        found = list(accounts.filter(pk=number_in(name) or 0))
    if len(found) != 1:
        raise Http404
    return found[0]


def reference_of(account: Account) -> str:
    """How the API names an account: `organization:acme`."""
    return f"{account.kind}:{account}"


def url_to(request: Request, path: str) -> str:
    return request.build_absolute_uri(f"/api/v1/{path}")
