"""Form pages of runner groups: create, edit, delete, the access list, self-hosted runners."""

from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from runners_app.accounts.accounts import SLUG
from runners_app.groups import requests as asking
from runners_app.groups.forms import (
    GroupForm,
    MoveForm,
    initial_of_group,
    members_of,
    signed_base_of_group,
)
from runners_app.groups.settings import GroupSettings
from runners_app.models import (
    Account,
    GroupAccess,
    Operation,
    Repository,
    Runner,
    RunnerGroup,
    SelfHostedRunner,
)
from runners_app.models.visibility import limited_by
from runners_app.web.change_words import Names
from runners_app.web.forms import DeleteForm, NonceForm, new_nonce
from runners_app.web.pages import (
    Request,
    id_or_404,
    manage_or_403,
    render_page,
    visible_account_or_404,
    visible_or_404,
)
from runners_app.web.paging import Order, page_by_key
from runners_app.web.references import (
    account_for_create,
    named_rows_or_404,
    resubmitted_or_404,
)

MOST_AT_ONCE = 1000


def _own_group(request: Request, pk: int) -> RunnerGroup:
    row = visible_or_404(RunnerGroup.objects.present().select_related("account"), request, pk)
    manage_or_403(request, row.account)
    return row


@require_http_methods(["GET", "HEAD", "POST"])
def group_new(request: Request) -> HttpResponse:
    """Request a new group, in an account chosen first."""
    accounts = list(Account.objects.manageable_by(request.user))
    again = resubmitted_or_404(request, Operation.Kind.CREATE_GROUP)
    account = account_for_create(request, accounts, again)
    if account is None:
        status = 200 if accounts or request.user.is_superuser else 403
        return render(request, "groups/new_account.html", {"accounts": accounts}, status=status)
    form = GroupForm(request.POST or None, account=account, initial=_first_values(again))
    if form.is_valid():
        operation = asking.request_create_group(
            account,
            form.settings,
            add=form.cleaned_add,
            by=request.user,
            nonce=form.nonce_text,
            again_from=again,
        )
        return redirect("operation", operation.pk)
    return _form(request, form, again)


def _first_values(again: Operation | None) -> dict[str, Any]:
    if again is None:
        return {"visibility": "selected"}
    return {
        **initial_of_group(GroupSettings.from_stored(again.wanted)),
        "members": _names_in(again),
    }


def _names_in(again: Operation) -> str:
    return "\n".join(name for _, name in asking.str_pairs(again.wanted.get("add")))


