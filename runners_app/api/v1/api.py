"""Version 1 of the API: all its addresses under /api/v1/, and the OpenAPI document."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver
from django.views.decorators.http import require_safe

from runners_app.api.core import Api, Json, add_error_handlers
from runners_app.api.v1 import (
    accounts,
    annotations,
    catalog,
    export,
    facts,
    groups,
    insight,
    operations,
    runners,
    saved_views,
)
from runners_app.web.pages import Request

DESCRIPTION = """Every GitHub-hosted runner of every organization and enterprise in Trackside.

Send an API token as `Authorization: Bearer ts_…`. Lists are paged by key: follow the Link header,
or send `next` as `after`. A write creates an operation and answers 202 with its Location; a worker
carries it out within seconds. Errors are problem documents (RFC 9457).
"""

api = Api(
    renderer=Json(),
    title="Trackside",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api-v1",
    docs_url=None,
)
add_error_handlers(api)
MODULES = (accounts, runners, operations, catalog, groups, annotations, saved_views, facts, insight)
for module in (*MODULES, export):
    api.add_router("", module.router)


def _without_sign_in(patterns: list[URLPattern | URLResolver]) -> None:
    """The API authenticates by itself: it answers 401 instead of a redirect to sign in."""
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            pattern.callback.login_required = False  # type: ignore[attr-defined]


urls = api.urls
_without_sign_in(urls[0])


@require_safe
def docs(request: Request) -> HttpResponse:
    """The documentation page, drawn in the browser from the OpenAPI document."""
    return render(request, "api/docs.html")
