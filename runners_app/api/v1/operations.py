"""Operations and batches: their states, and cancelling."""

from collections import Counter
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from ninja import Query, Router
from pydantic import Field

from runners_app.activity.filters import OperationFilter
from runners_app.api.core import (
    READ,
    WRITE,
    Paged,
    account_or_404,
    list_page,
    reference_of,
    url_to,
)
from runners_app.api.problems import ApiError
from runners_app.api.schemas import (
    BatchOut,
    OperationDetail,
    OperationEventOut,
    OperationOut,
    OperationPage,
    Refusal,
    RefusalError,
)
from runners_app.api.writes import check_manageable
from runners_app.models import Account, Operation
from runners_app.operations.requests import cancel
from runners_app.operations.transitions import NotMoved
from runners_app.web.change_words import Names
from runners_app.web.pages import Request, visible_or_404
from runners_app.web.paging import Order

router = Router(tags=["operations"])


class OperationQuery(Paged):
    q: str = Field("", description="Part of the target's name.")
    account: str = Field("", description="Primary key, or as organization:acme.")
    state: str = ""
    kind: str = ""
    open: bool | None = Field(None, description="Only operations that are not finished.")


OperationFilters = Query[OperationQuery]


def operation_out(request: Request, row: Operation, names: Names) -> OperationOut:
    return OperationOut(**_values(request, row, names))


def _values(request: Request, row: Operation, names: Names) -> dict[str, Any]:
    refusal = row.refusal
    page = reverse("operation", args=[row.pk])
    return {
        "id": row.pk,
        "kind": row.kind,
        "state": row.state,
        "account": reference_of(row.account),
        "target": row.target,
        "target_id": row.target_id,
        "target_name": row.target_name,
        "target_version": row.target_version,
        "requested_by": row.actor_name,
        "wanted": names.without_other_groups(row.account_id, row.wanted),
        "reason": row.reason,
        "refusal": refusal
        and Refusal(
            status=refusal.get("status") or 0,
            message=refusal.get("message") or "",
            request_id=refusal.get("request_id") or "",
            errors=[
                RefusalError(**{key: error.get(key) or "" for key in RefusalError.model_fields})
                for error in refusal.get("errors") or ()
            ],
        ),
        "batch": row.batch,
        "requested_at": row.requested_at,
        "sent_at": row.sent_at,
        "finished_at": row.finished_at,
        "is_finished": row.is_finished,
        "needs_person": row.state == Operation.State.NEEDS_ATTENTION or row.waits_for_person,
        "url": url_to(request, f"operations/{row.pk}"),
        "html_url": request.build_absolute_uri(page),
    }


@router.get("/operations", response=OperationPage, auth=READ)
def list_operations(
    request: Request, response: HttpResponse, query: OperationFilters
) -> OperationPage:
    """Operations, newest first."""
    rows = Operation.objects.visible_to(request.user).select_related("account")
    data: QueryDict = request.GET.copy()
    data.pop("account", None)
    if query.account:
        rows = rows.filter(account=account_or_404(request, query.account))
    listed = OperationFilter(data, queryset=rows)
    order = Order("id", descending=True)
    page, after = list_page(request, response, listed.qs, order, query)
    names = Names(request.user, {row.account_id for row in page})
    return OperationPage(rows=[operation_out(request, row, names) for row in page], next=after)


@router.get("/operations/{int:pk}", response=OperationDetail, auth=READ)
def get_operation(request: Request, pk: int) -> OperationDetail:
    """One operation with its timeline."""
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    return _detail(request, row)


def _detail(request: Request, row: Operation) -> OperationDetail:
    events = [
        OperationEventOut(
            at=event.at,
            state=event.state,
            by=event.by,
            note=event.note,
            request_id=event.request_id,
        )
        for event in row.events.all()
    ]
    names = Names(request.user, [row.account_id])
    return OperationDetail(**_values(request, row, names), events=events)


@router.post("/operations/{int:pk}/cancel", response=OperationDetail, auth=WRITE)
def cancel_operation(request: Request, pk: int) -> OperationDetail:
    """Cancel an operation that was not sent yet."""
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    account = Account.objects.visible_to(request.user).get(pk=row.account_id)
    if account.role != "manager":
        check_manageable(request, row.account)
    try:
        cancel(row, by=request.user)
    except NotMoved as error:
        raise ApiError(409, f"It could not be cancelled. {error}") from None
    row.refresh_from_db()
    return _detail(request, row)


@router.get("/batches/{uuid:batch}", response=BatchOut, auth=READ)
def get_batch(request: Request, batch: UUID) -> BatchOut:
    """The operations of one bulk change."""
    rows = list(
        Operation.objects.visible_to(request.user)
        .filter(batch=batch)
        .select_related("account")
        .order_by("pk")
    )
    if not rows:
        raise Http404
    names = Names(request.user, {row.account_id for row in rows})
    return BatchOut(
        id=batch,
        states=dict(Counter(row.state for row in rows)),
        operations=[operation_out(request, row, names) for row in rows],
    )
