"""Runner groups, and the repositories or organizations that may use them."""

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
    PageQuery,
    account_or_404,
    found_by,
    list_page,
    reference_of,
    url_to,
)
from runners_app.api.problems import ApiError
from runners_app.api.schemas import (
    AccessOut,
    AccessPage,
    Change,
    GroupChange,
    GroupOut,
    GroupPage,
    NewGroup,
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
from runners_app.groups.filters import GroupFilter
from runners_app.groups.forms import GroupForm, initial_of_group, signed_base_of_group
from runners_app.groups.requests import (
    request_create_group,
    request_delete_group,
    request_update_group,
)
from runners_app.groups.settings import GroupSettings
from runners_app.models import GroupAccess, RunnerGroup
from runners_app.web.pages import Request, visible_or_404
from runners_app.web.paging import Order

router = Router(tags=["groups"])


class GroupQuery(Paged):
    q: str = Field("", description="As in the search box: words, visibility:…, public:yes.")
    account: str = Field("", description="Primary key, or as organization:acme.")
    visibility: str = ""
    public: str = ""
    inherited: str = ""
    state: str = ""


GroupFilters = Query[GroupQuery]


def group_out(request: Request, row: RunnerGroup) -> GroupOut:
    page = request.build_absolute_uri(reverse("group", args=[row.pk]))
    url, etag = url_to(request, f"groups/{row.pk}"), etag_of(GroupSettings.of(row))
    return GroupOut.of(row, reference_of(row.account), etag, url, page)


@router.get("/groups", response=GroupPage, auth=READ)
def list_groups(request: Request, response: HttpResponse, query: GroupFilters) -> GroupPage:
    """Runner groups, by name."""
    rows = RunnerGroup.objects.visible_to(request.user).select_related("account")
    data: QueryDict = request.GET.copy()
    data.pop("account", None)
    if query.account:
        rows = rows.filter(account=account_or_404(request, query.account))
    listed = GroupFilter(data, queryset=rows)
    found = found_by(listed)
    if not listed.shows_gone:
        found = found.filter(gone_at=None)
    page, after = list_page(request, response, found, Order("name"), query)
    return GroupPage(rows=[group_out(request, row) for row in page], next=after)


@router.get("/groups/{int:pk}", response=GroupOut, auth=READ)
def get_group(request: Request, pk: int) -> GroupOut:
    """One runner group, also one that is gone."""
    row = visible_or_404(RunnerGroup.objects.select_related("account"), request, pk)
    return group_out(request, row)


@router.get("/groups/{int:pk}/access", response=AccessPage, auth=READ)
def list_group_access(
    request: Request, response: HttpResponse, pk: int, paged: PageQuery
) -> AccessPage:
    """The repositories or organizations on the access list of a group, by name."""
    row = visible_or_404(RunnerGroup.objects.all(), request, pk)
    rows = GroupAccess.objects.filter(group=row)
    page, after = list_page(request, response, rows, Order("name"), paged)
    lines = [AccessOut(id=line.github_id, name=line.name, private=line.private) for line in page]
    return AccessPage(rows=lines, next=after)


@router.post("/accounts/{account}/groups", response=WRITE_RESPONSES, auth=WRITE)
def create_group(
    request: Request,
    response: HttpResponse,
    account: str,
    body: NewGroup,
    options: Options,
) -> Answer:
    """Request a new runner group."""
    if (earlier := replayed(request, response, options)) is not None:
        return earlier
    row = account_or_404(request, account)
    check_manageable(request, row)
    values = body.model_dump(exclude={"members"})
    wanted = GroupSettings(**{**values, "selected_workflows": tuple(body.selected_workflows)})
    form = _valid(GroupForm(_form_data(wanted, body.members), account=row))
    settings, add = form.settings, form.cleaned_add
    write = Write(
        changes_of(settings, None),
        lambda nonce: request_create_group(row, settings, add=add, by=request.user, nonce=nonce),
    )
    return answer_write(request, response, options, write)


@router.patch("/groups/{int:pk}", response=WRITE_RESPONSES, auth=WRITE)
def update_group(
    request: Request,
    response: HttpResponse,
    pk: int,
    body: GroupChange,
    options: Options,
) -> Answer:
    """Request a change of a group's settings, and of its access list."""
    if (earlier := replayed(request, response, options)) is not None:
        return earlier
    row = visible_or_404(RunnerGroup.objects.present().select_related("account"), request, pk)
    check_manageable(request, row.account)
    if row.inherited:
        raise ApiError(409, f"{row.name} is managed by the enterprise. Change it there.")
    base = GroupSettings.of(row)
    check_unchanged(request, etag_of(base))

    values = body.model_dump(exclude_unset=True, exclude={"members", "remove"})
    if "selected_workflows" in values:
        values["selected_workflows"] = tuple(values["selected_workflows"] or ())
    data = _form_data(replace(base, **values), body.members)
    data["base"] = signed_base_of_group(row)
    form = _valid(GroupForm(data, account=row.account, group=row))
    settings, add = form.settings, form.cleaned_add
    remove = _lines_named(row, body.remove)
    if settings == base and not (add or remove):
        raise ApiError(422, "Nothing differs from the group's present settings.")
    lists = {"members": sorted(add.values()), "remove": sorted(remove.values())}
    changes = changes_of(settings, base)
    changes += [Change(field=name, before=None, after=[*v]) for name, v in lists.items() if v]
    write = Write(
        changes,
        lambda nonce: request_update_group(
            row, settings, base=base, add=add, remove=remove, by=request.user, nonce=nonce
        ),
    )
    return answer_write(request, response, options, write)


@router.delete("/groups/{int:pk}", response=WRITE_RESPONSES, auth=WRITE)
def delete_group(request: Request, response: HttpResponse, pk: int, options: Options) -> Answer:
    """Request the deletion of a group, which must be empty by then."""
    if (earlier := replayed(request, response, options)) is not None:
        return earlier
    row = visible_or_404(RunnerGroup.objects.present().select_related("account"), request, pk)
    check_manageable(request, row.account)
    check_unchanged(request, etag_of(GroupSettings.of(row)))
    write = Write(
        [Change(field="name", before=row.name, after=None)],
        lambda nonce: request_delete_group(row, by=request.user, nonce=nonce),
    )
    return answer_write(request, response, options, write)


def _lines_named(row: RunnerGroup, names: list[str]) -> dict[str, str]:
    """Lines of the access list: GitHub's id → name. Raises ApiError 422 for an unknown name."""
    by_name = {line.name.lower(): line for line in row.access.all()} if names else {}
    unknown = [name for name in names if name.lower() not in by_name]
    if unknown:
        wrong = [("body.remove", f"{name} is not on the list.") for name in unknown]
        raise ApiError(422, "Some names are not on the access list.", errors=wrong)
    found = (by_name[name.lower()] for name in names)
    return {str(line.github_id): line.name for line in found}


def _form_data(wanted: GroupSettings, members: list[str]) -> dict[str, object]:
    """The fields of the form that pages send, so that both are validated alike."""
    data = {
        **initial_of_group(wanted),
        "members": "\n".join(members),
        "nonce": str(uuid4()),
    }
    return {name: value for name, value in data.items() if value is not None and value is not False}


def _valid(form: GroupForm) -> GroupForm:
    if not form.is_valid():
        raise invalid(form.errors, {"__all__": ""})
    return form
