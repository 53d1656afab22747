"""Bulk edit, create and delete of runners: choose, preview the exact changes, confirm."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from runners_app.models import Account, Runner, Selection
from runners_app.runners import bulk
from runners_app.runners.bulk_forms import BulkDeleteForm, BulkForm, ConfirmEditForm, RecreateForm
from runners_app.runners.create_many_form import ManyRunnersForm
from runners_app.runners.filters import RunnerFilter
from runners_app.web.change_words import Names
from runners_app.web.incidents import current_incidents
from runners_app.web.pages import Request, manage_or_403
from runners_app.web.references import named_rows_or_404

CHANGE_FIELDS = ("image", "image_version", "size", "group", "maximum_runners", "enable_static_ip")
SELECTION_KEPT = timedelta(days=1)
LINES_OF_PAGE = 100
GROUPS_SHOWN = 20
MIXED = "different values"
Change = tuple[str, object, object]  # field, before, after


class TooManyRunners(Exception):
    """More runners were selected than one change can have."""


View = TypeVar("View", bound=Callable[..., HttpResponse])


def explains_too_many(view: View) -> View:
    """Answer TooManyRunners with a page that leads back to the list."""

    @wraps(view)
    def explain(request: Request) -> HttpResponse:
        try:
            return view(request)
        except TooManyRunners:
            query = request.GET.get("matching") or "q="
            context = {"back": f"{reverse('runners')}?{query}"}
            return render(request, "runners/bulk/too_many.html", context, status=400)

    return cast(View, explain)


def selected_runners(request: Request) -> tuple[Selection, list[Runner]]:
    """The selection that `?selection=` names, and its runners that the user still sees.

    Without it, a new selection is stored: of the runners listed as `?runner=`, or of all that match
    `?matching=`. So every step of a change is about the same runners, and addresses stay short.
    Raises TooManyRunners for more than MOST_AT_ONCE runners.
    """
    accounts = {account.pk: account for account in Account.objects.visible_to(request.user)}
    rows = Runner.objects.present().within(accounts.values())
    selection = _stored_selection(request)
    if selection:
        rows = rows.filter(pk__in=selection.runners)
    elif "matching" in request.GET:
        rows = RunnerFilter(QueryDict(request.GET["matching"]), queryset=rows).qs
    else:
        named = request.GET.getlist("runner")[: bulk.MOST_AT_ONCE]
        visible = Runner.objects.within(accounts.values())
        # A runner that is gone is left out; one that the user may not see is 404.
        rows = rows.filter(pk__in=[row.pk for row in named_rows_or_404(visible, named)])

    runners = list(rows.order_by("account__slug", "name_key", "pk")[: bulk.MOST_AT_ONCE + 1])
    if len(runners) > bulk.MOST_AT_ONCE:
        raise TooManyRunners
    for runner in runners:
        runner.account = accounts[runner.account_id]
    return selection or _store_selection(request, runners), runners


def _stored_selection(request: Request) -> Selection | None:
    if "selection" not in request.GET:
        return None
    try:
        pk = UUID(request.GET["selection"])
    except ValueError:
        raise Http404 from None
    selection = Selection.objects.filter(user=request.user, pk=pk).first()
    if selection is None:
        raise Http404
    return selection


def _store_selection(request: Request, runners: list[Runner]) -> Selection:
    query = request.GET.get("matching") or request.GET.get("from", "")
    selection = Selection(
        user=request.user, runners=[runner.pk for runner in runners], query=query[:4000]
    )
    if runners and request.method == "GET":
        old = timezone.now() - SELECTION_KEPT
        Selection.objects.filter(user=request.user, created_at__lt=old).delete()
        selection.save()
    return selection


@require_http_methods(["GET", "HEAD", "POST"])
@explains_too_many
def runners_edit(request: Request) -> HttpResponse:
    """Choose new values for the selected runners, preview them, and request them."""
    selection, runners = selected_runners(request)
    accounts = list({runner.account_id: runner.account for runner in runners}.values())
    has_change = "change" in request.GET or any(request.GET.get(name) for name in CHANGE_FIELDS)
    form = BulkForm(request.GET if has_change else None, accounts=accounts)
    context: dict[str, Any] = {
        "selection": selection,
        "runners": runners,
        "accounts": accounts,
        "form": form,
    }
    if not runners or not form.is_valid():
        return render(
            request, "runners/bulk/choose.html", context, status=422 if form.errors else 200
        )

    plan = bulk.make_plan(runners, form.change)
    confirm = ConfirmEditForm(request.POST or None, initial={"digest": plan.digest})
    if request.method == "POST" and confirm.is_valid():
        if confirm.cleaned_data["digest"] == plan.digest and plan.items:
            batch = bulk.batch_of(confirm.cleaned_data["nonce"], plan.digest)
            first = confirm.cleaned_data["first"]
            bulk.request_updates(plan.items, by=request.user, batch=batch, first=first)
            return redirect("batch", batch)
        confirm = ConfirmEditForm(initial={"digest": plan.digest})
        context["differs"] = True

    names = Names(request.user, (account.pk for account in accounts))
    page, groups = _page_of(plan.items, request), _grouped(plan, names)
    context |= {
        "plan": plan,
        "confirm": confirm,
        "page": page,
        "lines": [(item.runner, _changes_of(item, names)) for item in page],
        "groups": groups[:GROUPS_SHOWN],
        "more_groups": max(0, len(groups) - GROUPS_SHOWN),
        "reasons": Counter(reason for _, reason in plan.impossible).most_common(),
        "changed_accounts": len({item.runner.account_id for item in plan.items}),
        "seconds": plan.seconds,
    }
    return render(request, "runners/bulk/confirm.html", context)


def _page_of(items: list[Any], request: Request) -> Page[Any]:
    return Paginator(items, LINES_OF_PAGE).get_page(request.GET.get("page"))


def _changes_of(item: bulk.Item, names: Names) -> list[Change]:
    return names.changes(item.runner.account_id, item.base.stored(), item.wanted.stored())


def _grouped(plan: bulk.BulkPlan, names: Names) -> list[tuple[Change, int]]:
    """Every new value with the number of runners that get it, the most frequent first.

    Where the runners have different values now, the value before is MIXED.
    """
    counts: Counter[str] = Counter()
    changes: dict[str, Change] = {}
    for item in plan.items:
        for field, before, after in _changes_of(item, names):
            key = repr((field, after))
            counts[key] += 1
            known = changes.get(key)
            is_mixed = known is not None and known[1] != before
            changes[key] = (field, MIXED if is_mixed else before, after)
    return [(changes[key], count) for key, count in counts.most_common()]


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
        digest = repr([(account.pk, values) for account, values in wanted.items()])
        batch = bulk.batch_of(form.cleaned_data["nonce"], digest)
        bulk.request_creates(wanted, by=request.user, batch=batch)
        return redirect("batch", batch)
    context = {"form": form, "accounts": accounts}
    return render(request, "runners/bulk/new.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@explains_too_many
def runners_recreate(request: Request) -> HttpResponse:
    """Delete the selected Stuck runners, and create each again once GitHub no longer has it."""
    selection, runners = selected_runners(request)
    possible, impossible = bulk.plan_recreate(runners)
    digest = bulk.digest_of(possible)
    form = RecreateForm(request.POST or None, initial={"digest": digest})
    context: dict[str, Any] = {
        "selection": selection,
        "runners": possible,
        "page": _page_of(possible, request),
        "impossible": impossible,
        "reasons": Counter(reason for _, reason in impossible).most_common(),
        "with_static_ip": [runner for runner in possible if runner.static_ip],
        "incidents": current_incidents(),
        "accounts_count": len({runner.account_id for runner in possible}),
        "seconds": 2 * bulk.seconds_of(possible),
        "form": form,
    }
    if request.method == "POST" and possible and form.is_valid():
        if form.cleaned_data["digest"] == digest:
            batch = bulk.batch_of(form.cleaned_data["nonce"], digest)
            bulk.request_recreates(possible, by=request.user, batch=batch)
            return redirect("batch", batch)
        context |= {"differs": True, "form": RecreateForm(initial={"digest": digest})}
    status = 422 if form.errors else 200
    return render(request, "runners/bulk/recreate.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@explains_too_many
def runners_delete(request: Request) -> HttpResponse:
    """Delete the selected runners, after their number was typed."""
    selection, runners = selected_runners(request)
    reasons = {runner.account_id: runner.account.why_unchangeable for runner in runners}
    impossible = [(runner, reasons[runner.account_id]) for runner in runners]
    impossible = [(runner, reason) for runner, reason in impossible if reason]
    possible = [runner for runner in runners if not reasons[runner.account_id]]
    digest = bulk.digest_of(possible)
    form = BulkDeleteForm(request.POST or None, initial={"digest": digest}, count=len(possible))
    context = {
        "selection": selection,
        "runners": possible,
        "page": _page_of(possible, request),
        "impossible": impossible,
        "reasons": Counter(reason for _, reason in impossible).most_common(),
        "with_static_ip": sum(runner.static_ip for runner in possible),
        "accounts_count": len({runner.account_id for runner in possible}),
        "seconds": bulk.seconds_of(possible),
        "form": form,
    }
    if request.method == "POST" and possible and form.is_valid():
        if form.cleaned_data["digest"] == digest:
            batch = bulk.batch_of(form.cleaned_data["nonce"], digest)
            bulk.request_deletes(possible, by=request.user, batch=batch)
            return redirect("batch", batch)
        form = BulkDeleteForm(initial={"digest": digest}, count=len(possible))
        context |= {"differs": True, "form": form}
    return render(request, "runners/bulk/delete.html", context, status=422 if form.errors else 200)
