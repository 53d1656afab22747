"""The peers of the list of runners."""

from typing import Any

import django_tables2 as tables
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path

from runners_app.models import Runner

ROWS = 100
COLUMNS = (
    "status",
    "image_name",
    "size",
    "maximum_runners",
    "group_id",
    "static_ip",
    "last_active_on",
)


class RunnerTable(tables.Table):  # type: ignore[misc]
    name = tables.LinkColumn("runner", args=[tables.A("pk")])
    account = tables.Column(accessor="account__slug")

    class Meta:
        model = Runner
        template_name = "django_tables2/table.html"
        fields = ("name", "account", *COLUMNS)


class RunnerAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "account", *COLUMNS)
    list_select_related = ("account",)
    list_per_page = ROWS
    search_fields = ("name",)


site = admin.AdminSite()
site.register(Runner, RunnerAdmin)
BARE: dict[str, bytes] = {}


def bare(request: HttpRequest, name: str) -> HttpResponse:
    """A view that signs in as every page does and returns the bytes of another page, or none."""
    body = BARE.get(name, b"")
    return HttpResponse(body) if body else HttpResponse(status=204)


def tables2(request: HttpRequest) -> HttpResponse:
    table: Any = RunnerTable(
        Runner.objects.filter(gone_at=None).select_related("account").order_by("name", "pk")
    )
    tables.RequestConfig(request, paginate={"per_page": ROWS}).configure(table)
    return render(request, "tables2.html", {"table": table})


urlpatterns = [
    path("bare/<str:name>/", bare),
    path("tables2/", tables2),
    path("admin/", site.urls),
    path("", include("dashboard.urls")),
]
