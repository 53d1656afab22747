"""Request writes to runners: each call stores an operation that a worker carries out."""

from typing import Unpack

from django.contrib.auth.models import User
from django.db import transaction

from runners_app.models import Account, AuditEntry, Operation, Runner
from runners_app.operations.requests import (
    CannotSendAgain,
    OperationRequest,
    check_undecided,
    record,
    request_operation,
)
from runners_app.operations.transitions import move
from runners_app.runners.settings import RunnerSettings

K = Operation.Kind


def request_create(
    account: Account, wanted: RunnerSettings, **request: Unpack[OperationRequest]
) -> Operation:
    """Request a new runner. A repeated nonce returns the first operation."""
    return request_operation(
        account,
        K.CREATE_RUNNER,
        request,
        wanted=wanted.stored(),
        target_name=wanted.name,
    )


def request_update(
    runner: Runner,
    wanted: RunnerSettings,
    *,
    base: RunnerSettings,
    **request: Unpack[OperationRequest],
) -> Operation:
    """Request a change of a runner. Only the differences from `base` are sent."""
    return request_operation(
        runner.account,
        K.UPDATE_RUNNER,
        request,
        wanted=wanted.stored(),
        base=base.stored(),
        target_id=runner.github_id,
        target_name=runner.name,
    )


def request_delete_runner(runner: Runner, **request: Unpack[OperationRequest]) -> Operation:
    """Request the deletion of a runner."""
    return request_operation(
        runner.account,
        K.DELETE_RUNNER,
        request,
        base=RunnerSettings.of(runner).stored(),
        target_id=runner.github_id,
        target_name=runner.name,
    )


def resubmit(operation: Operation, **request: Unpack[OperationRequest]) -> Operation:
    """Request the same edit or deletion again, based on the runner's current values.

    Raises CannotSendAgain if the runner is gone.
    """
    runners = Runner.objects.present().filter(account=operation.account)
    runner = runners.filter(github_id=operation.target_github_id).first()
    if runner is None:
        raise CannotSendAgain.gone(operation)
    if operation.kind == K.DELETE_RUNNER:
        return request_delete_runner(runner, **request)

    now = RunnerSettings.of(runner)
    wanted = RunnerSettings.from_stored(operation.wanted)
    base = RunnerSettings.from_stored(operation.base)
    return request_update(runner, wanted.on_top_of(now, base=base), base=now, **request)


@transaction.atomic
def claim_runner(operation: Operation, runner: Runner, *, by: User) -> None:
    """Record which runner a create made whose answer was lost. Raises NotMoved."""
    check_undecided(operation)
    move(
        operation,
        Operation.State.CONFIRMED,
        note=f"{by.get_username()} recognised the runner with id {runner.github_id}.",
        by=by.get_username(),
        target_id=runner.github_id,
    )
    record(operation, AuditEntry.Action.OPERATION_CLAIMED, by)
