"""Runners: list, detail, create, edit, delete."""

from typing import Any

from django.contrib import messages
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from runners_app import forms
from runners_app.filters import RunnerFilter
from runners_app.models import Account, FieldChange, Image, Operation, Reading, Runner, RunnerGroup
from runners_app.paging import Order, page_by_key
from runners_app.services import operations
from runners_app.services.readings import make_due
from runners_app.services.wake import wake
from runners_app.views.pages import (
    Request,
    chips_of,
    freshness_of,
    is_unchanged,
    manage_or_403,
    may_manage,
    query_without,
    render_page,
    version_of,
    visible_account_or_404,
    visible_or_404,
)

PAGE_SIZES = (25, 50, 100)
GROUP_KEY = ("account_id", "github_id", "name")
SORTS = {
    "name": Order("name"),
    "status": Order("status"),
    "size": Order("cpu_cores", nullable=True),
    "maximum": Order("maximum_runners", nullable=True),
    "active": Order("last_active_on", is_time=True, nullable=True),
    "since": Order("status_since", is_time=True),
}


@require_safe
def runners(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    by_id = {account.pk: account for account in accounts}
    rows = Runner.objects.all() if request.user.is_superuser else Runner.objects.filter(account__in=by_id)
    listed = RunnerFilter(request.GET, queryset=rows)
    found = listed.qs if listed.shows_gone else listed.qs.filter(gone_at=None)
    size = _page_size(request)
    page = page_by_key(found, _order(request), request.GET, size=size)
    options, groups = _options(accounts)
    for runner in page.rows:
        runner.account = by_id[runner.account_id]
        runner.group_name = groups.get((runner.account_id, runner.group_id or 0), "")
    context = {
        "accounts": accounts,
        "chips": chips_of(listed, request.GET),
        "options": options,
        "page": page,
        "page_sizes": PAGE_SIZES,
        "page_size": size,
        "total": _count(version, found),
        "version": version,
        "moving": any(runner.is_moving for runner in page.rows),
        "sort": request.GET.get("sort", "name"),
        "may_create": any(account.may_be_changed for account in accounts),
        **freshness_of(accounts, Reading.Resource.RUNNERS),
    }
    return render_page(request, "runners/list.html", context, fragment="table")


@require_POST
def runners_refresh(request: Request) -> HttpResponse:
    """Read the runners of every account one may see again at once."""
    for account in Account.objects.visible_to(request.user).filter(paused=False):
        make_due(account, Reading.Resource.RUNNERS)
        wake(account.credential_id)
    messages.success(request, "Asked for. New answers appear here within seconds.")
    return redirect("runners")


def _count(version: str, found: QuerySet[Runner]) -> int:
    """How many match; the same until an account changes, but for filters that compare with the time."""
    return cache.get_or_set(f"runners-found:{version}", found.count, 60) or 0


def _order(request: Request) -> Order:
    asked = request.GET.get("sort", "name")
    order = SORTS.get(asked.removeprefix("-"), SORTS["name"])
    descending = asked.startswith("-") and asked.removeprefix("-") in SORTS
    return Order(order.column, descending, order.is_time, order.nullable)


def _page_size(request: Request) -> int:
    asked = request.GET.get("size_of_page", "")
    return int(asked) if asked in {str(size) for size in PAGE_SIZES} else 50


def _group_name(runner: Runner) -> str:
    group = RunnerGroup.objects.filter(account_id=runner.account_id, github_id=runner.group_id or 0).first()
    return group.name if group else ""


def _options(accounts: list[Account]) -> tuple[dict[str, list[str]], dict[tuple[int, int], str]]:
    """What the filters offer, and the names of groups by account and id; the same until an account changes."""

    def read() -> tuple[dict[str, list[str]], dict[tuple[int, int], str]]:
        rows = Runner.objects.present().filter(account__in=accounts).order_by()
        seen = list(rows.values_list("status", "platform", "size", "image_name").distinct())
        groups = RunnerGroup.objects.filter(account__in=accounts)
        names = {(account, github_id): name for account, github_id, name in groups.values_list(*GROUP_KEY)}
        options = {
            "status": sorted({row[0] for row in seen}),
            "platform": sorted({row[1] for row in seen if row[1]}),
            "size": sorted({row[2] for row in seen if row[2]}, key=_by_number),
            "image": sorted({row[3] for row in seen if row[3]}),
            "group": sorted(set(names.values())),
        }
        return options, names

    return cache.get_or_set(f"runner-options:{version_of(accounts)}", read, 3600) or ({}, {})


def _by_number(size: str) -> tuple[int, str]:
    number = size.partition("-")[0]
    return (int(number) if number.isdecimal() else 10**6, size)


@require_safe
def runner(request: Request, pk: int) -> HttpResponse:
    row = visible_or_404(Runner.objects.select_related("account__credential"), request, pk)
    account = row.account
    version = version_of([account], row.pk)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    row.group_name = _group_name(row)
    asked = Operation.objects.filter(account=account, target=Operation.Target.RUNNER, target_id=row.github_id)
    recent = list(asked.order_by("-pk")[:20])
    context = {
        "runner": row,
        "account": account,
        "reading": Reading.objects.filter(account=account, resource=Reading.Resource.RUNNERS).first(),
        "changes": _changes(row),
        "operations": recent,
        "image_is_offered": _is_offered(row),
        "may_manage": may_manage(request, account) and row.gone_at is None,
        "version": version,
        "workflow": f"runs-on: {row.name}",
        "moving": row.is_moving or any(operation.is_moving for operation in recent),
    }
    return render_page(request, "runners/detail.html", context, fragment="facts")


def _changes(row: Runner) -> "QuerySet[FieldChange]":
    rows = FieldChange.objects.filter(item=FieldChange.Item.RUNNER, item_pk=row.pk)
    return rows.select_related("operation").order_by("-at", "-pk")[:100]


def _is_offered(row: Runner) -> bool | None:
    """Whether the runner's image is in the account's list of images; nothing when that list was never read."""
    images = Image.objects.filter(account_id=row.account_id, source=row.image_source or Image.Source.GITHUB)
    if not images.exists():
        return None
    return images.present().filter(github_id=row.image_id).exists()


@require_http_methods(["GET", "HEAD", "POST"])
def runner_new(request: Request) -> HttpResponse:
    accounts = list(Account.objects.manageable_by(request.user))
    again = _again(request, Operation.Kind.CREATE_RUNNER)
    account = again.account if again else _asked_account(request, accounts)
    if account is None:
        return render(request, "runners/new_account.html", {"accounts": accounts})
    manage_or_403(request, account)
    if request.method == "POST" and "refresh" not in request.POST:
        form = forms.RunnerForm(request.POST, account=account)
        if form.is_valid():
            operation = operations.request_create(
                account, form.cleaned_wanted, by=request.user, nonce=form.nonce_text, again_from=again
            )
            return redirect("operation", operation.pk)
        return _form(request, form, accounts, status=422)
    form = forms.RunnerForm(initial=_initial(request, again), account=account)
    if again:
        form.show_refusal(again)
    return _form(request, form, accounts)


def _asked_account(request: Request, accounts: list[Account]) -> Account | None:
    """The account named in the address or the form; the only one when there is just one."""
    asked = request.POST.get("account") or request.GET.get("account", "")
    chosen = [account for account in accounts if str(account.pk) == asked]
    return chosen[0] if chosen else accounts[0] if len(accounts) == 1 else None


def _again(request: Request, kind: str) -> Operation | None:
    """The operation to edit and send again, named by `?again=`."""
    asked = request.GET.get("again", "")
    if not asked.isascii() or not asked.isdecimal() or len(asked) > 18:
        return None
    return visible_or_404(Operation.objects.filter(kind=kind).select_related("account"), request, int(asked))


def _initial(request: Request, again: Operation | None, runner: Runner | None = None) -> dict[str, Any]:
    """What the form starts with: the operation sent again, the runner, or what was chosen so far."""
    initial: dict[str, Any] = forms.initial_of(operations.values_of(runner)) if runner else {}
    if again:
        initial.update(forms.initial_of(again.wanted))
    for name in ("name", "image", "image_version", "size", "group", "maximum_runners"):
        if name in request.GET:
            initial[name] = request.GET[name]
    return initial


def _form(
    request: Request,
    form: forms.RunnerForm,
    accounts: list[Account],
    *,
    status: int = 200,
) -> HttpResponse:
    context = {"form": form, "account": form.account, "runner": form.runner, "accounts": accounts}
    return render_page(request, "runners/form.html", context, fragment="fields", status=status)


@require_safe
def runner_name(request: Request) -> HttpResponse:
    """Whether GitHub would take a name, while it is typed. `?account=` or `?runner=`, and `?name=`."""
    asked = {key: request.GET.get(key, "") for key in ("account", "runner")}
    row = runner_of = None
    if asked["runner"].isdecimal():
        row = visible_or_404(Runner.objects.select_related("account"), request, int(asked["runner"][:18]))
        runner_of = row.account
    elif asked["account"].isdecimal():
        runner_of = visible_account_or_404(request, int(asked["account"][:18]))
    if runner_of is None:
        raise Http404
    problem = forms.problem_of_name(request.GET.get("name", ""), runner_of, row)
    return render(request, "runners/name_hint.html", {"problem": problem, "account": runner_of})


@require_http_methods(["GET", "HEAD", "POST"])
def runner_edit(request: Request, pk: int) -> HttpResponse:
    row = visible_or_404(Runner.objects.present().select_related("account"), request, pk)
    manage_or_403(request, row.account)
    again = _again(request, Operation.Kind.UPDATE_RUNNER)
    if request.method != "POST":
        initial = {**_initial(request, again, row), "base": forms.signed_base(row)}
        form = forms.RunnerForm(initial=initial, account=row.account, runner=row)
        if again:
            form.show_refusal(again)
        return _form(request, form, [])
    form = forms.RunnerForm(request.POST, account=row.account, runner=row)
    if not form.is_valid():
        return _form(request, form, [], status=422)
    wanted, base, now = form.cleaned_wanted, form.cleaned_data["base"], operations.values_of(row)
    if conflict := operations.conflict_of(base, now, wanted):
        context = {"runner": row, "account": row.account, "conflict": conflict, "form": form}
        return render(request, "runners/conflict.html", {**context, "base": forms.signed_base(row)}, status=409)
    if wanted == base:
        form.add_error(None, "Nothing is different from what the runner has now, so there is nothing to send.")
        return _form(request, form, [], status=422)
    operation = operations.request_update(
        row, wanted, base=base, by=request.user, nonce=form.nonce_text, again_from=again
    )
    return redirect("operation", operation.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def runner_delete(request: Request, pk: int) -> HttpResponse:
    row = visible_or_404(Runner.objects.present().select_related("account"), request, pk)
    manage_or_403(request, row.account)
    form = forms.DeleteForm(request.POST or None, expected=row.name)
    if form.is_valid():
        operation = operations.request_delete_runner(row, by=request.user, nonce=form.nonce_text)
        return redirect("operation", operation.pk)
    row.group_name = _group_name(row)
    alone = not Runner.objects.present().filter(account=row.account, group_id=row.group_id).exclude(pk=pk).exists()
    context = {"runner": row, "account": row.account, "form": form, "is_alone_in_group": alone}
    return render(request, "runners/delete.html", context, status=422 if form.is_bound else 200)
