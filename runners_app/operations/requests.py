"""Asking for writes: each becomes an operation and an audit entry in one transaction, and a worker is woken.

Nothing here calls GitHub. See `transitions` for the states and `carry_out` for what the worker does.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction
from django.utils import timezone

from runners_app.credentials.wake import wake_on_commit
from runners_app.models import Account, Operation, Reading
from runners_app.operations.transitions import NotMoved, move, stay, tell
from runners_app.security import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Values = dict[str, Any]


S = Operation.State


K = Operation.Kind


IMAGE_FIELDS = ("image_id", "image_source", "image_version")


def with_whole_image(changes: Values, wanted: Values) -> Values:
    """Id, source and version of an image are one thing: when one of them is changed, all three are meant."""
    if not any(field in changes for field in IMAGE_FIELDS):
        return changes
    return {**changes, **{field: wanted.get(field) for field in IMAGE_FIELDS}}


def conflict_of(base: Values, now: Values, wanted: Values) -> dict[str, list[object]]:
    """What was changed since the form was opened and this would overwrite: field → [now, before, asked for]."""
    return {
        field: [now[field], base.get(field), value]
        for field, value in _changes(base, wanted).items()
        if now[field] not in (base.get(field), value)
    }


def wanted_on_top_of(now: Values, *, base: Values, wanted: Values) -> Values:
    """What was changed in a form, and all else as it is now: what nobody touched in the form must not be set back."""
    return {**now, **_changes(base, wanted)}


def _changes(base: Values, wanted: Values) -> Values:
    return with_whole_image({field: value for field, value in wanted.items() if value != base.get(field)}, wanted)


@dataclass(frozen=True)
class Asked:
    """Who asks, with which form, as part of which batch, and instead of which earlier operation."""

    by: "User"
    nonce: str
    batch: UUID | None = None
    again_from: Operation | None = None


TARGETS: dict[str, str] = {
    K.DELETE_IMAGE: Operation.Target.IMAGE,
    K.DELETE_IMAGE_VERSION: Operation.Target.IMAGE_VERSION,
    K.CREATE_GROUP: Operation.Target.GROUP,
    K.UPDATE_GROUP: Operation.Target.GROUP,
    K.DELETE_GROUP: Operation.Target.GROUP,
    K.MOVE_SELF_HOSTED_RUNNER: Operation.Target.SELF_HOSTED_RUNNER,
    K.DELETE_SELF_HOSTED_RUNNER: Operation.Target.SELF_HOSTED_RUNNER,
}


OF_GROUPS = (Operation.Target.GROUP, Operation.Target.SELF_HOSTED_RUNNER)


# What a person's decision about an operation makes worth reading at once.
READ_AFTER: dict[str, tuple[str, ...]] = {
    Operation.Target.GROUP: (Reading.Resource.GROUPS, Reading.Resource.GROUP_ACCESS),
    Operation.Target.SELF_HOSTED_RUNNER: (Reading.Resource.SELF_HOSTED_RUNNERS,),
}


SAME_FORM = ("account_id", "kind", "target_id", "target_version", "wanted")


@transaction.atomic
def ask(account: Account, kind: str, asked: Asked, **values: Any) -> Operation:
    """Store an operation with its audit entry and wake a worker. The same form again answers the same operation."""
    now = timezone.now()
    row = Operation(
        nonce=asked.nonce,
        batch=asked.batch,
        account=account,
        kind=kind,
        target=TARGETS.get(kind, Operation.Target.RUNNER),
        actor=asked.by,
        actor_name=asked.by.get_username(),
        again_from=asked.again_from,
        requested_at=now,
        person_agreed_at=now,
        next_step_at=now,
        **values,
    )
    if earlier := _sent_with_this_form(row):
        return earlier
    tell(row, note="Asked for.", by=row.actor_name)
    audit.record(
        f"operation.{kind}",
        by=asked.by,
        account=account,
        subject=f"{row.target_name} {row.target_version}".strip(),
        details={"operation": row.pk, "wanted": row.changed_fields or row.wanted},
    )
    wake_on_commit(account.credential_id)
    return row


def _sent_with_this_form(row: Operation) -> Operation | None:
    """Store the operation, unless the same form arrived before: then answer what it became.

    A form that came back by the browser's back button and was filled in differently is another wish, not a double.
    """
    for _ in range(2):
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            earlier = Operation.objects.get(nonce=row.nonce)
            if all(getattr(earlier, name) == getattr(row, name) for name in SAME_FORM):
                return earlier
            content = json.dumps([getattr(row, name) for name in SAME_FORM], sort_keys=True)
            row.nonce = str(uuid5(UUID(row.nonce), content))
        else:
            return None
    raise NotMoved("This form was sent before. Open it again.")


@transaction.atomic
def cancel(operation: Operation, *, by: "User") -> None:
    """Take back what GitHub has not done yet. Raises NotMoved when it may have."""
    if not operation.may_be_taken_back:
        raise NotMoved("It has ended." if operation.is_finished else "It may have been applied by now.")
    if operation.state == S.SENT:
        move(operation, S.UNKNOWN, note="GitHub has not taken it so far.")
        move(operation, S.NEEDS_ATTENTION, note="A person was asked.")
    move(operation, S.CANCELLED, note="Taken back before anything was changed.", by=by.get_username())
    _audit(operation, "operation.cancelled", by)


@transaction.atomic
def agree_again(operation: Operation, *, by: "User") -> None:
    """A person confirms an operation that lay unsent. Raises NotMoved when it is not waiting for that."""
    if not operation.may_be_taken_back:
        raise NotMoved("It is no longer waiting to be sent.")
    note = "Confirmed again after lying unsent."
    stay(operation, seconds=0, note=note, by=by.get_username(), person_agreed_at=timezone.now())
    _audit(operation, "operation.agreed_again", by)
    wake_on_commit(operation.account.credential_id)


class CannotSendAgain(ValueError):
    """The message says why."""


@transaction.atomic
def settle(operation: Operation, to: str, *, by: "User") -> None:
    """A person decides an operation that needs attention: it took effect, or it did not. Raises NotMoved."""
    _check_undecided(operation)
    notes = {
        S.CONFIRMED: "Decided by a person: it took effect.",
        S.CANCELLED: "Decided by a person: it did not take effect.",
    }
    move(operation, to, note=notes[S(to)], by=by.get_username())
    Reading.objects.schedule_now(operation.account, *READ_AFTER.get(operation.target, (Reading.Resource.RUNNERS,)))
    wake_on_commit(operation.account.credential_id)
    _audit(operation, "operation.settled", by)


def _check_undecided(operation: Operation) -> None:
    if operation.state != S.NEEDS_ATTENTION:
        raise NotMoved("It does not wait for a decision.")


def _audit(operation: Operation, action: str, by: "User") -> None:
    audit.record(
        action,
        by=by,
        account=operation.account,
        subject=operation.target_name,
        details={"operation": operation.pk, "state": operation.state},
    )
