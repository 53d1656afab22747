"""The menus of the runners list: its filters as links, and its columns, rows and saved views."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from runners_app.models import Account, Preferences, Runner, SavedView
from runners_app.runners.columns import COLUMNS, LIST, columns_of
from runners_app.runners.facets import read_facets
from runners_app.runners.filters import RunnerFilter
from runners_app.runners.list_views import vocabulary_of
from runners_app.runners.saved_views import LONGEST_NAME, delete_view, remember, save_view
from runners_app.web.filter_menu import filter_menu
from runners_app.web.pages import Request, id_or_404, query_without, render_page
from runners_app.web.paging import PAGE_SIZES
from runners_app.web.preferences import preferences_of, rows_of

# The words of the menu with their labels; the others are synonyms.
MENU = {
    "org": "Account",
    "status": "Status",
    "platform": "Platform",
    "size": "Size",
    "image": "Image",
    "group": "Group",
    "owner": "Owner",
    "tag": "Tag",
    "ip": "Static IPs",
    "idle": "Idle for 90 days",
    "age": "First seen",
}
SORTS = [("name", "Name"), *((column.name, column.label) for column in COLUMNS)]


@require_safe
def runners_filters(request: Request) -> HttpResponse:
    """All filters as links that add a value to the search or take it away."""
    accounts = list(Account.objects.visible_to(request.user))
    vocabulary = vocabulary_of(accounts, read_facets(accounts, request.user))
    listed = RunnerFilter(request.GET, queryset=Runner.objects.none())
    return filter_menu(
        request, listed, vocabulary, MENU, title="Runners", address=reverse("runners")
    )


@require_http_methods(["GET", "HEAD", "POST"])
def runners_view(request: Request) -> HttpResponse:
    """Columns, sort, rows and density of the list, and the user's saved views."""
    if request.method == "POST":
        return _save_view(request)
    preferences = preferences_of(request.user)
    shown = [column.name for column in columns_of(preferences, request.GET)]
    context = {
        "columns": [(column, column.name in shown) for column in COLUMNS],
        "sorts": SORTS,
        "sort": request.GET.get("sort", "name"),
        "sizes": PAGE_SIZES,
        "rows": rows_of(request),
        "densities": Preferences.Density.choices,
        "density": preferences.density,
        "default": preferences.of_list(LIST).get("default"),
        "views": SavedView.objects.filter(user=request.user, list=LIST),
        "query": query_without(request, *("after", "before", "size_of_page", "open")),
    }
    return render_page(request, "runners/view.html", context, fragment="menu")


def _save_view(request: Request) -> HttpResponse:
    query = QueryDict(request.POST.get("query", ""), mutable=True)
    match request.POST.get("action"):
        case "save":
            name = request.POST.get("name", "").strip()[:LONGEST_NAME]
            if not name:
                messages.warning(request, "Nothing was saved: a view needs a name.")
            else:
                query["columns"] = ",".join(_chosen_columns(request))
                is_default = "default" in request.POST
                save_view(request.user, name, query.urlencode(), default=is_default)
                messages.success(request, f"The view “{name}” is saved.")
        case "delete":
            pk = id_or_404(request.POST.get("view", ""))
            view = get_object_or_404(SavedView, user=request.user, list=LIST, pk=pk)
            delete_view(request.user, view)
            messages.success(request, f"The view “{view.name}” is deleted.")
        case "apply":
            values: dict[str, Any] = {}
            if request.POST.get("density") in Preferences.Density.values:
                values["density"] = request.POST["density"]
            if request.POST.get("rows") in {str(size) for size in PAGE_SIZES}:
                values["rows"] = int(request.POST["rows"])
            remember(request.user, columns=_chosen_columns(request), **values)
            query.pop("columns", None)
            sort = ("-" if "descending" in request.POST else "") + request.POST.get("sort", "")
            query["sort"] = sort
    return redirect(f"{reverse('runners')}?{query.urlencode() or 'q='}")


def _chosen_columns(request: Request) -> list[str]:
    chosen = request.POST.getlist("column")
    return [column.name for column in COLUMNS if column.name in chosen]
