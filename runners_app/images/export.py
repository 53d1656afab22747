"""The images list as CSV and JSON, with the filter of its page."""

from django.db.models import OuterRef
from django.http import StreamingHttpResponse
from django.views.decorators.http import require_safe

from runners_app.images.filters import ImageFilter
from runners_app.models import Image, Runner
from runners_app.models.accounts import account_name
from runners_app.web.export import CHUNK, counted, export, filters_in_force, present_unless_asked
from runners_app.web.pages import Request

IMAGE_COLUMNS = (
    "account",
    "source",
    "id",
    "name",
    "platform",
    "size_gb",
    "versions",
    "latest_version",
    "state",
    "used_by_runners",
    "first_seen_at",
    "gone_at",
)


@require_safe
def images(request: Request, file_format: str) -> StreamingHttpResponse:
    """Download the images of `?source=`; `file_format` is `csv` or `json`.

    An image that many accounts are offered has one row for each of them.
    """
    source = request.GET.get("source", "")
    source = source if source in Image.Source.values else Image.Source.CUSTOM
    listed = ImageFilter(
        request.GET, queryset=Image.objects.visible_to(request.user).filter(source=source)
    )
    users = Runner.objects.visible_to(request.user).present().filter(image_source=source)
    users = users.filter(account=OuterRef("account"), image_id=OuterRef("github_id"))
    rows = present_unless_asked(listed).annotate(users=counted(users))
    columns = (
        account_name(),
        "source",
        "github_id",
        "name",
        "platform",
        "size_gb",
        "versions_count",
        "latest_version",
        "state",
        "users",
        "first_seen_at",
        "gone_at",
    )
    cells = rows.order_by("account__slug", "name", "pk").values_list(*columns)
    return export(
        request,
        file_format,
        "images",
        IMAGE_COLUMNS,
        cells.iterator(chunk_size=CHUNK),
        count=rows.count,
        filters=[("source", source), *filters_in_force(listed)],
    )
