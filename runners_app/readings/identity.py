"""Whether an account is still the one that was connected: names at GitHub can change hands.

An organization is known by GitHub's number. GitHub tells none of an enterprise, so it is known by
the ids of its runners and groups. What belongs to another account is neither published nor changed.
"""

from django.db import IntegrityError, transaction

from runners_app.github import GitHubClient, NotFound
from runners_app.models import Account, AuditEntry, Reading, Runner, RunnerGroup
from runners_app.readings.publish import RowSet
from runners_app.security import audit


class IdentityChanged(Exception):
    """The account's name belongs to another one now, or may do so; the message says which."""


class Renamed(Exception):
    """The organization has another name now, which is stored; the message says so."""


def check_organization(account: Account, client: GitHubClient) -> None:
    """Compare GitHub's number of the organization of this name with the stored one.

    The first time it is stored. A renamed organization is followed. Raises Renamed,
    IdentityChanged and GitHubError. GitHub: orgs/get.
    """
    if account.kind != Account.Kind.ORGANIZATION:
        return
    try:
        found = client.get_organization(account.owner).data
    except NotFound:
        if account.github_id is None:
            raise
        follow_rename(account, client)
        raise

    if account.github_id is None:
        _store_number(account, found.id)
    elif found.id != account.github_id:
        follow_rename(account, client)
        raise IdentityChanged(
            f"The name {account.slug} belongs to another organization at GitHub now (number "
            f"{found.id} instead of {account.github_id}), and ours cannot be found by its number. "
            "Nothing of it is shown or changed."
        )


def _store_number(account: Account, number: int) -> None:
    try:
        with transaction.atomic():
            Account.objects.filter(pk=account.pk, github_id=None).update(github_id=number)
    except IntegrityError:
        raise IdentityChanged(
            f"{account.slug} is the same organization as one that is connected under another name."
        ) from None
    account.github_id = number


def follow_rename(account: Account, client: GitHubClient) -> None:
    """Store the present name of an organization if GitHub finds it by its number.

    Does nothing if it does not, or if the name is as it was. Raises Renamed and GitHubError.
    """
    if account.github_id is None:
        return
    try:
        found = client.get_organization_by_id(account.github_id).data
    except NotFound:
        return
    before, after = account.slug, found.login
    if found.id != account.github_id or after.lower() == before.lower():
        return
    try:
        with transaction.atomic():
            Account.objects.filter(pk=account.pk).update(slug=after)
            Account.objects.filter(pk=account.pk).raise_versions()
            Account.objects.tell_apart(before, after)
            account.slug = after
            audit.record(
                AuditEntry.Action.ACCOUNT_RENAMED,
                by=None,
                account=account,
                subject=after,
                details={"before": before, "after": after},
            )
            Reading.objects.schedule_now(account)
    except IntegrityError:
        account.slug = before
        raise IdentityChanged(
            f"{before} is called {after} at GitHub now, and another account of that name is "
            "connected. Disconnect that one first."
        ) from None
    raise Renamed(f"{before} was renamed {after} at GitHub. Trackside follows it.")


def check_enterprise(account: Account, row_sets: list[RowSet], client: GitHubClient) -> None:
    """Stop if an enterprise lists runners and groups of which not one is known.

    An administrator who checks the account again says that it is the same. Raises
    IdentityChanged and GitHubError.
    """
    if account.kind != Account.Kind.ENTERPRISE:
        return
    for rows in row_sets:
        listed = rows.rows.keys() | rows.kept
        if rows.model not in (Runner, RunnerGroup) or not listed:
            continue
        stored = rows.model._default_manager.filter(**rows.scope, gone_at=None)
        known = {*stored.values_list(rows.key, flat=True)}
        if not known or known & listed:
            continue
        if rows.model is Runner and _shares_a_group(account, client):
            continue
        confirmed_at = account.identity_confirmed_at
        if confirmed_at is None or stored.filter(first_seen_at__gt=confirmed_at).exists():
            raise IdentityChanged(
                f"GitHub lists none of the runners and groups that Trackside knows of "
                f"{account.slug}: it may be another enterprise of that name. Nothing is shown or "
                "changed until an administrator checks the account again."
            )


def _shares_a_group(account: Account, client: GitHubClient) -> bool:
    groups = RunnerGroup.objects.present().filter(account=account)
    known = {*groups.values_list("github_id", flat=True)}
    pages = client.list_runner_groups(account.owner)
    return bool(known & {group.id for page in pages for group in page.items or ()})
