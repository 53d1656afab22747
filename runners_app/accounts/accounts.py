"""Accounts: connecting, pausing, observing only, and disconnecting. Nothing here changes anything
at GitHub.
"""

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from runners_app.credentials.credentials import release_from_quarantine, store_token
from runners_app.credentials.leases import end_lease
from runners_app.credentials.wake import wake_on_commit
from runners_app.models import Account, AuditEntry, CachedResponse, Credential, Operation, Reading
from runners_app.security import audit
from runners_app.security.redaction import hide

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9_])?")


class CannotConnect(ValueError):
    """The account cannot be connected as asked; the message says why and what to do. Nothing was
    stored.
    """


def check_api_url(api_url: str) -> str:
    """The address in its one form, without a trailing slash. Raises CannotConnect for what is not
    allowed.
    """
    try:
        parts = urlsplit(api_url.strip())
        port = parts.port
    except ValueError:
        raise CannotConnect(f"{api_url} is not an address.") from None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.username
        or parts.query
        or parts.fragment
    ):
        raise CannotConnect(
            "The address must look like https://api.github.com, or https://HOSTNAME/api/v3."
        )
    origin = f"{parts.scheme}://{parts.hostname.lower()}" + (f":{port}" if port else "")
    if not any(_matches(origin, allowed) for allowed in allowed_origins()):
        raise CannotConnect(
            f"{origin} is not among the addresses Trackside may call. "
            f"Whoever runs it can add it to GITHUB_API_ORIGINS. Allowed now: {', '.join(settings.GITHUB_API_ORIGINS)}."
        )
    return origin + parts.path.rstrip("/")


def allowed_origins() -> list[str]:
    return [*settings.GITHUB_API_ORIGINS, *settings.DEMO_API_ORIGINS]


