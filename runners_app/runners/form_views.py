"""Create, edit and delete one runner, and the fragments its forms load while they are filled in."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from runners_app.jobs.prices import PRICES_AS_OF, usd_per_hour
from runners_app.jobs.queries import usage_of_pool
from runners_app.models import Account, Image, Operation, Runner
from runners_app.runners.bulk import values_of_clone
from runners_app.runners.forms import RunnerForm, initial_of, problem_of_name, signed_base
from runners_app.runners.requests import request_create, request_delete_runner, request_update
from runners_app.runners.settings import RunnerSettings
from runners_app.web.change_words import Names
from runners_app.web.forms import DeleteForm
from runners_app.web.numbers import number_in
from runners_app.web.pages import (
    Request,
    group_name_of,
    id_or_404,
    manage_or_403,
    render_page,
    visible_account_or_404,
    visible_or_404,
)
from runners_app.web.references import account_for_create, named_or_404, resubmitted_or_404


@require_http_methods(["GET", "HEAD", "POST"])
def runner_new(request: Request) -> HttpResponse:
    accounts = list(Account.objects.manageable_by(request.user))
    again = resubmitted_or_404(request, Operation.Kind.CREATE_RUNNER)
    clone = named_or_404(Runner.objects.select_related("account"), request, "clone")
    account = account_for_create(request, accounts, again)
    if account is None:
        status = 200 if accounts or request.user.is_superuser else 403
        return render(
            request,
            "runners/new_account.html",
            {"accounts": accounts, "clone": clone},
            status=status,
        )
    if request.method == "POST":
        form = RunnerForm(request.POST, account=account)
        if form.is_valid():
            operation = request_create(
                account, form.settings, by=request.user, nonce=form.nonce_text, again_from=again
            )
            return redirect("operation", operation.pk)
        return _form(request, form, accounts, status=422)
    initial = {**(values_of_clone(clone, account) if clone else {}), **_initial(request, again)}
    form = RunnerForm(initial=initial, account=account)
    if again:
        form.show_refusal(again)
    return _form(request, form, accounts)


def _initial(
    request: Request, again: Operation | None, runner: Runner | None = None
) -> dict[str, Any]:
    """Initial values: of the operation to resubmit or of the runner, then those in the address."""
    now = RunnerSettings.of(runner) if runner else None
    if again:
        wanted = RunnerSettings.from_stored(again.wanted)
        base = RunnerSettings.from_stored(again.base)
        now = wanted.on_top_of(now, base=base) if now else wanted
    initial: dict[str, Any] = initial_of(now) if now else {}
    for name in ("name", "image", "image_version", "size", "group", "maximum_runners"):
        if name in request.GET:
            initial[name] = request.GET[name]
    return initial


def _form(
    request: Request,
    form: RunnerForm,
    accounts: list[Account],
    *,
    conflict: dict[str, list[object]] | None = None,
    status: int = 200,
) -> HttpResponse:
    image = form.chosen_image
    size, machines = form["size"].value(), form["maximum_runners"].value()
    machines = machines if isinstance(machines, int) else None
    cost = usd_per_hour(image.platform, size or "", machines) if image else None
    context = {
        "form": form,
        "account": form.account,
        "runner": form.runner,
        "usage": usage_of_pool(request.user, form.runner.pk) if form.runner else None,
        "accounts": accounts,
        "cost": cost,
        "prices_as_of": PRICES_AS_OF,
        "conflict": conflict,
    }
    return render_page(request, "runners/form.html", context, fragment="following", status=status)


@require_safe
def runner_name(request: Request) -> HttpResponse:
    """Check a name while it is typed: `?name=`, and `?account=` or `?runner=`."""
    row = named_or_404(Runner.objects.select_related("account"), request, "runner")
    account = row.account if row else _account_or_404(request)
    manage_or_403(request, account)
    problem = problem_of_name(request.GET.get("name", ""), account, row)
    return render(request, "runners/name_hint.html", {"problem": problem, "account": account})


@require_safe
def runner_cost(request: Request) -> HttpResponse:
    """The cost estimate while the form is filled in.

    Takes `?account=`, `?image=`, `?size=` and `?maximum_runners=`.
    """
    account = _account_or_404(request)
    platform = _platform_of(request, account)
    machines = number_in(request.GET.get("maximum_runners", ""))
    cost = usd_per_hour(platform, request.GET.get("size", ""), machines)
    return render(request, "runners/cost.html", {"cost": cost, "prices_as_of": PRICES_AS_OF})


def _platform_of(request: Request, account: Account) -> str:
    """The platform of `?image=`; empty if the account is not offered that image."""
    source, _, image_id = request.GET.get("image", "").partition(":")
    if "\0" in source + image_id:  # PostgreSQL rejects NUL even in a lookup
        return ""
    offered = Image.objects.visible_to(request.user).filter(
        account=account, source=source, github_id=image_id
    )
    return offered.values_list("platform", flat=True).first() or ""


def _account_or_404(request: Request) -> Account:
    return visible_account_or_404(request, id_or_404(request.GET.get("account", "")))


def _conflict_of(
    request: Request, again: Operation | None, runner: Runner
) -> dict[str, list[object]]:
    """What kept the operation that is edited again from being sent, with the values of now."""
    if again is None or not again.conflict:
        return {}
    names = Names(request.user, [runner.account_id])
    now = RunnerSettings.of(runner).stored()
    return names.conflict_now(runner.account_id, again.conflict, now)


@require_http_methods(["GET", "HEAD", "POST"])
def runner_edit(request: Request, pk: int) -> HttpResponse:
    row = visible_or_404(Runner.objects.present().select_related("account"), request, pk)
    manage_or_403(request, row.account)
    again = resubmitted_or_404(request, Operation.Kind.UPDATE_RUNNER, target=row)
    if request.method != "POST":
        initial = {**_initial(request, again, row), "base": signed_base(row)}
        form = RunnerForm(initial=initial, account=row.account, runner=row)
        if again:
            form.show_refusal(again)
        return _form(request, form, [], conflict=_conflict_of(request, again, row))
    form = RunnerForm(request.POST, account=row.account, runner=row)
    if not form.is_valid():
        conflict = _conflict_of(request, again, row)
        return _form(request, form, [], conflict=conflict, status=422)
    wanted, base, now = form.settings, form.base_settings, RunnerSettings.of(row)
    if conflict := wanted.conflicts_with(now, base=base):
        mine = wanted.on_top_of(now, base=base)
        initial = {**initial_of(mine), "base": signed_base(row), "nonce": form.nonce_text}
        anyway = RunnerForm(initial=initial, account=row.account, runner=row)
        shown = Names(request.user, [row.account_id]).conflict(row.account_id, conflict)
        context = {"runner": row, "account": row.account, "conflict": shown, "form": anyway}
        return render(request, "runners/conflict.html", context, status=409)
    if wanted == base:
        form.add_error(None, "The runner already has these values, so there is nothing to send.")
        return _form(request, form, [], status=422)
    operation = request_update(
        row, wanted, base=base, by=request.user, nonce=form.nonce_text, again_from=again
    )
    return redirect("operation", operation.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def runner_delete(request: Request, pk: int) -> HttpResponse:
    row = visible_or_404(Runner.objects.present().select_related("account"), request, pk)
    manage_or_403(request, row.account)
    form = DeleteForm(request.POST or None, expected=row.name)
    if form.is_valid():
        operation = request_delete_runner(row, by=request.user, nonce=form.nonce_text)
        return redirect("operation", operation.pk)
    row.group_name = group_name_of(row)
    alone = (
        not Runner.objects.present()
        .filter(account=row.account, group_id=row.group_id)
        .exclude(pk=pk)
        .exists()
    )
    context = {
        "runner": row,
        "account": row.account,
        "form": form,
        "is_alone_in_group": alone,
        "usage": usage_of_pool(request.user, row.pk),
    }
    return render(request, "runners/delete.html", context, status=422 if form.is_bound else 200)
