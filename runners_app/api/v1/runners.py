"""Runners: list, read, create, change, delete."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import uuid4

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from ninja import Query, Router
from pydantic import Field

from runners_app.api.core import (
    READ,
    WRITE,
    Paged,
    account_or_404,
    found_by,
    list_page,
    reference_of,
    url_to,
)
from runners_app.api.problems import ApiError
from runners_app.api.schemas import (
    Change,
    ImageDetails,
    MachineSizeDetails,
    NewRunner,
    PublicIp,
    RunnerChange,
    RunnerOut,
    RunnerPage,
)
from runners_app.api.writes import (
    WRITE_RESPONSES,
    Answer,
    Options,
    Write,
    answer_write,
    changes_of,
    check_manageable,
    check_unchanged,
    etag_of,
    invalid,
    replayed,
)
from runners_app.models import Account, Runner, RunnerGroup
from runners_app.models.runners import RunnerQuerySet
from runners_app.runners.filters import RunnerFilter
from runners_app.runners.forms import RunnerForm, initial_of, signed_base
from runners_app.runners.requests import request_create, request_delete_runner, request_update
from runners_app.runners.settings import RunnerSettings
from runners_app.web.pages import Request, visible_or_404
from runners_app.web.paging import Find, Order

router = Router(tags=["runners"])
SORTS = {
    "name": Order("name_key"),
    "status": Order("status"),
    "since": Order("status_since"),
    "active": Order("last_active_on", nullable=True),
}
# Field of the form → field of the API.
FIELD_OF = {"group": "runner_group_id", "image": "image_id", "__all__": ""}


class RunnerQuery(Paged):
    """The filter words of the search box, and each filter as a parameter of its own."""

    q: str = Field("", description="As in the search box: org:acme status:stuck size:8-core …")
    account: str = Field("", description="Primary key, or as organization:acme.")
    status: str = ""
    platform: str = ""
    size: str = ""
    image: str = ""
    group: str = ""
    static_ip: str = ""
    idle: str = ""
    age: str = ""
    sort: str = Field("name", description="name, status, since or active; a minus descends.")


RunnerFilters = Query[RunnerQuery]


def filtered(request: Request, account: str) -> tuple[RunnerQuerySet, Find]:
    """The runners that match the query string, and how the database should look them up."""
    rows: RunnerQuerySet = Runner.objects.visible_to(request.user)
    data: QueryDict = request.GET.copy()
    data.pop("account", None)
    if account:
        rows = rows.filter(account=account_or_404(request, account))
    listed = RunnerFilter(data, queryset=rows)
    found: RunnerQuerySet = found_by(listed)
    if not listed.shows_gone:
        found = found.filter(gone_at=None)
    if not account and not listed.is_active:
        return found, "all"
    return found, "few" if listed.is_by_index else "many"


def runners_out(request: Request, runners: Iterable[Runner]) -> list[RunnerOut]:
    """Runners of the API, with accounts and groups in two queries."""
    runners = list(runners)
    found = Account.objects.only("kind", "slug")
    accounts = found.in_bulk({runner.account_id for runner in runners})
    references = {pk: reference_of(account) for pk, account in accounts.items()}
    groups = RunnerGroup.objects.visible_to(request.user).filter(
        account__in=accounts, github_id__in={runner.group_id for runner in runners}
    )
    names = {
        (account, github_id): name
        for account, github_id, name in groups.values_list("account_id", "github_id", "name")
    }
    base, page = url_to(request, "runners/"), request.build_absolute_uri(reverse("runners"))
    return [
        RunnerOut(
            id=row.github_id,
            name=row.name,
            runner_group_id=row.group_id,
            image_details=ImageDetails(
                id=row.image_id,
                size_gb=row.image_size_gb,
                display_name=row.image_name,
                source=row.image_source,
                version=row.image_version,
            ),
            machine_size_details=MachineSizeDetails(
                id=row.size,
                cpu_cores=row.cpu_cores,
                memory_gb=row.memory_gb,
                storage_gb=row.storage_gb,
            ),
            status=row.shown_status,
            platform=row.platform,
            maximum_runners=row.maximum_runners,
            public_ip_enabled=row.static_ip,
            public_ips=[
                PublicIp(
                    enabled=ip.get("enabled") is not False,
                    prefix=ip.get("prefix") or "",
                    length=ip.get("length"),
                )
                for ip in row.public_ips
            ],
            last_active_on=row.last_active_on,
            image_gen=row.image_gen,
            pk=row.pk,
            account=references[row.account_id],
            group=names.get((row.account_id, row.group_id or 0)),
            owner=row.owner or None,
            tags=row.tag_list,
            status_since=row.status_since,
            first_seen_at=row.first_seen_at,
            observed_at=row.observed_at,
            gone_at=row.gone_at,
            settings_etag=etag_of(RunnerSettings.of(row)),
            url=f"{base}{row.pk}",
            html_url=f"{page}{row.pk}/",
        )
        for row in runners
    ]


@router.get("/runners", response=RunnerPage, auth=READ)
def list_runners(request: Request, response: HttpResponse, query: RunnerFilters) -> RunnerPage:
    """Runners, filtered with the words of the search box."""
    rows, find = filtered(request, query.account)
    order = SORTS.get(query.sort.removeprefix("-"))
    if order is None:
        raise ApiError(422, "Unknown sort.", errors=[("sort", f"One of {', '.join(SORTS)}.")])
    order = replace(order, descending=query.sort.startswith("-"))
    page, after = list_page(request, response, rows, order, query, find=find)
    return RunnerPage(rows=runners_out(request, page), next=after)


@router.get("/runners/{int:pk}", response=RunnerOut, auth=READ)
def get_runner(request: Request, pk: int) -> RunnerOut:
    """One runner, also one that is gone."""
    row = visible_or_404(Runner.objects.all(), request, pk)
    return runners_out(request, [row])[0]


@router.post("/accounts/{account}/runners", response=WRITE_RESPONSES, auth=WRITE)
def create_runner(
    request: Request,
    response: HttpResponse,
    account: str,
    body: NewRunner,
    options: Options,
) -> Answer:
    """Request a new runner."""
    if (earlier := replayed(request, response, options)) is not None:
        return earlier
    row = account_or_404(request, account)
    check_manageable(request, row)
    wanted = RunnerSettings(
        name=body.name,
        runner_group_id=body.runner_group_id,
        maximum_runners=body.maximum_runners,
        enable_static_ip=body.enable_static_ip,
        size=body.size,
        image_id=body.image.id,
        image_source=body.image.source,
        image_version=body.image.version,
        image_gen=body.image_gen,
    )
    settings = _valid(RunnerForm(_form_data(wanted), account=row))
    return answer_write(
        request,
        response,
        options,
        Write(
            changes_of(settings, None),
            lambda nonce: request_create(row, settings, by=request.user, nonce=nonce),
        ),
    )


@router.patch("/runners/{int:pk}", response=WRITE_RESPONSES, auth=WRITE)
def update_runner(
    request: Request,
    response: HttpResponse,
    pk: int,
    body: RunnerChange,
    options: Options,
) -> Answer:
    """Request a change; only the fields in the body are sent to GitHub.

    Send the runner's `settings_etag` as If-Match to change it only if nobody else did.
    """
    if (earlier := replayed(request, response, options)) is not None:
        return earlier
    row = visible_or_404(Runner.objects.present().select_related("account"), request, pk)
    check_manageable(request, row.account)
    base = RunnerSettings.of(row)
    check_unchanged(request, etag_of(base))

    wanted = replace(base, **body.model_dump(exclude_unset=True))
    data = {**_form_data(wanted), "base": signed_base(row)}
    settings = _valid(RunnerForm(data, account=row.account, runner=row))
    if settings == base:
        raise ApiError(422, "Nothing differs from the runner's present settings.")
    return answer_write(
        request,
        response,
        options,
        Write(
            changes_of(settings, base),
            lambda nonce: request_update(row, settings, base=base, by=request.user, nonce=nonce),
        ),
    )


@router.delete("/runners/{int:pk}", response=WRITE_RESPONSES, auth=WRITE)
def delete_runner(request: Request, response: HttpResponse, pk: int, options: Options) -> Answer:
    """Request the deletion of a runner."""
    if (earlier := replayed(request, response, options)) is not None:
        return earlier
    row = visible_or_404(Runner.objects.present().select_related("account"), request, pk)
    check_manageable(request, row.account)
    check_unchanged(request, etag_of(RunnerSettings.of(row)))
    return answer_write(
        request,
        response,
        options,
        Write(
            [Change(field="name", before=row.name, after=None)],
            lambda nonce: request_delete_runner(row, by=request.user, nonce=nonce),
        ),
    )


def _form_data(wanted: RunnerSettings) -> dict[str, object]:
    """The fields of the form that pages send, so that both are validated alike."""
    data = {**initial_of(wanted), "nonce": str(uuid4())}
    return {name: value for name, value in data.items() if value is not None and value is not False}


def _valid(form: RunnerForm) -> RunnerSettings:
    if not form.is_valid():
        raise invalid(form.errors, FIELD_OF)
    return form.settings
