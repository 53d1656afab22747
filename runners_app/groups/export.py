"""Export of the groups list as CSV or JSON, with the filter and rows of its page."""

from django.db.models import OuterRef
from django.http import StreamingHttpResponse
from django.views.decorators.http import require_safe

from runners_app.groups.filters import GroupFilter
from runners_app.models import Runner, RunnerGroup
from runners_app.models.accounts import account_name
from runners_app.web.export import CHUNK, counted, export, filters_in_force, present_unless_asked
from runners_app.web.pages import Request

GROUP_COLUMNS = (
    "account",
    "id",
    "name",
    "visibility",
    "default",
    "inherited",
    "allows_public_repositories",
    "restricted_to_workflows",
    "selected_workflows",
    "network_configuration_id",
    "runners",
    "owner",
    "tags",
    "note",
    "first_seen_at",
    "gone_at",
)


@require_safe
def groups(request: Request, file_format: str) -> StreamingHttpResponse:
    """Every group the user may see that matches the filter; `file_format` is csv or json."""
    listed = GroupFilter(request.GET, queryset=RunnerGroup.objects.visible_to(request.user))
    members = Runner.objects.present().filter(
        account=OuterRef("account"), group_id=OuterRef("github_id")
    )
    columns = (
        account_name(),
        "github_id",
        "name",
        "visibility",
        "default",
        "inherited",
        "allows_public_repositories",
        "restricted_to_workflows",
        "selected_workflows",
        "network_configuration_id",
        "members",
        "owner",
        "tags",
        "note",
        "first_seen_at",
        "gone_at",
    )
    rows = present_unless_asked(listed).annotate(members=counted(members))
    cells = rows.order_by("account__slug", "name", "pk").values_list(*columns)
    return export(
        request,
        file_format,
        "groups",
        GROUP_COLUMNS,
        cells.iterator(chunk_size=CHUNK),
        count=rows.count,
        filters=filters_in_force(listed),
    )
