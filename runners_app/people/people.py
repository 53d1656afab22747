"""Add, change and disable users, and give them access to accounts. Every change is audited."""

from typing import TYPE_CHECKING

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils.crypto import salted_hmac

from runners_app.models import Account, AuditEntry, Membership, RunnerGroup
from runners_app.operations.authority import hold_without_right, lock_accounts_of
from runners_app.people.sign_ins import end_sessions
from runners_app.security import audit

if TYPE_CHECKING:
    from collections.abc import Iterable


class CannotChange(ValueError):
    """The change is not allowed; the message says why. Nothing was changed."""


def setup_code() -> str:
    """Return the code that proves access to the server: it is derived from SECRET_KEY."""
    return salted_hmac("setup code", "first administrator").hexdigest()[:20]


@transaction.atomic
def add_first_administrator(username: str, *, password: str) -> User:
    """Add the first administrator. Raises CannotChange if any user exists."""
    # A row that always exists, as a lock: of several setups at once only the first may succeed.
    ContentType.objects.select_for_update(no_key=True).get(app_label="auth", model="user")
    if User.objects.exists():
        raise CannotChange("Trackside is set up already.")
    person = User.objects.create_superuser(username, password=password)
    audit.record(
        AuditEntry.Action.PERSON_ADDED, by=None, subject=username, details={"administrator": True}
    )
    return person


@transaction.atomic
def add_person(username: str, *, email: str, password: str, administrator: bool, by: User) -> User:
    """Add a user, who sees nothing until given an account unless they are an administrator."""
    person = User.objects.create_user(
        username, email=email, password=password, is_superuser=administrator
    )
    audit.record(
        AuditEntry.Action.PERSON_ADDED,
        by=by,
        subject=username,
        details={"administrator": administrator},
    )
    return person


@transaction.atomic
def set_administrator(person: User, value: bool, *, by: User | None) -> int:
    """Make a user an administrator or a member. Raises CannotChange for the last one.

    Without `by`, the groups of the sign-in provider say so.

    Returns how many operations were held, which they had requested and may no longer do.
    """
    lock_accounts_of(person)
    _check_may_lose(person, by, losing=not value)
    person.is_superuser = value
    person.save(update_fields=["is_superuser"])
    held = hold_without_right(person)
    audit.record(
        AuditEntry.Action.PERSON_ADMINISTRATOR,
        by=by,
        subject=person.get_username(),
        details={"on": value, "operations_held": held},
    )
    return held


@transaction.atomic
def set_active(person: User, value: bool, *, by: User) -> int:
    """Enable or disable a user, whose sessions then end. Raises CannotChange.

    Returns how many operations were held, which they had requested and may no longer do.
    """
    lock_accounts_of(person)
    _check_may_lose(person, by, losing=not value)
    person.is_active = value
    person.save(update_fields=["is_active"])
    if not value:
        end_sessions(person)
    held = hold_without_right(person)
    audit.record(
        AuditEntry.Action.PERSON_ENABLED if value else AuditEntry.Action.PERSON_DISABLED,
        by=by,
        subject=person.get_username(),
        details={"operations_held": held},
    )
    return held


@transaction.atomic
def set_password(person: User, password: str, *, by: User) -> None:
    """Set a new password. It ends the user's sessions, which carry a hash of the old one."""
    person.set_password(password)
    person.save(update_fields=["password"])
    audit.record(AuditEntry.Action.PERSON_PASSWORD_SET, by=by, subject=person.get_username())


@transaction.atomic
def set_email(person: User, email: str, *, by: User) -> None:
    """Change the e-mail address. Addresses that a provider vouched for before no longer count."""
    if person.email == email:
        return
    before, person.email = person.email, email
    person.save(update_fields=["email"])
    EmailAddress.objects.filter(user=person).delete()
    audit.record(
        AuditEntry.Action.PERSON_EMAIL_CHANGED,
        by=by,
        subject=person.get_username(),
        details={"before": before, "after": email},
    )


@transaction.atomic
def remove_second_factors(person: User, *, by: User | None) -> int:
    """Remove a user's second factors and end their sessions; return how many there were.

    Raises CannotChange if `by` is the user: their own page asks for the factor first.
    """
    if by is not None and by.pk == person.pk:
        raise CannotChange("Your own second factor is on your own page.")
    removed: int = Authenticator.objects.filter(user=person).delete()[0]
    if removed:
        end_sessions(person)
        audit.record(AuditEntry.Action.SECOND_FACTOR_TAKEN, by=by, subject=person.get_username())
    return removed


