"""Operations: what was asked of GitHub, where it stands, and what a person can do about it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from runners_app.filters import OperationFilter
from runners_app.models import Account, Operation, Runner
from runners_app.paging import Order, page_by_key
from runners_app.services import operations as asking
from runners_app.services.transitions import NotMoved
from runners_app.views.pages import (
    Request,
    chips_of,
    is_unchanged,
    manage_or_403,
    may_manage,
    query_without,
    render_page,
    version_of,
    visible_or_404,
)


@require_safe
def operations(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user))
    version = version_of(accounts, query_without(request, "version"))
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    rows = Operation.objects.visible_to(request.user).select_related("account")
    listed = OperationFilter(request.GET, queryset=rows)
    page = page_by_key(listed.qs, Order("id", descending=True), request.GET, size=50)
    context = {
        "accounts": accounts,
        "chips": chips_of(listed, request.GET),
        "states": Operation.State.choices,
        "kinds": Operation.Kind.choices,
        "page": page,
        "total": listed.qs.count(),
        "version": version,
        "moving": any(operation.is_moving for operation in page.rows),
    }
    return render_page(request, "operations/list.html", context, fragment="table")


@require_safe
def operation(request: Request, pk: int) -> HttpResponse:
    row = visible_or_404(Operation.objects.select_related("account__credential", "again_from"), request, pk)
    version = version_of([row.account], row.pk, row.state, row.reason, row.waits_for_person)
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    runners = Runner.objects.filter(account=row.account)
    context = {
        "operation": row,
        "account": row.account,
        "events": row.events.all(),
        "fields": _fields(row),
        "runner": runners.filter(github_id=row.target_id).first() if row.target == "runner" and row.target_id else None,
        "candidates": runners.filter(github_id__in=row.candidates or []),
        "sent_again_as": row.sent_again_as.order_by("pk").first(),
        "again_url": _again_url(row),
        "may_manage": may_manage(request, row.account),
        "version": version,
        "moving": row.is_moving,
    }
    return render_page(request, "operations/detail.html", context, fragment="state")


def _again_url(row: Operation) -> str:
    """The form, filled as it was; empty for what is not edited again."""
    if row.kind == Operation.Kind.CREATE_RUNNER:
        return f"{reverse('runner-new')}?again={row.pk}"
    runner = Runner.objects.present().filter(account=row.account, github_id=row.target_id or 0).first()
    if row.kind == Operation.Kind.UPDATE_RUNNER and runner:
        return f"{reverse('runner-edit', args=[runner.pk])}?again={row.pk}"
    return ""


def _fields(row: Operation) -> list[tuple[str, object, object]]:
    """What was asked for: (field, before, after); before is empty for a create."""
    if row.kind == Operation.Kind.UPDATE_RUNNER:
        return [(field, row.base.get(field), value) for field, value in row.changed_fields.items()]
    return [(field, None, value) for field, value in row.wanted.items()]


def _own(request: Request, pk: int) -> Operation:
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    manage_or_403(request, row.account)
    return row


@require_POST
def operation_cancel(request: Request, pk: int) -> HttpResponse:
    row = _own(request, pk)
    try:
        asking.cancel(row, by=request.user)
    except NotMoved:
        messages.error(request, "It is on its way already, so it could not be taken back. Its outcome follows here.")
    return redirect("operation", row.pk)


@require_POST
def operation_agree(request: Request, pk: int) -> HttpResponse:
    row = _own(request, pk)
    try:
        asking.agree_again(row, by=request.user)
    except NotMoved as error:
        messages.error(request, str(error))
    return redirect("operation", row.pk)


@require_POST
def operation_settle(request: Request, pk: int) -> HttpResponse:
    """A person decides: this is my runner, it took effect, or it did not."""
    row = _own(request, pk)
    choice = request.POST.get("choice", "")
    try:
        if choice == "claim":
            mine = Runner.objects.filter(account=row.account, github_id__in=row.candidates or [])
            asking.claim_runner(row, mine.get(pk=int(request.POST.get("runner", "0"))), by=request.user)
        elif choice in ("confirmed", "cancelled"):
            asking.settle(row, Operation.State(choice), by=request.user)
        else:
            messages.error(request, "Choose one of the buttons. Nothing was changed.")
    except (NotMoved, ValueError, Runner.DoesNotExist):
        messages.error(request, "It no longer waits for this decision. What it says now is below.")
    return redirect("operation", row.pk)
