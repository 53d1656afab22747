"""Every list as CSV and as JSON, at stable addresses, with the filter of its page and for the same eyes.

Each leaves a line in the audit log before its first row leaves; if that line cannot be written, nothing leaves.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from runners_app.change_words import Names
from runners_app.exports import FORMS, Row, export_answer
from runners_app.filters import GroupFilter, ImageFilter, OperationFilter, RunnerFilter
from runners_app.models import Account, Image, Operation, Runner, RunnerGroup
from runners_app.services.exports import record_export
from runners_app.services.overview import AccountFacts, read_accounts
from runners_app.sign_in import address_of
from runners_app.views.pages import Request

if TYPE_CHECKING:
    from django_filters import FilterSet

Asked = Iterable[tuple[str, str]]
CHUNK = 1000
RUNNER_COLUMNS = (
    "account", "id", "name", "status", "status_since", "platform", "image", "image_id", "image_source", "image_version",
    "size", "cpu_cores", "memory_gb", "storage_gb", "group", "group_id", "maximum_runners", "static_ip", "public_ips",
    "last_active_on", "builds_images", "first_seen_at", "gone_at",
)  # fmt: skip
IMAGE_COLUMNS = (
    "account", "source", "id", "name", "platform", "size_gb", "versions", "latest_version", "state", "used_by_runners",
    "first_seen_at", "gone_at",
)  # fmt: skip
GROUP_COLUMNS = (
    "account", "id", "name", "visibility", "default", "inherited", "allows_public_repositories",
    "restricted_to_workflows", "selected_workflows", "network_configuration_id", "runners", "first_seen_at", "gone_at",
)  # fmt: skip
OPERATION_COLUMNS = (
    "operation", "batch", "account", "kind", "state", "target", "target_id", "name", "version", "asked_for_by",
    "wanted", "requested_at", "sent_at", "finished_at", "reason",
)  # fmt: skip
ACCOUNT_COLUMNS = (
    "account", "kind", "api_url", "runners", "machines", "static_ips_used", "static_ips_maximum", "observe_only",
    "paused", "demo", "credential", "token_expires_at", "synced_at", "failing",
)  # fmt: skip


def export(
    request: Request, form: str, name: str, header: Sequence[str], rows: Iterable[Row], *,
    count: Callable[[], int], asked: Asked = (),
) -> StreamingHttpResponse:  # fmt: skip
    """A download of rows, written down first. `count` is how many there are. HEAD takes none, so nothing is written."""
    if form not in FORMS:
        raise Http404
    if request.method == "HEAD":
        return export_answer(form, name, header, ())
    _write_down(request, form, name, count(), asked)
    return export_answer(form, name, header, rows)


def export_text(request: Request, name: str, lines: Sequence[str], *, asked: Asked) -> HttpResponse:
    """The same as plain text."""
    headers = {"Cache-Control": "no-store"}
    body = ""
    if request.method != "HEAD":
        _write_down(request, "txt", name, len(lines), asked)
        body = "".join(f"{line}\n" for line in lines)
    return HttpResponse(body, content_type="text/plain; charset=utf-8", headers=headers)


def _write_down(request: Request, form: str, name: str, rows: int, asked: Asked) -> None:
    record_export(name, by=request.user, form=form, rows=rows, asked=asked, address=address_of(request))


def asked_of(listed: "FilterSet") -> list[tuple[str, str]]:
    """The filters in force; what makes no sense filters nothing."""
    listed.form.is_valid()
    return [(name, str(value)) for name, value in listed.form.cleaned_data.items() if value not in (None, "")]


@require_safe
def runners(request: Request, form: str) -> StreamingHttpResponse:
    listed = RunnerFilter(request.GET, queryset=Runner.objects.visible_to(request.user))
    groups = RunnerGroup.objects.filter(account=OuterRef("account"), github_id=OuterRef("group_id"))
    rows = _present_unless_asked(listed).annotate(group_title=Subquery(groups.values("name")[:1]))
    cells = _runner_rows(rows.select_related("account"))
    return export(request, form, "runners", RUNNER_COLUMNS, cells, count=rows.count, asked=asked_of(listed))


def _runner_rows(rows: "QuerySet[Any]") -> Iterator[Row]:
    for row in rows.order_by("account__slug", "name", "pk").iterator(chunk_size=CHUNK):
        yield (
            row.account.slug, row.github_id, row.name, row.status, row.status_since, row.platform, row.image_name,
            row.image_id, row.image_source, row.image_version, row.size, row.cpu_cores, row.memory_gb, row.storage_gb,
            row.group_title, row.group_id, row.maximum_runners, row.static_ip, row.ip_ranges, row.last_active_on,
            row.image_gen, row.first_seen_at, row.gone_at,
        )  # fmt: skip


@require_safe
def images(request: Request, form: str) -> StreamingHttpResponse:
    """Those of the chosen tab; images that all accounts share stand once for each account that is offered them."""
    asked = request.GET.get("source", "")
    source = asked if asked in Image.Source.values else Image.Source.CUSTOM
    listed = ImageFilter(request.GET, queryset=Image.objects.visible_to(request.user).filter(source=source))
    users = Runner.objects.visible_to(request.user).present().filter(image_source=source)
    users = users.filter(account=OuterRef("account"), image_id=OuterRef("github_id"))
    rows = _present_unless_asked(listed).annotate(users=_counted(users))
    columns = (
        "account__slug", "source", "github_id", "name", "platform", "size_gb", "versions_count", "latest_version",
        "state", "users", "first_seen_at", "gone_at",
    )  # fmt: skip
    cells = rows.order_by("account__slug", "name", "pk").values_list(*columns)
    return export(
        request, form, "images", IMAGE_COLUMNS, cells.iterator(chunk_size=CHUNK),
        count=rows.count, asked=[("source", source), *asked_of(listed)],
    )  # fmt: skip


@require_safe
def groups(request: Request, form: str) -> StreamingHttpResponse:
    listed = GroupFilter(request.GET, queryset=RunnerGroup.objects.visible_to(request.user))
    members = Runner.objects.present().filter(account=OuterRef("account"), group_id=OuterRef("github_id"))
    columns = (
        "account__slug", "github_id", "name", "visibility", "default", "inherited", "allows_public_repositories",
        "restricted_to_workflows", "selected_workflows", "network_configuration_id", "members", "first_seen_at",
        "gone_at",
    )  # fmt: skip
    rows = _present_unless_asked(listed).annotate(members=_counted(members))
    cells = rows.order_by("account__slug", "name", "pk").values_list(*columns)
    return export(
        request, form, "groups", GROUP_COLUMNS, cells.iterator(chunk_size=CHUNK),
        count=rows.count, asked=asked_of(listed),
    )  # fmt: skip


@require_safe
def operations(request: Request, form: str) -> StreamingHttpResponse:
    """Newest first."""
    listed = OperationFilter(request.GET, queryset=Operation.objects.visible_to(request.user))
    columns = (
        "pk", "batch", "account__slug", "kind", "state", "target", "target_id", "target_name", "target_version",
        "actor_name", "wanted", "requested_at", "sent_at", "finished_at", "reason",
    )  # fmt: skip
    cells = listed.qs.order_by("-pk").values_list("account", *columns).iterator(chunk_size=CHUNK)
    return export(
        request, form, "operations", OPERATION_COLUMNS, _without_other_groups(request, cells),
        count=listed.qs.count, asked=asked_of(listed),
    )  # fmt: skip


def _without_other_groups(request: Request, rows: Iterable[Sequence[Any]]) -> Iterator[Row]:
    """Rows that begin with the key of their account, without it; as on the pages, `wanted` names no unseen group."""
    accounts = Account.objects.visible_to(request.user)
    limited = set(accounts.values_list("pk", flat=True)) - set(accounts.seen_whole().values_list("pk", flat=True))
    names, wanted = Names(request.user, limited), OPERATION_COLUMNS.index("wanted")
    for account, *row in rows:
        if account in limited:
            row[wanted] = names.without_other_groups(account, row[wanted])
        yield row


@require_safe
def accounts(request: Request, form: str) -> StreamingHttpResponse:
    found = read_accounts(request.user, timezone.now())
    return export(request, form, "accounts", ACCOUNT_COLUMNS, map(_account_row, found), count=found.__len__)


def _account_row(each: AccountFacts) -> Row:
    account: Account = each.account
    limits, credential = each.limits, account.credential
    return (
        account.slug, account.kind, account.api_url, each.runners, each.machines, limits.used if limits else None,
        limits.maximum if limits else None, account.observe_only, account.paused, account.demo, credential.kind,
        credential.token_expires_at, each.synced_at, [reading.resource for reading in each.failing],
    )  # fmt: skip


def _present_unless_asked(listed: Any) -> "QuerySet[Any]":
    """As on the pages: what is gone only when the filter asks for it."""
    found: QuerySet[Any] = listed.qs if listed.shows_gone else listed.qs.filter(gone_at=None)
    return found


def _counted(rows: "QuerySet[Any]") -> Coalesce:
    """How many rows there are for each row of the outer query."""
    counts = rows.order_by().values("account").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counts, output_field=IntegerField()), 0)
