"""Undo an edit, or the edits of a batch: preview what is set back, and confirm it."""

import uuid
from collections import Counter
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from runners_app.activity.undo import (
    UNDOABLE,
    WITHOUT_EFFECT,
    UndoItem,
    UndoPlan,
    plan_undo,
    request_undo,
    request_undos,
)
from runners_app.models import Account, Operation
from runners_app.runners.bulk import batch_of
from runners_app.runners.bulk_forms import ConfirmForm
from runners_app.web.change_words import Names
from runners_app.web.pages import Request, manage_or_403, visible_or_404

LINES_OF_PAGE = 100
Change = tuple[str, object, object]  # field, before, after


@require_http_methods(["GET", "HEAD", "POST"])
def operation_undo(request: Request, pk: int) -> HttpResponse:
    """Undo one confirmed edit; for other kinds of operations there is no page."""
    rows = Operation.objects.filter(kind__in=UNDOABLE)
    row = visible_or_404(rows.select_related("account__credential"), request, pk)
    manage_or_403(request, row.account)
    row.account = Account.objects.visible_to(request.user).get(pk=row.account_id)
    plan = plan_undo([row])
    form = ConfirmForm(request.POST or None, initial={"digest": plan.digest})
    if _is_confirmed(form, plan):
        again = request_undo(plan.items[0], by=request.user, nonce=form.nonce_text)
        return redirect("operation", again.pk)
    return _preview(request, plan, form, {"operation": row})


@require_http_methods(["GET", "HEAD", "POST"])
def batch_undo(request: Request, batch: uuid.UUID) -> HttpResponse:
    """Undo the confirmed edits of a batch, as another batch."""
    accounts = {account.pk: account for account in Account.objects.visible_to(request.user)}
    rows = Operation.objects.filter(batch=batch, kind=Operation.Kind.UPDATE_RUNNER)
    rows = rows.within(accounts.values())
    inside = [accounts[pk] for pk in rows.order_by().values_list("account", flat=True).distinct()]
    if not inside:
        raise Http404
    if not any(account.may_be_changed for account in inside):
        raise PermissionDenied(inside[0].why_unchangeable)

    undone = Operation.objects.filter(undoes__batch=batch).exclude(state__in=WITHOUT_EFFECT)
    confirmed = rows.filter(state=Operation.State.CONFIRMED)
    operations = list(confirmed.exclude(pk__in=undone.values("undoes")).order_by("pk"))
    for row in operations:
        row.account = accounts[row.account_id]
    plan = plan_undo(operations)
    form = ConfirmForm(request.POST or None, initial={"digest": plan.digest})
    if _is_confirmed(form, plan):
        again = batch_of(form.cleaned_data["nonce"], plan.digest)
        request_undos(plan.items, by=request.user, batch=again)
        return redirect("batch", again)
    return _preview(request, plan, form, {"batch": batch})


def _is_confirmed(form: ConfirmForm, plan: UndoPlan) -> bool:
    is_sent = form.is_valid() and form.cleaned_data["digest"] == plan.digest
    return bool(is_sent and plan.items)


def _preview(
    request: Request, plan: UndoPlan, form: ConfirmForm, context: dict[str, Any]
) -> HttpResponse:
    """What would be set back, and what stays because it was changed again since."""
    differs = form.is_valid()
    if differs:
        form = ConfirmForm(initial={"digest": plan.digest})
    names = Names(request.user, {item.operation.account_id for item in plan.items})
    changes = [(item, _changes(item, names)) for item in plan.items]
    page = Paginator(changes, LINES_OF_PAGE).get_page(request.GET.get("page"))
    counts = Counter(repr(change) for _, each in changes for change in each)
    by_text = {repr(change): change for _, each in changes for change in each}
    context |= {
        "plan": plan,
        "form": form,
        "differs": differs,
        "page": page,
        "groups": [(by_text[text], count) for text, count in counts.most_common(20)],
        "reasons": Counter(reason for _, reason in plan.impossible).most_common(),
        "conflicts": [
            (item, names.conflict(item.operation.account_id, item.conflicts))
            for item in plan.items
            if item.conflicts
        ],
        "new_addresses": sum(item.gets_new_addresses for item in plan.items),
        "seconds": plan.seconds,
    }
    status = 422 if form.errors else 200
    return render(request, "activity/operations/undo.html", context, status=status)


def _changes(item: UndoItem, names: Names) -> list[Change]:
    changes = names.changes(item.operation.account_id, item.base.stored(), item.wanted.stored())
    for field, lines in (("access_list_add", item.add), ("access_list_remove", item.remove)):
        if lines:
            changes.append((field, None, sorted(lines.values())))
    return changes
