"""Checking the rights of a credential: after connecting, on request, and every night.

Scopes, expiry and rate budget come with every answer (see `credentials._note_answer`). A check
asks for the rest: the permissions of an installation, and the plan of each organization.
"""

import logging

from runners_app.credentials.credentials import app_client
from runners_app.github import BadCredentials, GitHubClient, GitHubError, RateLimited
from runners_app.models import Account, Credential
from runners_app.models.clock import database_now

log = logging.getLogger(__name__)
MOST_ACCOUNTS = 200


def ask_nightly_checks() -> None:
    """Make checks due, except of refused credentials: repeated 401s can get valid ones blocked."""
    Credential.objects.filter(quarantined_at=None).update(check_due_at=database_now())


def is_check_due(credential_id: int) -> bool:
    return Credential.objects.filter(pk=credential_id, check_due_at__lte=database_now()).exists()


def check(credential: Credential, client: GitHubClient) -> None:
    """Store permissions and plans as GitHub answers them now.

    Raises what stops the credential as a whole: BadCredentials, RateLimited, LeaseLost. Other
    errors leave the former values in place.
    """
    found: dict[str, object] = {"check_due_at": None, "checked_at": database_now()}
    try:
        client.get_rate_limit()
        if credential.kind == Credential.Kind.INSTALLATION:
            found["permissions"] = _permissions(credential)
    except GitHubError as error:
        _raise_or_note(error, credential)
    organizations = credential.accounts.filter(kind=Account.Kind.ORGANIZATION, paused=False)
    for account in organizations[:MOST_ACCOUNTS]:
        _read_plan(account, client, credential)
    Credential.objects.filter(pk=credential.pk).update(**found)
    Account.objects.filter(credential=credential).raise_versions()


def _permissions(credential: Credential) -> dict[str, str]:
    if credential.app is None or credential.installation_id is None:
        return {}
    client = app_client(credential.app)
    try:
        return dict(client.get_installation(credential.installation_id).data.permissions)
    finally:
        client.close()


def _read_plan(account: Account, client: GitHubClient, credential: Credential) -> None:
    try:
        plan = client.get_organization(account.owner).data.plan or ""
    except GitHubError as error:
        _raise_or_note(error, credential)
        return
    Account.objects.filter(pk=account.pk).exclude(plan=plan[:100]).update(plan=plan[:100])


def _raise_or_note(error: GitHubError, credential: Credential) -> None:
    if isinstance(error, BadCredentials | RateLimited):
        raise error
    log.info("The check of credential %s continued after: %s", credential.pk, type(error).__name__)
