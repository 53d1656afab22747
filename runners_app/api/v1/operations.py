"""Operations and batches: their states, and what a person may decide about them."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from ninja import Query, Router
from pydantic import Field

from runners_app.activity.batches import go_on, send_again, stop
from runners_app.activity.filters import OperationFilter
from runners_app.activity.resubmit import resubmit
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
    ApprovalDeclined,
    ApprovalDetail,
    ApprovalGiven,
    ApprovalOut,
    BatchOut,
    Change,
    OperationDetail,
    OperationEventOut,
    OperationOut,
    OperationPage,
    Refusal,
    RefusalError,
    Settlement,
)
from runners_app.api.writes import (
    WRITE_RESPONSES,
    Answer,
    Options,
    Write,
    answer_write,
    check_manageable,
    replayed,
)
from runners_app.models import Account, Approval, Membership, Operation, Runner
from runners_app.operations.approvals import (
    CannotDecide,
    approve,
    decline,
    digest_of,
    waiting_operations_of,
)
from runners_app.operations.requests import CannotSendAgain, cancel, confirm_again, settle
from runners_app.operations.transitions import NotMoved
from runners_app.runners.requests import claim_runner
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
        "approval": row.approval_id,
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
    page, after = list_page(request, response, found_by(listed), order, query)
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
    _check_decidable(request, row)
    try:
        cancel(row, by=request.user)
    except NotMoved as error:
        raise ApiError(409, f"It could not be cancelled. {error}") from None
    row.refresh_from_db()
    return _detail(request, row)


@router.post("/operations/{int:pk}/confirm", response=OperationDetail, auth=WRITE)
def confirm_operation(request: Request, pk: int) -> OperationDetail:
    """Send an operation that waits for a person before it is sent."""
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    check_manageable(request, row.account)
    try:
        confirm_again(row, by=request.user)
    except NotMoved as error:
        raise ApiError(409, str(error)) from None
    row.refresh_from_db()
    return _detail(request, row)


@router.post("/operations/{int:pk}/resubmit", response=WRITE_RESPONSES, auth=WRITE)
def resubmit_operation(
    request: Request, response: HttpResponse, pk: int, options: Options
) -> Answer:
    """Request the same change again, as a new operation based on the present values."""
    if (earlier := replayed(request, response, options)) is not None:
        return earlier
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    check_manageable(request, row.account)
    changes = [
        Change(field=field, before=row.base.get(field), after=value)
        for field, value in row.wanted.items()
    ]
    write = Write(changes, lambda nonce: resubmit(row, by=request.user, nonce=nonce))
    try:
        return answer_write(request, response, options, write)
    except (CannotSendAgain, NotMoved) as error:
        raise ApiError(409, f"{error} No operation was created.") from None


@router.post("/operations/{int:pk}/settle", response=OperationDetail, auth=WRITE)
def settle_operation(request: Request, pk: int, body: Settlement) -> OperationDetail:
    """Decide an operation that needs attention: it took effect, or it did not.

    For a create whose answer was lost, `runner` is the primary key of the runner that it made.
    """
    row = visible_or_404(Operation.objects.select_related("account"), request, pk)
    _check_decidable(request, row)
    try:
        if body.runner is None:
            settle(row, body.outcome, by=request.user)
        elif body.outcome == "confirmed":
            runners = Runner.objects.visible_to(request.user).filter(account=row.account)
            made = runners.filter(pk=body.runner, github_id__in=row.candidates or []).first()
            if made is None:
                wrong = [("body.runner", "Choose one of its candidates.")]
                raise ApiError(422, "No such candidate. Nothing was changed.", errors=wrong)
            claim_runner(row, made, by=request.user)
        else:
            raise ApiError(422, "A runner that was made means the outcome `confirmed`.")
    except NotMoved as error:
        raise ApiError(409, f"It needs no decision. {error}") from None
    row.refresh_from_db()
    return _detail(request, row)


def _check_decidable(request: Request, row: Operation) -> None:
    """Also in a paused or observed account, because deciding changes nothing on GitHub."""
    account = Account.objects.visible_to(request.user).get(pk=row.account_id)
    if account.role != Membership.Role.MANAGER:
        check_manageable(request, row.account)


@router.get("/batches/{uuid:batch}", response=BatchOut, auth=READ)
def get_batch(request: Request, batch: UUID) -> BatchOut:
    """The operations of one bulk change."""
    return _batch_out(request, batch, _rows_of(request, batch))


@router.post("/batches/{uuid:batch}/continue", response=BatchOut, auth=WRITE)
def continue_batch(request: Request, batch: UUID) -> BatchOut:
    """Release the operations of a batch that wait until the first ones have succeeded."""
    rows = _rows_of(request, batch)
    go_on(_permitted(request, rows, lambda account: account.may_be_changed), by=request.user)
    return _batch_out(request, batch, _rows_of(request, batch))


@router.post("/batches/{uuid:batch}/stop", response=BatchOut, auth=WRITE)
def stop_batch(request: Request, batch: UUID) -> BatchOut:
    """Cancel the operations of a batch that were not sent yet."""
    rows = _rows_of(request, batch)
    stop(_permitted(request, rows, _is_manager), by=request.user)
    return _batch_out(request, batch, _rows_of(request, batch))


@router.post("/batches/{uuid:batch}/retry", response=BatchOut, auth=WRITE)
def retry_batch(request: Request, batch: UUID) -> BatchOut:
    """Send the failed operations of a batch again, as a new batch, which is the answer."""
    rows = _permitted(request, _rows_of(request, batch), lambda account: account.may_be_changed)
    again = uuid5(batch, "again")  # as the page makes it, so that both make one batch
    failed = [row for row in rows if not row.was_stopped]
    if not send_again(failed, by=request.user, batch=again):
        raise ApiError(409, "None of these can be sent again unchanged. Nothing was created.")
    return _batch_out(request, again, _rows_of(request, again))


def _is_manager(account: Account) -> bool:
    return account.role == Membership.Role.MANAGER


def _permitted(
    request: Request, rows: list[Operation], may: Callable[[Account], bool]
) -> list[Operation]:
    """The operations the user may act on. Raises ApiError 403 if there are none."""
    accounts = Account.objects.visible_to(request.user).in_bulk({row.account_id for row in rows})
    allowed = [row for row in rows if may(accounts[row.account_id])]
    if not allowed:
        raise ApiError(403, "You may read this batch but not change it. Ask a manager.")
    return allowed


def _rows_of(request: Request, batch: UUID) -> list[Operation]:
    rows = Operation.objects.visible_to(request.user).filter(batch=batch)
    found = list(rows.select_related("account").order_by("pk"))
    if not found:
        raise Http404
    return found


def _batch_out(request: Request, batch: UUID, rows: list[Operation]) -> BatchOut:
    names = Names(request.user, {row.account_id for row in rows})
    return BatchOut(
        id=batch,
        states=dict(Counter(row.state for row in rows)),
        operations=[operation_out(request, row, names) for row in rows],
    )


@router.get("/approvals", response=list[ApprovalOut], auth=READ)
def list_approvals(request: Request) -> list[ApprovalOut]:
    """The approvals that wait for a decision, oldest first; at most 100."""
    rows = Approval.objects.visible_to(request.user).of_operations().waiting()
    found = rows.select_related("account").order_by("pk")[:100]
    return [ApprovalOut(**_approval_values(request, row)) for row in found]


@router.get("/approvals/{int:pk}", response=ApprovalDetail, auth=READ)
def get_approval(request: Request, pk: int) -> ApprovalDetail:
    """One approval with its operations."""
    return _approval_detail(request, _approval(request, pk))


@router.post("/approvals/{int:pk}/approve", response=ApprovalDetail, auth=WRITE)
def approve_operations(request: Request, pk: int, body: ApprovalGiven) -> ApprovalDetail:
    """Let operations be sent that another person requested."""
    row = _approval(request, pk)
    _check_decides(request, row)
    try:
        approve(row, by=request.user, digest=body.digest, reason=body.reason)
    except CannotDecide as error:
        raise ApiError(409, str(error)) from None
    return _approval_detail(request, _approval(request, pk))


@router.post("/approvals/{int:pk}/decline", response=ApprovalDetail, auth=WRITE)
def decline_operations(request: Request, pk: int, body: ApprovalDeclined) -> ApprovalDetail:
    """Cancel operations that wait for approval."""
    row = _approval(request, pk)
    _check_decides(request, row)
    try:
        decline(row, by=request.user, reason=body.reason)
    except CannotDecide as error:
        raise ApiError(409, str(error)) from None
    return _approval_detail(request, _approval(request, pk))


def _approval(request: Request, pk: int) -> Approval:
    """An approval whose account has the user's role."""
    rows = Approval.objects.of_operations().select_related("account")
    row = visible_or_404(rows, request, pk)
    row.account = Account.objects.visible_to(request.user).get(pk=row.account_id)
    return row


def _check_decides(request: Request, row: Approval) -> None:
    """Also in a paused or observed account, because deciding changes nothing on GitHub."""
    if row.account.role != Membership.Role.MANAGER:
        check_manageable(request, row.account)


def _approval_values(request: Request, row: Approval) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": row.kind,
        "state": row.state,
        "account": reference_of(row.account),
        "batch": row.batch,
        "asked_by": row.asked_by_name,
        "asked_at": row.asked_at,
        "decided_by": row.decided_by_name,
        "decided_at": row.decided_at,
        "reason": row.reason,
        "url": url_to(request, f"approvals/{row.pk}"),
        "html_url": request.build_absolute_uri(reverse("approval", args=[row.pk])),
    }


def _approval_detail(request: Request, row: Approval) -> ApprovalDetail:
    visible = row.operations.visible_to(request.user).select_related("account").order_by("pk")
    names = Names(request.user, [row.account_id])
    return ApprovalDetail(
        **_approval_values(request, row),
        digest=row.digest or digest_of(waiting_operations_of(row)),
        operations=[operation_out(request, each, names) for each in visible],
    )
