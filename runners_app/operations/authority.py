"""Who answers for an operation, and whether they may still do it when it is sent.

The right to act is checked when an operation is requested, and again in the transaction that
commits it as sent. Locks are taken in the order credential, account, user, membership, operation.
"""

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from runners_app.models import Account, AuditEntry, Membership, Operation
from runners_app.models.operations import nothing_applied
from runners_app.operations.holds import hold
from runners_app.operations.transitions import move, stay
from runners_app.security import audit

S = Operation.State
LOST = "Not sent: {name} may no longer do this. A manager of {account} decides."
HALF_DONE = (
    "The first step was applied. The rest was not sent, because {name} may no longer do this."
)


def lock_and_check_right(operation: Operation) -> bool:
    """Lock the rows that give the right, and return whether the person still has it.

    Call it in the transaction that commits the operation as sent: a change of the right commits
    either before this check, or after the operation is sent. Accounts must be locked before.
    """
    person_id = operation.confirmed_by_id or operation.actor_id or 0
    Account.objects.select_for_update(no_key=True).get(pk=operation.account_id)
    person = User.objects.select_for_update(no_key=True).filter(pk=person_id).first()
    memberships = Membership.objects.filter(user=person_id, account=operation.account_id)
    list(memberships.select_for_update(no_key=True))
    if person is None:
        return False
    return Account.objects.managed_by(person).filter(pk=operation.account_id).exists()


def keep_from_sending(operation: Operation) -> None:
    """Hold an operation whose person lost the right, and audit it; call it in a transaction.

    One that may have been applied in part needs attention instead.
    """
    names = {"name": responsible_name(operation), "account": operation.account}
    if operation.is_cancellable:
        note = LOST.format(**names)
        stay(operation, seconds=0, note=note, held_because=Operation.HeldBecause.ACTOR)
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
        details={"operation": operation.pk, "person": responsible_name(operation)},
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
    accounts = waiting_operations(person).values("account")
    list(Account.objects.select_for_update(no_key=True).filter(pk__in=accounts).order_by("pk"))


def hold_without_right(person: User) -> int:
    """Hold the person's waiting operations in accounts they do not manage; return how many.

    Call it in the transaction that takes the right away, after the change.
    """
    managed = Account.objects.managed_by(person).values("pk")
    lost = waiting_operations(person).exclude(account__in=managed)
    note = f"Not sent: {person.get_username()} may no longer do this. A manager decides."
    return hold(lost.select_related("account"), Operation.HeldBecause.ACTOR, note)
