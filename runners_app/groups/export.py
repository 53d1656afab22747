"""Every list as CSV and as JSON, at stable addresses, with the filter of its page and for the same
eyes.

Each leaves a line in the audit log before its first row leaves; if that line cannot be written,
nothing leaves.
"""

from typing import TYPE_CHECKING

from django.db.models import OuterRef
from django.http import StreamingHttpResponse
from django.views.decorators.http import require_safe

from runners_app.groups.filters import GroupFilter
from runners_app.models import Runner, RunnerGroup
from runners_app.web.pages import Request

if TYPE_CHECKING:
    pass
from runners_app.web.export import CHUNK, _counted, _present_unless_asked, asked_of, export

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
    "first_seen_at",
    "gone_at",
)


@require_safe
def groups(request: Request, form: str) -> StreamingHttpResponse:
    listed = GroupFilter(request.GET, queryset=RunnerGroup.objects.visible_to(request.user))
    members = Runner.objects.present().filter(
        account=OuterRef("account"), group_id=OuterRef("github_id")
    )
    columns = (
        "account__slug",
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
        "first_seen_at",
        "gone_at",
    )
    rows = _present_unless_asked(listed).annotate(members=_counted(members))
    cells = rows.order_by("account__slug", "name", "pk").values_list(*columns)
    return export(
        request,
        form,
        "groups",
        GROUP_COLUMNS,
        cells.iterator(chunk_size=CHUNK),
        count=rows.count,
        asked=asked_of(listed),
    )