@transaction.atomic
def give_account(
    person: User, account: Account, role: str, *, by: User | None, source: str = ""
) -> int:
    """Give access to an account, or change the role in it; `source` says who gives it.

    Returns how many operations were held, which they had requested and may no longer do.
    """
    _lock_right(person, account)
    membership, made = Membership.objects.get_or_create(
        user=person, account=account, defaults={"role": role, "source": source}
    )
    before = None if made else membership.role
    if before == role and membership.source == source:
        return 0
    membership.role, membership.source = role, source
    if role != Membership.Role.VIEWER:
        membership.limited = False
    membership.save(update_fields=["role", "limited", "source"])
    Account.objects.filter(pk=account.pk).raise_versions()
    held = hold_without_right(person)
    details: dict[str, object] = {"role": role, "before": before, "operations_held": held}
    if source:
        details["source"] = source
    audit.record(
        AuditEntry.Action.MEMBERSHIP_GIVEN,
        by=by,
        account=account,
        subject=person.get_username(),
        details=details,
    )
    return held


@transaction.atomic
def give_accounts(person: User, accounts: "Iterable[Account]", role: str, *, by: User) -> int:
    """Give the same access to several accounts; returns how many operations were held."""
    # In one order, because each locks its account.
    in_order = sorted(accounts, key=lambda account: account.pk)
    return sum(give_account(person, account, role, by=by) for account in in_order)


@transaction.atomic
def limit_to_groups(
    person: User, account: Account, groups: "Iterable[RunnerGroup] | None", *, by: User
) -> None:
    """Show a viewer only these runner groups of the account, or all of it if None.

    Raises CannotChange for a manager.
    """
    membership = (
        Membership.objects.select_for_update(no_key=True)
        .filter(user=person, account=account)
        .first()
    )
    if membership is None or membership.role != Membership.Role.VIEWER:
        raise CannotChange(
            "Only a viewer can be limited to runner groups. Give them that role first."
        )
    chosen = list(groups or ())
    membership.limited = groups is not None
    membership.save(update_fields=["limited"])
    membership.groups.set(chosen)
    Account.objects.filter(pk=account.pk).raise_versions()
    details: dict[str, object] = {
        "groups": [group.name for group in chosen] if membership.limited else "all"
    }
    audit.record(
        AuditEntry.Action.MEMBERSHIP_LIMITED,
        by=by,
        account=account,
        subject=person.get_username(),
        details=details,
    )


@transaction.atomic
def take_account(person: User, account: Account, *, by: User | None) -> int:
    """Remove access to an account.

    Returns how many operations were held, which they had requested and may no longer do.
    """
    _lock_right(person, account)
    taken, _ = Membership.objects.filter(user=person, account=account).delete()
    if not taken:
        return 0
    Account.objects.filter(pk=account.pk).raise_versions()
    held = hold_without_right(person)
    audit.record(
        AuditEntry.Action.MEMBERSHIP_TAKEN,
        by=by,
        account=account,
        subject=person.get_username(),
        details={"operations_held": held},
    )
    return held


def _lock_right(person: User, account: Account) -> None:
    """Lock what gives the right, in the order of a worker that is about to send."""
    list(Account.objects.select_for_update(no_key=True).filter(pk=account.pk))
    list(User.objects.select_for_update(no_key=True).filter(pk=person.pk))
    list(Membership.objects.select_for_update(no_key=True).filter(user=person, account=account))


def _check_may_lose(person: User, by: User | None, *, losing: bool) -> None:
    """Lock all administrators, so that two who disable each other do not both succeed."""
    rows = User.objects.select_for_update(no_key=True).filter(is_superuser=True, is_active=True)
    administrators = {row.pk for row in rows}
    if by is not None and by.pk not in administrators:
        raise CannotChange("You are no longer an administrator.")
    if losing and by is not None and person.pk == by.pk:
        raise CannotChange("You cannot take this away from yourself. Another administrator can.")
    if losing and administrators == {person.pk}:
        raise CannotChange(f"{person} is the last administrator. Make another user one first.")
