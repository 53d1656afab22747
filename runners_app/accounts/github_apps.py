"""Store GitHub Apps, list their installations in a worker, and connect installations."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from runners_app.accounts.accounts import CannotConnect, check_api_url, connect, serve_with
from runners_app.credentials.credentials import (
    app_client,
    release_from_quarantine,
    store_app,
    store_installation,
)
from runners_app.credentials.leases import LeaseLost
from runners_app.credentials.wake import wake_app_on_commit
from runners_app.github import GitHubClient, GitHubError, Installation
from runners_app.jobs.hooks import point_app_hook
from runners_app.models import Account, App, AuditEntry, Credential
from runners_app.security import audit
from runners_app.security.secrets import SecretUnreadable

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_INSTALLATIONS = 1000


@transaction.atomic
def add_app(api_url: str, issuer: str, private_key: str, *, by: "User") -> App:
    """Store an App, or a new key of it, and have its installations listed.

    Raises CannotConnect.
    """
    app = store_app(check_api_url(api_url), issuer, private_key)
    audit.record(
        AuditEntry.Action.APP_STORED, by=by, subject=str(app), details={"api_url": app.api_url}
    )
    for credential in Credential.objects.filter(app=app).exclude(quarantined_at=None):
        release_from_quarantine(credential, by=by)
    ask_installations(app)
    return app


def ask_installations(app: App) -> None:
    """Have a worker list the App's installations."""
    App.objects.filter(pk=app.pk).update(asked_at=timezone.now())
    wake_app_on_commit(app.pk)


def list_installations(app_id: int) -> None:
    """In a worker: read the App and its installations. One worker at a time does it.

    GitHub: apps/get-authenticated, apps/list-installations. A refusal is stored on the row.
    """
    app = _claim(app_id)
    if app is None:
        return
    try:
        found = _ask_github(app)
    except LeaseLost:
        return
    except (GitHubError, SecretUnreadable, ValueError) as error:
        found = {"refusal": f"GitHub did not list the installations: {error}"}
    mine = App.objects.filter(pk=app_id, asking_until=app.asking_until)
    # A later request (asked_at differs) still needs a newer answer than this one.
    mine.filter(asked_at=app.asked_at).update(
        answered_at=timezone.now(), **{"refusal": "", **found}
    )
    mine.update(asking_until=None)


def _claim(app_id: int) -> App | None:
    """Claim the App for the time of one request, so that a dead worker's claim expires."""
    now = timezone.now()
    taken = App.objects.unanswered(now).filter(pk=app_id).update(asking_until=now + _one_request())
    return App.objects.filter(pk=app_id).first() if taken else None


def _keep_claim(app: App) -> None:
    """Renew the claim before each request. Raises LeaseLost."""
    until = timezone.now() + _one_request()
    if not App.objects.filter(pk=app.pk, asking_until=app.asking_until).update(asking_until=until):
        raise LeaseLost
    app.asking_until = until


def _one_request() -> timedelta:
    return timedelta(seconds=settings.LEASE_SECONDS)


def _ask_github(app: App) -> dict[str, Any]:
    client = app_client(app)
    client.before_request = lambda method: _keep_claim(app)
    try:
        itself = client.get_app().data
        installations = _installations(client)
        point_app_hook(client, app)
    finally:
        client.close()
    return {
        "name": itself.name[:200],
        "slug": itself.slug[:200],
        "owner": itself.owner[:200],
        "installations": installations,
    }


def _installations(client: GitHubClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in client.list_installations():
        found.extend(_facts(one) for one in page.items or ())
        if len(found) >= MOST_INSTALLATIONS:
            break
    return found[:MOST_INSTALLATIONS]


def _facts(one: Installation) -> dict[str, Any]:
    return {
        "id": one.id,
        "account": one.account,
        "target_type": one.target_type,
        "permissions": dict(one.permissions),
        "suspended": one.suspended_at is not None,
    }


def cannot_connect(installation: dict[str, Any]) -> str:
    """Return why an installation cannot serve an account here; empty if it can."""
    if installation["target_type"] == "Enterprise":
        return "GitHub lets only classic tokens manage the runners of an enterprise."
    if installation["target_type"] != "Organization":
        return "Only organizations have larger runners."
    if installation["suspended"]:
        return "Suspended by an owner of the organization."
    return ""


def accounts_at(app: App) -> dict[str, Account]:
    """Return the organizations connected at the App's server, by lower-case slug."""
    rows = Account.objects.filter(api_url=app.api_url, kind=Account.Kind.ORGANIZATION)
    return {account.slug.lower(): account for account in rows.select_related("credential")}


def is_reinstalled(app: App, installation: dict[str, Any], account: Account) -> bool:
    """Return whether the account is still served by an earlier installation of the App."""
    credential = account.credential
    return credential.app_id == app.pk and credential.installation_id != installation["id"]


@transaction.atomic
def connect_installations(app: App, ids: set[int], *, by: "User") -> list[Account]:
    """Connect the organizations of the installations `ids`; return the accounts connected.

    Accounts connected already stay as they are, unless by an earlier installation of this App:
    that one is gone, so the new installation takes its place.
    """
    connected, here = [], accounts_at(app)
    for installation in app.installations:
        if installation["id"] not in ids or cannot_connect(installation):
            continue

        slug = installation["account"]
        credential = store_installation(app, installation["id"], slug)
        Credential.objects.filter(pk=credential.pk).update(permissions=installation["permissions"])
        existing = here.get(slug.lower())
        try:
            if existing is not None and is_reinstalled(app, installation, existing):
                serve_with(existing, credential, by=by)
                connected.append(existing)
            else:
                connected.append(connect(slug, kind="organization", credential=credential, by=by))
        except CannotConnect:
            if not credential.accounts.exists():
                credential.delete()
    return connected
