"""Approvals: a second person decides before what the first one asked for is sent.

`ask_for_approval` holds operations until `approve` releases or `decline` cancels them. A worker
checks the approval once more in the transaction that commits an operation as sent (see
`authority`), so the approver must be a manager at both times. Locks are taken in the order account,
user, membership, operation.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from runners_app.credentials.wake import wake_on_commit
from runners_app.models import Account, Approval, AuditEntry, Membership, Operation, OperationEvent
from runners_app.models.clock import database_now
from runners_app.models.operations import nothing_applied
from runners_app.operations.transitions import cancel_requested, move
from runners_app.security import audit

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

APPROVAL = Operation.HeldBecause.APPROVAL
WAITS = "Nothing is sent before another manager of {account} approves it."
LOST = "{name}, who approved it, may no longer do this. Another manager must approve it."
DELETES = (
    Operation.Kind.DELETE_RUNNER,
    Operation.Kind.DELETE_IMAGE,
    Operation.Kind.DELETE_IMAGE_VERSION,
    Operation.Kind.DELETE_GROUP,
    Operation.Kind.DELETE_SELF_HOSTED_RUNNER,
)


class CannotDecide(ValueError):
    """The decision is not possible; the message says why. Nothing was changed."""


def managers_of(account: Account) -> QuerySet[User]:
    """Active people who may approve operations of the account."""
    manager = Q(memberships__account=account, memberships__role=Membership.Role.MANAGER)
    return User.objects.filter(Q(is_superuser=True) | manager, is_active=True).distinct()


# --- Asking


def ask_where_needed(operations: "QuerySet[Operation]", *, by: User, batch_size: int = 1) -> None:
    """Ask for approval of those operations whose account wants a second pair of eyes for them.

    Call it in the transaction that stores them, with all operations of one batch, or one operation.
    """
    accounts = Account.objects.filter(operations__in=operations, approval_above__isnull=False)
    for account in accounts.distinct().order_by("pk"):
        rows = operations.filter(account=account)
        is_large = account.approval_above is not None and batch_size > account.approval_above
        if is_large or rows.filter(kind__in=DELETES).exists():
            ask_for_approval(rows, account, by=by)


def ask_after_confirming(operations: "QuerySet[Operation]", *, by: User) -> None:
    """Ask for approval of operations that `by` confirmed again, and now answers for.

    An earlier approval was of another person's request. A proposal that a manager confirms becomes
    a request like any other. Call it in the transaction that confirms them.
    """
    pks = list(operations.values_list("pk", flat=True))
    rows = Operation.objects.filter(pk__in=pks)
    rows.filter(approval__kind=Approval.Kind.PROPOSAL).update(approval=None)
    ask_where_needed(rows.filter(approval=None), by=by, batch_size=len(pks))
    left = rows.exclude(approval=None).exclude(approval__state=Approval.State.WAITING)
    for account in Account.objects.filter(operations__in=left).distinct().order_by("pk"):
        ask_for_approval(left.filter(account=account), account, by=by)


def ask_for_approval(
    operations: "QuerySet[Operation]",
    account: Account,
    *,
    by: User | None,
    kind: str = Approval.Kind.FOUR_EYES,
    note: str = "",
) -> Approval:
    """Hold unsent operations of one account until a second person approves them, and return that.

    Operations of one batch that one person asks for share an approval as long as it waits. Call it
    in the transaction that stores them, or that decided that they need another approval. Whoever
    approves a proposal answers for its operations instead of the actor.
    """
    pks = list(operations.filter(nothing_applied()).order_by("pk").values_list("pk", flat=True))
    batch = operations.filter(pk__in=pks[:1]).values_list("batch", flat=True).first()
    approval = _waiting_approval(account, batch, by, kind) or Approval.objects.create(
        kind=kind,
        account=account,
        batch=batch,
        asked_by=by,
        asked_by_name=by.get_username() if by else "",
        asked_at=database_now(),
    )
    rows = Operation.objects.filter(pk__in=pks)
    rows.update(approval=approval)
    # What waits for something else as well goes on waiting for that after the approval.
    others = (Operation.HeldBecause.STAGED, Operation.HeldBecause.AFTER)
    held = list(rows.exclude(held_because__in=others).values_list("pk", "state"))
    text = note or WAITS.format(account=account)
    rows.exclude(held_because__in=others).update(held_because=APPROVAL, reason=text)
    _add_events(held, text, at=database_now(), by=approval.asked_by_name)
    Account.objects.filter(pk=account.pk).raise_versions()
    return approval


def _waiting_approval(
    account: Account, batch: "UUID | None", by: User | None, kind: str
) -> Approval | None:
    if batch is None:
        return None
    rows = Approval.objects.filter(account=account, batch=batch, asked_by=by, kind=kind)
    return rows.filter(state=Approval.State.WAITING).order_by("pk").first()


def ask_again(approval: Approval, *, note: str) -> int:
    """Ask for another approval of what was not sent yet; returns for how many operations.

    Call it in a transaction that holds the lock of the account.
    """
    unsent = approval.operations.filter(nothing_applied())
    count = unsent.count()
    if count:
        text = note.format(name=approval.decided_by_name, account=approval.account)
        by, kind = approval.asked_by, approval.kind
        ask_for_approval(unsent, approval.account, by=by, kind=kind, note=text)
        _record(AuditEntry.Action.APPROVAL_ASKED, approval, count, by=None)
    return count


def ask_again_without(person: User) -> int:
    """Ask for another approval of what this person approved and may no longer approve.

    Call it in the transaction that takes the right away, after the change. Returns for how many
    operations.
    """
    managed = Account.objects.managed_by(person).values("pk")
    lost = Approval.objects.filter(decided_by=person, state=Approval.State.APPROVED)
    lost = lost.exclude(account__in=managed).filter(operations__in=_unsent()).distinct()
    return sum(ask_again(row, note=LOST) for row in lost.select_related("account").order_by("pk"))


def _unsent() -> QuerySet[Operation]:
    return Operation.objects.filter(nothing_applied())


# --- Deciding


def digest_of(operations: Iterable[Operation]) -> str:
    """A digest of what a person decides about: which operations, and every value they send."""
    shown = [
        [row.pk, row.kind, row.target_id, row.target_name, row.target_version, row.wanted, row.base]
        for row in sorted(operations, key=lambda row: row.pk)
    ]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def waiting_operations_of(approval: Approval) -> QuerySet[Operation]:
    """The operations that a decision is about: of this approval, and not sent or cancelled yet."""
    return approval.operations.filter(nothing_applied()).order_by("pk")


@transaction.atomic
def approve(approval: Approval, *, by: User, digest: str, reason: str = "") -> int:
    """Release the operations with this digest; returns how many may be sent now.

    The time in which they must be sent starts now. Raises CannotDecide if `by` asked for one of
    them or is no manager of the account, or if they are not the ones with this digest.
    """
    approval = _lock(approval, by)
    operations = list(waiting_operations_of(approval))
    for row in operations:
        if by.pk in (approval.asked_by_id, row.actor_id, row.confirmed_by_id):
            raise CannotDecide(
                "You asked for this yourself, so another manager must approve it. "
                "You can cancel it."
            )
    if digest_of(operations) != digest:
        raise CannotDecide("This changed since you opened it. Nothing was approved: look again.")

    now = database_now()
    _decide(approval, Approval.State.APPROVED, by, reason, now, digest)
    held = Operation.objects.filter(
        nothing_applied(), pk__in=[row.pk for row in operations], held_because=APPROVAL
    )
    released = list(held.order_by("pk").values_list("pk", "state"))
    note = "Approved." + (f" {reason}" if reason else "")
    if approval.kind == Approval.Kind.PROPOSAL:
        held.update(confirmed_by=by)  # who proposed it could not do it themselves
    held.update(held_because="", confirmed_at=now, next_step_at=now, reason=note)
    _add_events(released, note, at=now, by=by.get_username())
    Account.objects.filter(pk=approval.account_id).raise_versions()
    _record(AuditEntry.Action.APPROVAL_GIVEN, approval, len(operations), by=by)
    wake_on_commit(approval.account.credential_id)
    return len(released)


@transaction.atomic
def decline(approval: Approval, *, by: User, reason: str) -> int:
    """Cancel the operations, with the reason; returns how many. Raises CannotDecide."""
    if not reason.strip():
        raise CannotDecide("Say why, for the person who asked. Nothing was declined.")
    approval = _lock(approval, by)
    rows = list(waiting_operations_of(approval).select_related("account"))
    note = f"Declined: {reason.strip()}"
    for row in rows:
        if row.state == Operation.State.SENT:  # it was proven not applied
            name = by.get_username()
            move(row, Operation.State.UNKNOWN, note="GitHub has not taken it so far.")
            move(row, Operation.State.NEEDS_ATTENTION, note="A person was asked.")
            move(row, Operation.State.CANCELLED, note=note, by=name)
    requested = [row.pk for row in rows if row.state == Operation.State.REQUESTED]
    cancel_requested(requested, note=note, by=by)
    _decide(approval, Approval.State.DECLINED, by, reason.strip(), database_now(), digest_of(rows))
    _record(AuditEntry.Action.APPROVAL_DECLINED, approval, len(rows), by=by)
    return len(rows)


def may_decide(approval: Approval, person: User) -> bool:
    """Whether the person could approve it: a manager, and not the one who asked."""
    manages = Account.objects.managed_by(person).filter(pk=approval.account_id)
    return approval.asked_by_id != person.pk and manages.exists()


def _lock(approval: Approval, by: User) -> Approval:
    """Lock what the decision rests on, and return the approval as it is now."""
    Account.objects.select_for_update(no_key=True).get(pk=approval.account_id)
    list(User.objects.select_for_update(no_key=True).filter(pk=by.pk))
    memberships = Membership.objects.filter(user=by, account=approval.account_id)
    list(memberships.select_for_update(no_key=True))
    row = Approval.objects.select_for_update(of=("self",)).select_related("account")
    approval = row.get(pk=approval.pk)
    if not Account.objects.managed_by(by).filter(pk=approval.account_id).exists():
        raise CannotDecide(f"Only managers of {approval.account} decide about this.")
    if approval.state != Approval.State.WAITING:
        name, state = approval.decided_by_name, approval.get_state_display().lower()
        raise CannotDecide(f"{name} {state} it already.")
    if approval.kind != Approval.Kind.SETTING and not waiting_operations_of(approval).exists():
        raise CannotDecide("Nothing of it waits any more.")
    return approval


def _decide(
    approval: Approval, state: str, by: User, reason: str, now: "datetime", digest: str
) -> None:
    approval.state, approval.reason, approval.digest = state, reason, digest
    approval.decided_by, approval.decided_by_name = by, by.get_username()
    approval.decided_at = now
    approval.save(
        update_fields=["state", "reason", "digest", "decided_by", "decided_by_name", "decided_at"]
    )


def _add_events(rows: Iterable[tuple[int, str]], note: str, *, at: "datetime", by: str) -> None:
    OperationEvent.objects.bulk_create(
        OperationEvent(operation_id=pk, at=at, state=state, by=by, note=note) for pk, state in rows
    )


def _record(action: AuditEntry.Action, approval: Approval, count: int, *, by: User | None) -> None:
    names = list(approval.operations.order_by("pk").values_list("target_name", flat=True)[:3])
    rest = f" and {count - 3:,} more" if count > 3 else ""
    details: dict[str, object] = {
        "approval": approval.pk,
        "asked_by": approval.asked_by_name,
        "operations": count,
        "reason": approval.reason,
        "digest": approval.digest,
    }
    if approval.batch:
        details["batch"] = str(approval.batch)
    audit.record(
        action, by=by, account=approval.account, subject=", ".join(names) + rest, details=details
    )


# --- Switching it on and off


def change_waiting_for(account: Account) -> Approval | None:
    """The change of the account's four eyes that waits for a second person, if there is one."""
    rows = Approval.objects.filter(kind=Approval.Kind.SETTING, state=Approval.State.WAITING)
    return rows.filter(account=account).order_by("-pk").first()


