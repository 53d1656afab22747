"""Saved views of the runners list: named filters of the user."""

from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Router, Status

from runners_app.api.core import READ, WRITE, url_to
from runners_app.api.problems import ApiError
from runners_app.api.schemas import NewView, ViewList, ViewOut
from runners_app.models import ApiToken, SavedView
from runners_app.runners.columns import LIST
from runners_app.runners.saved_views import default_of, delete_view, save_view
from runners_app.web.pages import Request

router = Router(tags=["saved views"])


@router.get("/views", response=ViewList, auth=READ)
def list_views(request: Request) -> ViewList:
    """Your saved views, by name."""
    _check_unlimited(request)
    rows = SavedView.objects.filter(user=request.user, list=LIST)
    return ViewList(rows=[_out(request, row) for row in rows])


@router.get("/views/{int:pk}", response=ViewOut, auth=READ)
def get_view(request: Request, pk: int) -> ViewOut:
    """One of your saved views."""
    _check_unlimited(request)
    return _out(request, get_object_or_404(SavedView, user=request.user, list=LIST, pk=pk))


@router.post("/views", response={200: ViewOut, 201: ViewOut}, auth=WRITE)
def create_view(request: Request, response: HttpResponse, body: NewView) -> Status[ViewOut]:
    """Save a view; one with the same name is replaced, and answered with 200."""
    _check_unlimited(request)
    name = body.name.strip()
    if not name:
        wrong = [("body.name", "Give it a name.")]
        raise ApiError(422, "Nothing was saved: a view needs a name.", errors=wrong)
    query = QueryDict(body.query).urlencode()
    view, is_new = save_view(request.user, name, query, default=body.default)
    shown = _out(request, view)
    response.headers["Location"] = shown.url
    return Status(201 if is_new else 200, shown)


@router.delete("/views/{int:pk}", response={204: None}, auth=WRITE)
def remove_view(request: Request, pk: int) -> Status[None]:
    """Delete one of your saved views."""
    _check_unlimited(request)
    view = get_object_or_404(SavedView, user=request.user, list=LIST, pk=pk)
    delete_view(request.user, view)
    return Status(204, None)


def _check_unlimited(request: Request) -> None:
    """Filters may name what a limited token must not tell."""
    token: ApiToken | None = getattr(request.user, "api_token", None)
    if token is not None and token.limited:
        raise ApiError(403, "This token is limited to some accounts, and saved views are not.")


def _out(request: Request, row: SavedView) -> ViewOut:
    page = request.build_absolute_uri(reverse("runners"))
    return ViewOut(
        pk=row.pk,
        name=row.name,
        list="runners",
        query=row.query,
        default=bool(row.query) and default_of(request.user) == row.query,
        url=url_to(request, f"views/{row.pk}"),
        html_url=f"{page}?{row.query}",
    )
