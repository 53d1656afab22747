"""The export of operations as CSV and JSON, with the filters of their page."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse
from django.views.decorators.http import require_safe

from runners_app.activity.filters import OperationFilter
from runners_app.models import Account, Operation
from runners_app.models.accounts import account_name
from runners_app.web.change_words import Names
from runners_app.web.downloads import Row
from runners_app.web.export import CHUNK, export, filters_in_force
from runners_app.web.pages import Request

OPERATION_COLUMNS = (
    "operation",
    "batch",
    "account",
    "kind",
    "state",
    "target",
    "target_id",
    "name",
    "version",
    "asked_for_by",
    "wanted",
    "requested_at",
    "sent_at",
    "finished_at",
    "reason",
)


@require_safe
def operations(request: Request, file_format: str) -> StreamingHttpResponse:
    """All matching operations, newest first."""
    listed = OperationFilter(request.GET, queryset=Operation.objects.visible_to(request.user))
    columns = (
        "pk",
        "batch",
        account_name(),
        "kind",
        "state",
        "target",
        "target_id",
        "target_name",
        "target_version",
        "actor_name",
        "wanted",
        "requested_at",
        "sent_at",
        "finished_at",
        "reason",
    )
    cells = listed.qs.order_by("-pk").values_list("account", *columns).iterator(chunk_size=CHUNK)
    return export(
        request,
        file_format,
        "operations",
        OPERATION_COLUMNS,
        _without_other_groups(request, cells),
        count=listed.qs.count,
        filters=filters_in_force(listed),
    )


def _without_other_groups(request: Request, rows: Iterable[Sequence[Any]]) -> Iterator[Row]:
    """The rows without their first cell, the account's primary key.

    As on the pages, the requested values name no group the user may not see.
    """
    accounts = Account.objects.visible_to(request.user)
    whole = accounts.fully_visible().values_list("pk", flat=True)
    limited = set(accounts.values_list("pk", flat=True)) - set(whole)
    names, wanted = Names(request.user, limited), OPERATION_COLUMNS.index("wanted")
    for account, *row in rows:
        if account in limited:
            row[wanted] = names.without_other_groups(account, row[wanted])
        yield row
