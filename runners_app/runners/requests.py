"""Asking for writes: each becomes an operation and an audit entry in one transaction, and a worker is woken.

Nothing here calls GitHub. See `transitions` for the states and `carry_out` for what the worker does.
"""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from runners_app.models import Account, Operation, Runner
from runners_app.operations.transitions import move

if TYPE_CHECKING:
    from django.contrib.auth.models import User
from runners_app.operations.requests import Asked, _audit, _check_undecided, ask

Values = dict[str, Any]


S = Operation.State


K = Operation.Kind


def values_of(runner: Runner) -> Values:
    """A runner in the words of GitHub's update body: what an edit starts from and is compared with."""
    return {
        "name": runner.name,
        "runner_group_id": runner.group_id,
        "maximum_runners": runner.maximum_runners,
        "enable_static_ip": runner.static_ip,
        "size": runner.size,
        "image_id": runner.image_id,
        "image_source": runner.image_source,
        "image_version": runner.fixed_image_version,
        "image_gen": runner.image_gen,
    }


def request_create(
    account: Account,
    wanted: Values,
    *,
    by: "User",
    nonce: str,
    batch: UUID | None = None,
    again_from: Operation | None = None,
) -> Operation:
    """Ask for a new runner. The same nonce again answers the same operation."""
    return ask(account, K.CREATE_RUNNER, Asked(by, nonce, batch, again_from), wanted=wanted, target_name=wanted["name"])


def request_update(
    runner: Runner,
    wanted: Values,
    *,
    base: Values,
    by: "User",
    nonce: str,
    batch: UUID | None = None,
    again_from: Operation | None = None,
) -> Operation:
    """Ask for a change of a runner. Only what differs from `base`, the values the form started from, is sent."""
    return ask(
        runner.account, K.UPDATE_RUNNER, Asked(by, nonce, batch, again_from), wanted=wanted, base=base,
        target_id=runner.github_id, target_name=runner.name,
    )  # fmt: skip


def request_delete_runner(
    runner: Runner, *, by: "User", nonce: str, batch: UUID | None = None, again_from: Operation | None = None
) -> Operation:
    return ask(
        runner.account, K.DELETE_RUNNER, Asked(by, nonce, batch, again_from), base=values_of(runner),
        target_id=runner.github_id, target_name=runner.name,
    )  # fmt: skip


@transaction.atomic
def claim_runner(operation: Operation, runner: Runner, *, by: "User") -> None:
    """A person says which runner a lost create made. Raises NotMoved."""
    _check_undecided(operation)
    move(
        operation, S.CONFIRMED, note=f"{by.get_username()} recognised the runner with id {runner.github_id}.",
        by=by.get_username(), target_id=runner.github_id,
    )  # fmt: skip
    _audit(operation, "operation.claimed", by)
