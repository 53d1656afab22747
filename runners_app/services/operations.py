"""Asking for writes: each becomes an operation and an audit entry in one transaction, and a worker is woken.

Nothing here calls GitHub. See `transitions` for the states and `carry_out` for what the worker does.
"""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from runners_app.models import Account, Image, ImageVersion, Operation, Reading, Runner
from runners_app.services import audit
from runners_app.services.readings import make_due
from runners_app.services.transitions import NotMoved, move, tell
from runners_app.services.wake import wake_on_commit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    Values = dict[str, Any]

S = Operation.State
K = Operation.Kind
IMAGE_FIELDS = ("image_id", "image_source", "image_version")


def values_of(runner: Runner) -> "Values":
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


def conflict_of(base: "Values", now: "Values", wanted: "Values") -> dict[str, list[object]]:
    """What was changed since the form was opened and this would overwrite: field → [now, before, asked for]."""
    return {
        field: [now[field], base.get(field), value]
        for field, value in wanted.items()
        if value != base.get(field) and now[field] not in (base.get(field), value)
    }


def request_create(
    account: Account,
    wanted: "Values",
    *,
    by: "User",
    nonce: str,
    again_from: Operation | None = None,
    batch: UUID | None = None,
) -> Operation:
    """Ask for a new runner. The same nonce again answers the same operation."""
    return _request(
        account, K.CREATE_RUNNER, Operation.Target.RUNNER, by=by, nonce=nonce, wanted=wanted, name=wanted["name"],
        again_from=again_from, batch=batch,
    )  # fmt: skip


def request_update(
    runner: Runner,
    wanted: "Values",
    *,
    base: "Values",
    by: "User",
    nonce: str,
    again_from: Operation | None = None,
    batch: UUID | None = None,
) -> Operation:
    """Ask for a change of a runner. Only what differs from `base`, the values the form started from, is sent."""
    return _request(
        runner.account, K.UPDATE_RUNNER, Operation.Target.RUNNER, by=by, nonce=nonce, wanted=wanted, base=base,
        target_id=runner.github_id, name=runner.name, again_from=again_from, batch=batch,
    )  # fmt: skip


def request_delete_runner(runner: Runner, *, by: "User", nonce: str, batch: UUID | None = None) -> Operation:
    return _request(
        runner.account, K.DELETE_RUNNER, Operation.Target.RUNNER, by=by, nonce=nonce, base=values_of(runner),
        target_id=runner.github_id, name=runner.name, batch=batch,
    )  # fmt: skip


def request_delete_image(image: Image, *, by: "User", nonce: str) -> Operation:
    """Ask for the deletion of a custom image with all its versions."""
    return _request(
        image.account, K.DELETE_IMAGE, Operation.Target.IMAGE, by=by, nonce=nonce,
        target_id=int(image.github_id), name=image.name,
    )  # fmt: skip


def request_delete_image_version(version: ImageVersion, *, by: "User", nonce: str) -> Operation:
    image = version.image
    return _request(
        image.account, K.DELETE_IMAGE_VERSION, Operation.Target.IMAGE_VERSION, by=by, nonce=nonce,
        target_id=int(image.github_id), name=image.name, version=version.version,
    )  # fmt: skip


@transaction.atomic
def _request(
    account: Account,
    kind: str,
    target: str,
    *,
    by: "User",
    nonce: str,
    name: str,
    wanted: "Values | None" = None,
    base: "Values | None" = None,
    target_id: int | None = None,
    version: str = "",
    again_from: Operation | None = None,
    batch: UUID | None = None,
) -> Operation:
    now = timezone.now()
    operation, made = Operation.objects.get_or_create(
        nonce=nonce,
        defaults={
            "account": account,
            "kind": kind,
            "target": target,
            "target_id": target_id,
            "target_name": name,
            "target_version": version,
            "actor": by,
            "actor_name": by.get_username(),
            "base": base or {},
            "wanted": wanted or {},
            "again_from": again_from,
            "batch": batch,
            "requested_at": now,
            "person_agreed_at": now,
            "next_step_at": now,
        },
    )
    if made:
        tell(operation, note="Asked for.", by=by.get_username())
        audit.record(
            f"operation.{kind}",
            by=by,
            account=account,
            subject=f"{name} {version}".strip(),
            details={"operation": operation.pk, "wanted": operation.changed_fields or operation.wanted},
        )
        wake_on_commit(account.credential_id)
    return operation


@transaction.atomic
def cancel(operation: Operation, *, by: "User") -> None:
    """Take back what was not sent yet. Raises NotMoved when it was."""
    move(operation, S.CANCELLED, note="Taken back before anything was sent.", by=by.get_username())
    _audit(operation, "operation.cancelled", by)


@transaction.atomic
def agree_again(operation: Operation, *, by: "User") -> None:
    """A person confirms an operation that lay unsent. Raises NotMoved when it is not waiting for that."""
    now = timezone.now()
    waiting = Operation.objects.filter(pk=operation.pk, state=S.REQUESTED)
    if not waiting.update(person_agreed_at=now, next_step_at=now, reason=""):
        raise NotMoved("It is no longer waiting to be sent.")
    operation.person_agreed_at = now
    tell(operation, note="Confirmed again after lying unsent.", by=by.get_username())
    _audit(operation, "operation.agreed_again", by)
    wake_on_commit(operation.account.credential_id)


@transaction.atomic
def claim_runner(operation: Operation, runner: Runner, *, by: "User") -> None:
    """A person says which runner a lost create made. Raises NotMoved."""
    move(
        operation, S.CONFIRMED, note=f"{by.get_username()} recognised the runner with id {runner.github_id}.",
        by=by.get_username(), target_id=runner.github_id,
    )  # fmt: skip
    _audit(operation, "operation.claimed", by)


@transaction.atomic
def settle(operation: Operation, to: str, *, by: "User") -> None:
    """A person decides an operation that needs attention: it took effect, or it did not. Raises NotMoved."""
    notes = {
        S.CONFIRMED: "Decided by a person: it took effect.",
        S.CANCELLED: "Decided by a person: it did not take effect.",
    }
    move(operation, to, note=notes[S(to)], by=by.get_username())
    make_due(operation.account, Reading.Resource.RUNNERS)
    wake_on_commit(operation.account.credential_id)
    _audit(operation, "operation.settled", by)


def _audit(operation: Operation, action: str, by: "User") -> None:
    audit.record(
        action,
        by=by,
        account=operation.account,
        subject=operation.target_name,
        details={"operation": operation.pk, "state": operation.state},
    )