@transaction.atomic
def set_four_eyes(account: Account, above: int | None, *, by: User) -> Approval | None:
    """Switch four eyes on, off, or to another number of operations in a batch.

    Whatever lets more through without a second person needs one itself: then the approval that
    waits for them is returned, and replaces an earlier one. Raises CannotDecide if the account has
    only one manager.
    """
    account = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    before = account.approval_above
    if above == before:
        return None
    if above is not None and managers_of(account).count() < 2:
        raise CannotDecide(
            f"{account} has only one manager, who could then change nothing. "
            "Give a second person the manager role first."
        )
    pending = Approval.objects.filter(
        account=account, kind=Approval.Kind.SETTING, state=Approval.State.WAITING
    )
    pending.update(state=Approval.State.DECLINED, reason="Replaced by another change.")
    if before is None or (above is not None and above < before):
        _apply(account, above, by=by)
        return None
    audit.record(
        AuditEntry.Action.FOUR_EYES_ASKED,
        by=by,
        account=account,
        details={"above": above, "before": before},
    )
    return Approval.objects.create(
        kind=Approval.Kind.SETTING,
        account=account,
        wanted={"approval_above": above},
        asked_by=by,
        asked_by_name=by.get_username(),
        asked_at=database_now(),
    )


@transaction.atomic
def decide_four_eyes(approval: Approval, *, by: User, approves: bool) -> None:
    """Decide about a change of four eyes as its second person. Raises CannotDecide.

    The person who asked may only decline it.
    """
    approval = _lock(approval, by)
    if approves and approval.asked_by_id == by.pk:
        raise CannotDecide("You asked for this yourself, so another manager must approve it.")
    state = Approval.State.APPROVED if approves else Approval.State.DECLINED
    _decide(approval, state, by, "", database_now(), "")
    if approves:
        _apply(approval.account, approval.wanted["approval_above"], by=by, approval=approval)
    else:
        audit.record(AuditEntry.Action.FOUR_EYES_DECLINED, by=by, account=approval.account)


def _apply(
    account: Account, above: int | None, *, by: User, approval: Approval | None = None
) -> None:
    details: dict[str, object] = {"above": above, "before": account.approval_above}
    if approval is not None:
        details["asked_by"] = approval.asked_by_name
    account.approval_above = above
    account.save(update_fields=["approval_above"])
    Account.objects.filter(pk=account.pk).raise_versions()
    audit.record(AuditEntry.Action.FOUR_EYES_SET, by=by, account=account, details=details)
