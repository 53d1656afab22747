"""Bulk edit, create and delete of runners: choose, preview the exact changes, confirm."""

from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from runners_app.models import Account, Runner
from runners_app.runners import bulk
from runners_app.runners.bulk_forms import BulkDeleteForm, BulkForm, ConfirmForm
from runners_app.runners.create_many_form import ManyRunnersForm
from runners_app.runners.filters import RunnerFilter
from runners_app.web.change_words import Names
from runners_app.web.pages import Request, manage_or_403
from runners_app.web.references import named_rows_or_404

MOST_AT_ONCE = 1000
CHANGE_FIELDS = ("image", "image_version", "size", "group", "maximum_runners", "enable_static_ip")


def chosen_runners(request: Request) -> list[Runner]:
    """The runners listed in the address, or all that match its filter, read again on every step.

    Raises BadRequest for more than MOST_AT_ONCE runners.
    """
    accounts = {account.pk: account for account in Account.objects.visible_to(request.user)}
    rows = Runner.objects.present().within(accounts.values())
    if "matching" in request.GET:
        rows = RunnerFilter(QueryDict(request.GET["matching"]), queryset=rows).qs
    else:
        named = request.GET.getlist("runner")[:MOST_AT_ONCE]
        visible = Runner.objects.within(accounts.values())
        # A runner that is gone is left out; one that the user may not see is 404.
        rows = rows.filter(pk__in=[row.pk for row in named_rows_or_404(visible, named)])
    chosen = list(rows.order_by("account__slug", "name", "pk")[: MOST_AT_ONCE + 1])
    if len(chosen) > MOST_AT_ONCE:
        raise BadRequest(
            f"More than {MOST_AT_ONCE:,} runners match. Narrow the filter and work in parts."
        )
    for runner in chosen:
        runner.account = accounts[runner.account_id]
    return chosen


@require_http_methods(["GET", "HEAD", "POST"])
def runners_edit(request: Request) -> HttpResponse:
    runners = chosen_runners(request)
    accounts = list({runner.account_id: runner.account for runner in runners}.values())
    has_change = "change" in request.GET or any(request.GET.get(name) for name in CHANGE_FIELDS)
    form = BulkForm(request.GET if has_change else None, accounts=accounts)
    context: dict[str, Any] = {"runners": runners, "accounts": accounts, "form": form}
    if not runners or not form.is_valid():
        return render(
            request, "runners/bulk/choose.html", context, status=422 if form.errors else 200
        )
    plan = bulk.make_plan(runners, form.change)
    confirm = ConfirmForm(request.POST or None, initial={"digest": plan.digest})
    if request.method == "POST" and confirm.is_valid():
        if confirm.cleaned_data["digest"] == plan.digest and plan.items:
            batch, first = confirm.cleaned_data["nonce"], confirm.cleaned_data["first"]
            bulk.request_updates(plan.items, by=request.user, batch=batch, first=first)
            return redirect("batch", batch)
        confirm = ConfirmForm(initial={"digest": plan.digest})
        context["differs"] = True
    names = Names(request.user, (account.pk for account in accounts))
    lines = [
        (
            item.runner,
            names.changes(item.runner.account_id, item.base.stored(), item.wanted.stored()),
        )
        for item in plan.items
    ]
    return render(
        request,
        "runners/bulk/confirm.html",
        {**context, "plan": plan, "lines": lines, "confirm": confirm},
    )


@require_http_methods(["GET", "HEAD", "POST"])
def runners_new(request: Request) -> HttpResponse:
    """Create the same runner in each account of `?account=`."""
    named = request.GET.getlist("account")
    accounts = named_rows_or_404(Account.objects.visible_to(request.user), named)
    for account in accounts:
        manage_or_403(request, account)
    if not accounts:
        return redirect("runner-new")
    form = ManyRunnersForm(request.POST or None, accounts=accounts)
    if form.is_valid():
        wanted = {account: form.settings[account.pk] for account in accounts}
        bulk.request_creates(wanted, by=request.user, batch=form.cleaned_data["nonce"])
        return redirect("batch", form.cleaned_data["nonce"])
    context = {"form": form, "accounts": accounts}
    return render(request, "runners/bulk/new.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def runners_delete(request: Request) -> HttpResponse:
    runners = chosen_runners(request)
    impossible = [(runner, reason) for runner in runners if (reason := bulk.why_not(runner))]
    possible = [runner for runner in runners if not bulk.why_not(runner)]
    digest = ",".join(str(runner.pk) for runner in possible)
    form = BulkDeleteForm(request.POST or None, initial={"digest": digest}, count=len(possible))
    context = {"runners": possible, "impossible": impossible, "form": form}
    if request.method == "POST" and possible and form.is_valid():
        if form.cleaned_data["digest"] == digest:
            bulk.request_deletes(possible, by=request.user, batch=form.cleaned_data["nonce"])
            return redirect("batch", form.cleaned_data["nonce"])
        form = BulkDeleteForm(initial={"digest": digest}, count=len(possible))
        context |= {"differs": True, "form": form}
    return render(request, "runners/bulk/delete.html", context, status=422 if form.errors else 200)