def _form(request: Request, form: GroupForm, again: Operation | None) -> HttpResponse:
    if again and not form.is_bound:
        form.show_refusal(again)
    conflict: dict[str, list[object]] = {}
    if again and again.conflict and form.group:
        names = Names(request.user, [form.account.pk])
        now = GroupSettings.of(form.group).stored()
        conflict = names.conflict_now(form.account.pk, again.conflict, now)
    context = {
        "form": form,
        "account": form.account,
        "group": form.group,
        "conflict": conflict,
    }
    return render(request, "groups/form.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def group_edit(request: Request, pk: int) -> HttpResponse:
    """Request other settings, unless they conflict with a change made since the form opened."""
    row = _own_group(request, pk)
    if row.inherited:
        messages.info(
            request,
            f"{row.name} is managed by the enterprise. Here only its repositories can be changed.",
        )
        return redirect("group-access", row.pk)
    again = resubmitted_or_404(request, Operation.Kind.UPDATE_GROUP, target=row)
    now = GroupSettings.of(row)
    first = now
    if again:
        wanted = GroupSettings.from_stored(again.wanted)
        first = wanted.on_top_of(now, base=GroupSettings.from_stored(again.base))
    initial = {**initial_of_group(first), "base": signed_base_of_group(row)}
    if again:
        initial["members"] = _names_in(again)
    form = GroupForm(request.POST or None, account=row.account, group=row, initial=initial)
    if not form.is_valid():
        return _form(request, form, again)
    wanted, base, add = form.settings, form.base_settings, form.cleaned_add
    if conflict := wanted.conflicts_with(now, base=base):
        mine = initial_of_group(wanted.on_top_of(now, base=base))
        mine |= {"base": signed_base_of_group(row), "members": request.POST.get("members", "")}
        again_form = GroupForm(account=row.account, group=row, initial=mine)
        context = {"group": row, "account": row.account, "conflict": conflict, "form": again_form}
        return render(request, "groups/conflict.html", context, status=409)
    if wanted == base and not add:
        form.add_error(
            None, "Nothing is different from what the group has now, so there is nothing to send."
        )
        return _form(request, form, again)
    operation = asking.request_update_group(
        row, wanted, base=base, add=add, by=request.user, nonce=form.nonce_text, again_from=again
    )
    return redirect("operation", operation.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def group_delete(request: Request, pk: int) -> HttpResponse:
    """Request the deletion of a group, after its name was typed."""
    row = _own_group(request, pk)
    form = DeleteForm(request.POST or None, expected=row.name)
    if form.is_valid():
        operation = asking.request_delete_group(row, by=request.user, nonce=form.nonce_text)
        return redirect("operation", operation.pk)
    inside = Runner.objects.present().filter(account=row.account, group_id=row.github_id)
    machines = SelfHostedRunner.objects.present().filter(
        account=row.account, group_id=row.github_id
    )
    context = {
        "group": row,
        "account": row.account,
        "form": form,
        "runners": inside.count(),
        "self_hosted": machines.count(),
    }
    return render(request, "groups/delete.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def group_access(request: Request, pk: int) -> HttpResponse:
    """Show the access list of a group, searchable; managers of the account can change it."""
    row = visible_or_404(RunnerGroup.objects.select_related("account"), request, pk)
    if request.method == "POST":
        return _change_access(request, row)
    account = visible_account_or_404(request, row.account_id)
    is_organization = account.kind == Account.Kind.ORGANIZATION
    sees_whole = limited_by(account) is None
    show = request.GET.get("show", "all") if is_organization and sees_whole else "with"
    words = request.GET.get("q", "").replace("\0", "").strip()[:100]
    candidates = _lines(row) if show == "with" else _candidates(row, account)
    if show == "without":
        candidates = candidates.filter(has_access=False)
    if words:
        candidates = candidates.filter(name__icontains=words)
    page = page_by_key(candidates, Order("name"), request.GET)
    manages = row.gone_at is None and account.may_be_changed
    context = {
        "group": row,
        "account": account,
        "page": page,
        "show": show,
        "words": words,
        "nonce": new_nonce(),
        "listed": row.access.count(),
        "may_manage": manages,
        "sees_whole": sees_whole,
        "organizations": _organizations_to_add(request, row)
        if manages and not is_organization
        else [],
    }
    return render_page(request, "groups/access.html", context, fragment="rows")


def _candidates(row: RunnerGroup, organization: Account) -> QuerySet[Any]:
    """Repositories of the organization that the user may see, annotated with `has_access`."""
    lines = GroupAccess.objects.filter(group=row, github_id=OuterRef("github_id"))
    return Repository.objects.present().within([organization]).annotate(has_access=Exists(lines))


def _lines(row: RunnerGroup) -> QuerySet[Any]:
    return GroupAccess.objects.filter(group=row).annotate(
        has_access=Exists(GroupAccess.objects.filter(group=row))
    )


def _organizations_to_add(request: Request, row: RunnerGroup) -> list[str]:
    """Suggest organizations for an enterprise's group: on a list of the enterprise, or visible to
    the user here, and not on the group's own list.
    """
    listed = {name.lower() for name in row.access.values_list("name", flat=True)}
    near = Account.objects.visible_to(request.user)
    near = near.filter(kind=Account.Kind.ORGANIZATION, api_url=row.account.api_url)
    known = {name for _, name in members_of(row.account)} | set(
        near.values_list("slug", flat=True)[:MOST_AT_ONCE]
    )
    return sorted(name for name in known if name.lower() not in listed)


def _change_access(request: Request, row: RunnerGroup) -> HttpResponse:
    manage_or_403(request, row.account)
    form = NonceForm(request.POST)
    add, remove = _ticked(request, row)
    if not form.is_valid() or not (add or remove):
        messages.error(request, "Tick at least one line first. No operation was created.")
        return redirect("group-access", row.pk)
    values = GroupSettings.of(row)
    operation = asking.request_update_group(
        row, values, base=values, add=add, remove=remove, by=request.user, nonce=form.nonce_text
    )
    return redirect("operation", operation.pk)


def _ticked(request: Request, row: RunnerGroup) -> tuple[dict[str, str], dict[str, str]]:
    """Return the lines to add and to remove: GitHub's id → name.

    An organization may be given by name instead. A repository of another organization is 404; an
    id that left the list since the page was shown is ignored.
    """
    ids = {id_or_404(key) for key in request.POST.getlist("line")[:MOST_AT_ONCE]}
    listed = {
        str(key): name
        for key, name in row.access.filter(github_id__in=ids).values_list("github_id", "name")
    }
    is_organization = row.account.kind == Account.Kind.ORGANIZATION
    repositories = Repository.objects.filter(account=row.account, github_id__in=ids)
    own = {*repositories.values_list("github_id", flat=True), *map(int, listed)}
    if is_organization and ids - own:
        raise Http404
    if request.POST.get("action") == "remove":
        return {}, listed
    if is_organization:
        found = repositories.present().values_list("github_id", "name")
        return {str(key): name for key, name in found if str(key) not in listed}, {}
    name = request.POST.get("organization", "").strip()
    if not SLUG.fullmatch(name):
        return {}, {}
    known = {login.lower(): str(key) for key, login in members_of(row.account)}
    return {known.get(name.lower(), f"{asking.UNKNOWN}{name}"): name}, {}


@require_POST
def group_self_hosted(request: Request, pk: int) -> HttpResponse:
    """Request moving the ticked self-hosted runners to another group, as one batch."""
    row = _own_group(request, pk)
    form = MoveForm(request.POST, account=row.account)
    if key := request.POST.get("group"):
        named_rows_or_404(RunnerGroup.objects.filter(account=row.account), [key])
    machines = SelfHostedRunner.objects.filter(account=row.account).select_related("account")
    named = named_rows_or_404(machines, request.POST.getlist("runner")[:MOST_AT_ONCE])
    # One that has left this group since the page was shown is not moved.
    chosen = [each for each in named if not each.gone_at and each.group_id == row.github_id]
    if not chosen or not form.is_valid():
        messages.error(
            request,
            "Tick the runners and choose the group to move them to. No operation was created.",
        )
        return redirect("group", row.pk)
    batch, target = form.cleaned_data["nonce"], form.cleaned_data["group"]
    asking.request_moves_self_hosted(chosen, target, by=request.user, batch=batch)
    return redirect("batch", batch)


@require_http_methods(["GET", "HEAD", "POST"])
def self_hosted_delete(request: Request, pk: int) -> HttpResponse:
    """Request the removal of a self-hosted runner from GitHub, after its name was typed."""
    row = visible_or_404(SelfHostedRunner.objects.present().select_related("account"), request, pk)
    manage_or_403(request, row.account)
    form = DeleteForm(request.POST or None, expected=row.name)
    if form.is_valid():
        operation = asking.request_delete_self_hosted(row, by=request.user, nonce=form.nonce_text)
        return redirect("operation", operation.pk)
    context = {"machine": row, "account": row.account, "form": form}
    return render(
        request, "groups/self_hosted_delete.html", context, status=422 if form.is_bound else 200
    )
