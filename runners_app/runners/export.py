"""The runners list as CSV and JSON, with the filter of its page."""

from collections.abc import Iterator
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import StreamingHttpResponse
from django.views.decorators.http import require_safe

from runners_app.models import Runner, RunnerGroup
from runners_app.runners.filters import RunnerFilter
from runners_app.web.downloads import Row
from runners_app.web.export import CHUNK, export, filters_in_force, present_unless_asked
from runners_app.web.pages import Request

RUNNER_COLUMNS = (
    "account",
    "id",
    "name",
    "status",
    "status_since",
    "platform",
    "image",
    "image_id",
    "image_source",
    "image_version",
    "size",
    "cpu_cores",
    "memory_gb",
    "storage_gb",
    "group",
    "group_id",
    "maximum_runners",
    "static_ip",
    "public_ips",
    "last_active_on",
    "builds_images",
    "owner",
    "tags",
    "note",
    "first_seen_at",
    "gone_at",
)


@require_safe
def runners(request: Request, file_format: str) -> StreamingHttpResponse:
    """Download the filtered runners; `file_format` is `csv` or `json`."""
    listed = RunnerFilter(request.GET, queryset=Runner.objects.visible_to(request.user))
    groups = RunnerGroup.objects.filter(account=OuterRef("account"), github_id=OuterRef("group_id"))
    rows = present_unless_asked(listed).annotate(group_title=Subquery(groups.values("name")[:1]))
    cells = _runner_rows(rows.select_related("account"))
    return export(
        request,
        file_format,
        "runners",
        RUNNER_COLUMNS,
        cells,
        count=rows.count,
        filters=filters_in_force(listed),
    )


def _runner_rows(rows: "QuerySet[Any]") -> Iterator[Row]:
    for row in rows.order_by("account__slug", "name", "pk").iterator(chunk_size=CHUNK):
        yield (
            str(row.account),
            row.github_id,
            row.name,
            row.status,
            row.status_since,
            row.platform,
            row.image_name,
            row.image_id,
            row.image_source,
            row.image_version,
            row.size,
            row.cpu_cores,
            row.memory_gb,
            row.storage_gb,
            row.group_title,
            row.group_id,
            row.maximum_runners,
            row.static_ip,
            row.ip_ranges,
            row.last_active_on,
            row.image_gen,
            row.owner,
            row.tags.split(),
            row.note,
            row.first_seen_at,
            row.gone_at,
        )
