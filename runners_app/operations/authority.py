"""Who answers for an operation, and whether they may still do it when it is sent.

The right to act is checked when an operation is requested, and again in the transaction that
commits it as sent. Locks are taken in the order credential, account, user, membership, operation.
"""

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from runners_app.models import Account, Approval, AuditEntry, Membership, Operation
from runners_app.models.operations import nothing_applied
from runners_app.operations.approvals import LOST as LOST_APPROVAL
from runners_app.operations.approvals import ask_again, ask_again_without
from runners_app.operations.holds import hold
from runners_app.operations.transitions import move, stay
from runners_app.security import audit

S = Operation.State
LOST = "Not sent: {name} may no longer do this. A manager of {account} decides."
HALF_DONE = (
    "The first step was applied. The rest was not sent, because {name} may no longer do this."
)


def lock_and_check_right(operation: Operation) -> Operation.HeldBecause | None:
    """Lock the rows that give the right, and return why it may not be sent; None if it may.

    That is `actor` if the person no longer has the right, and `approval` if a second person must
    approve it and none did who still has it. Call it in the transaction that commits the operation
    as sent: a change of the right commits either before this check, or after the operation is sent.
    """
    person_id = operation.confirmed_by_id or operation.actor_id or 0
    Account.objects.select_for_update(no_key=True).get(pk=operation.account_id)
    approval = Approval.objects.filter(pk=operation.approval_id or 0).first()
    approver_id = approval.decided_by_id if approval else None
    people = User.objects.filter(pk__in={person_id, approver_id or 0}).order_by("pk")
    found = {person.pk: person for person in people.select_for_update(no_key=True)}
    memberships = Membership.objects.filter(user__in=found, account=operation.account_id)
    list(memberships.order_by("pk").select_for_update(no_key=True))

    def manages(pk: int) -> bool:
        managed = Account.objects.managed_by(found[pk]) if pk in found else Account.objects.none()
        return managed.filter(pk=operation.account_id).exists()

    if not manages(person_id):
        return Operation.HeldBecause.ACTOR
    if approval is None:
        return None
    is_approved = approval.state == Approval.State.APPROVED and approver_id is not None
    is_alone = approver_id == person_id and approval.kind != Approval.Kind.PROPOSAL
    if not is_approved or is_alone or not manages(approver_id or 0):
        return Operation.HeldBecause.APPROVAL
    return None


def keep_from_sending(operation: Operation, because: Operation.HeldBecause) -> None:
    """Hold an operation that lacks a right, and audit it; call it in a transaction.

    What was approved together waits for another approval together. An operation that may have been
    applied in part needs attention instead.
    """
    approval = operation.approval
    if because == Operation.HeldBecause.APPROVAL and operation.is_cancellable and approval:
        ask_again(approval, note=LOST_APPROVAL)
        return
    name = responsible_name(operation)
    if because == Operation.HeldBecause.APPROVAL and approval:
        name = approval.decided_by_name
    names = {"name": name, "account": operation.account}
    if operation.is_cancellable:
        note = LOST.format(**names)
        stay(operation, seconds=0, note=note, held_because=because)
    else:
        note = (HALF_DONE if operation.begun else LOST).format(**names)
        if operation.state == S.SENT:
            move(operation, S.UNKNOWN, note="GitHub has not taken it so far.")
        move(operation, S.NEEDS_ATTENTION, note=note)
    audit.record(
        AuditEntry.Action.OPERATION_HELD,
        by=None,
        account=operation.account,
        subject=operation.target_name,
        details={"operation": operation.pk, "person": name},
    )


def responsible_name(operation: Operation) -> str:
    """Return the name of the person who requested the operation, or who confirmed it since."""
    confirmed_by = operation.confirmed_by
    return confirmed_by.get_username() if confirmed_by else operation.actor_name


def waiting_operations(person: User) -> QuerySet[Operation]:
    """Return operations that would be sent on the person's authority, and are not held yet."""
    responsible = Q(confirmed_by=person) | Q(confirmed_by=None, actor=person)
    return Operation.objects.filter(responsible, nothing_applied(), held_because="")


def lock_accounts_of(person: User) -> None:
    """Lock the accounts of the person's waiting operations, before their user row is locked."""
    requested = Q(pk__in=waiting_operations(person).values("account"))
    approved = Q(
        approvals__decided_by=person, approvals__operations__state__in=Operation.UNFINISHED
    )
    pks = list(Account.objects.filter(requested | approved).values_list("pk", flat=True))
    list(Account.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk"))


def hold_without_right(person: User) -> int:
    """Hold the person's waiting operations in accounts they do not manage; return how many.

    Call it in the transaction that takes the right away, after the change.
    """
    managed = Account.objects.managed_by(person).values("pk")
    lost = waiting_operations(person).exclude(account__in=managed)
    ask_again_without(person)
    note = f"Not sent: {person.get_username()} may no longer do this. A manager decides."
    return hold(lost.select_related("account"), Operation.HeldBecause.ACTOR, note)