def _matches(origin: str, allowed: str) -> bool:
    # More than one label, because data residency answers at api.SUBDOMAIN.ghe.com.
    pattern = re.escape(allowed.rstrip("/").lower()).replace(r"\*", r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")
    return re.fullmatch(pattern, origin) is not None


def check_slug(slug: str) -> str:
    """Raises CannotConnect."""
    if not SLUG.fullmatch(slug):
        raise CannotConnect(
            f"“{slug}” is no organization or enterprise: copy the name from its address at GitHub."
        )
    return slug


def connect_with_token(
    slug: str,
    *,
    kind: str,
    api_url: str,
    token: str,
    by: "User | None",
    observe_only: bool = False,
    demo: bool = False,
) -> Account:
    """Store an account with a token. A worker then reads all of it. Raises CannotConnect or
    UnusableToken.
    """
    hide(token)
    api_url = check_api_url(api_url)
    with transaction.atomic():
        credential = store_token(api_url, token.strip(), by=by)
        return connect(
            slug, kind=kind, credential=credential, by=by, observe_only=observe_only, demo=demo
        )


@transaction.atomic
def connect(
    slug: str,
    *,
    kind: str,
    credential: Credential,
    by: "User | None",
    observe_only: bool = False,
    demo: bool = False,
) -> Account:
    """Store an account served by a credential. Raises CannotConnect when it is there already or
    cannot be served.
    """
    slug = check_slug(slug)
    if kind == Account.Kind.ENTERPRISE and credential.kind != Credential.Kind.CLASSIC:
        raise CannotConnect(
            "GitHub lets only classic tokens manage the runners of an enterprise. Make one of those."
        )
    try:
        with transaction.atomic():
            account = Account.objects.create(
                slug=slug,
                kind=kind,
                api_url=credential.api_url,
                credential=credential,
                observe_only=observe_only,
                demo=demo,
            )
    except IntegrityError:
        raise CannotConnect(
            f"The {kind} {slug} is connected already. {_otherwise(credential)}"
        ) from None
    Reading.objects.create_for(account)
    Credential.objects.filter(pk=credential.pk).update(check_due_at=timezone.now())
    audit.record(
        AuditEntry.Action.ACCOUNT_CONNECTED,
        by=by,
        account=account,
        details={"kind": kind, "api_url": credential.api_url},
    )
    wake_on_commit(credential.pk)
    return account


def _otherwise(credential: Credential) -> str:
    if credential.kind == Credential.Kind.INSTALLATION:
        return "If the App was installed anew, connect it on the App's page."
    return "Open it to replace its token."


@transaction.atomic
def replace_token(account: Account, token: str, *, by: "User", api_url: str = "") -> Account:
    """Serve the account with another token from now on, and at another address where one is given.

    A secret belongs to the address it was given for, so neither changes without the other being
    entered again. Raises UnusableToken or CannotConnect.
    """
    api_url = check_api_url(api_url) if api_url else account.api_url
    if Account.objects.filter(
        api_url=api_url, kind=account.kind, slug__iexact=account.slug
    ).exclude(pk=account.pk):
        raise CannotConnect(f"{account} at {api_url} is connected already.")
    credential = store_token(api_url, token.strip(), by=by)
    if account.kind == Account.Kind.ENTERPRISE and credential.kind != Credential.Kind.CLASSIC:
        raise CannotConnect("GitHub lets only classic tokens manage the runners of an enterprise.")
    serve_with(account, credential, by=by)
    return account


@transaction.atomic
def serve_with(account: Account, credential: Credential, *, by: "User") -> None:
    """Have another credential serve the account, at its address, and read everything anew. Raises
    CannotConnect.
    """
    previous = _lock_credential(account)
    if previous != credential:
        end_lease(previous)
    details: dict[str, object] = (
        {"api_url": credential.api_url} if credential.api_url != account.api_url else {}
    )
    account.api_url, account.credential = credential.api_url, credential
    account.save(update_fields=["credential", "api_url"])
    CachedResponse.objects.filter(reading__account=account).delete()
    drop_if_unused(previous)
    audit.record(AuditEntry.Action.ACCOUNT_TOKEN_REPLACED, by=by, account=account, details=details)
    check_now(account, by=by)


def _lock_credential(account: Account) -> Credential:
    """The credential that serves the account, once nobody is publishing with it. Raises
    CannotConnect.
    """
    credential = Credential.objects.select_for_update().filter(pk=account.credential_id).first()
    if (
        credential is None
        or not Account.objects.filter(pk=account.pk, credential=credential).exists()
    ):
        raise CannotConnect(
            f"Somebody else has just changed what serves {account}. Look at it first."
        )
    return credential


def drop_if_unused(credential: Credential) -> None:
    if not credential.accounts.exists():
        credential.delete()


@transaction.atomic
def check_now(account: Account, *, by: "User") -> None:
    """Read everything again at once, also what had gone quiet after refusals."""
    if account.credential.quarantined_at:
        release_from_quarantine(account.credential, by=by)
    Credential.objects.filter(pk=account.credential_id).update(check_due_at=timezone.now())
    Reading.objects.schedule_now(account)
    Account.objects.filter(pk=account.pk).raise_versions()
    wake_on_commit(account.credential_id)


@transaction.atomic
def set_observe_only(account: Account, value: bool, *, by: "User") -> None:
    account.observe_only = value
    account.save(update_fields=["observe_only"])
    Account.objects.filter(pk=account.pk).raise_versions()
    audit.record(
        AuditEntry.Action.ACCOUNT_OBSERVE_ONLY, by=by, account=account, details={"on": value}
    )


@transaction.atomic
def set_paused(account: Account, value: bool, *, by: "User") -> None:
    """A paused account is neither read nor written; what is shown keeps its age."""
    account.paused = value
    account.save(update_fields=["paused"])
    Account.objects.filter(pk=account.pk).raise_versions()
    audit.record(AuditEntry.Action.ACCOUNT_PAUSED, by=by, account=account, details={"on": value})
    if not value:
        wake_on_commit(account.credential_id)


@transaction.atomic
def disconnect(account: Account, *, by: "User | None") -> None:
    """Forget the account here. Nothing is deleted at GitHub. Raises CannotConnect while a write is
    under way.
    """
    # A worker marks an operation as sent while it holds this row, so none can leave between this
    # look and the end.
    credential = _lock_credential(account)
    under_way = Operation.objects.filter(account=account, state__in=Operation.CARRIED_BY_WORKER)
    if under_way.exclude(state=Operation.State.REQUESTED).exists():
        raise CannotConnect(
            "An operation of this account is on its way to GitHub. Wait for its outcome first."
        )
    audit.record(
        AuditEntry.Action.ACCOUNT_DISCONNECTED,
        by=by,
        account=account,
        details={"kind": account.kind},
    )
    account.delete()
    end_lease(credential)
    drop_if_unused(credential)


def disconnect_demo(*, by: "User | None") -> int:
    """Forget all demo accounts, whatever is under way in them. Says how many there were."""
    accounts = list(Account.objects.filter(demo=True).select_related("credential"))
    for account in accounts:
        with transaction.atomic():
            Operation.objects.filter(account=account).delete()
            disconnect(account, by=by)
    return len(accounts)
