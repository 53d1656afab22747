"""Connect, pause, restrict to observing, and disconnect accounts.

Everything here changes only our tables, nothing at GitHub.
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

# Old accounts may end in a hyphen.
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class CannotConnect(ValueError):
    """The account cannot be connected or changed; the message says why and what to do next.

    Nothing was stored.
    """


def check_api_url(api_url: str) -> str:
    """Return the canonical address: lower-case origin plus path, without a trailing slash.

    Raises CannotConnect if it is not an address or not listed in GITHUB_API_ORIGINS.
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
            "The operator of Trackside can add it to GITHUB_API_ORIGINS. "
            f"Allowed now: {', '.join(settings.GITHUB_API_ORIGINS)}."
        )
    return origin + parts.path.rstrip("/")


def allowed_origins() -> list[str]:
    """Return the origins, possibly with `*`, that the client may call."""
    return [*settings.GITHUB_API_ORIGINS, *settings.DEMO_API_ORIGINS]


def _matches(origin: str, allowed: str) -> bool:
    # `*` stands for one or more labels: with data residency the API is api.SUBDOMAIN.ghe.com.
    pattern = re.escape(allowed.rstrip("/").lower()).replace(r"\*", r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")
    return re.fullmatch(pattern, origin) is not None


def check_slug(slug: str) -> str:
    """Return the slug, or raise CannotConnect if GitHub could not have an account of this name."""
    if not SLUG.fullmatch(slug):
        raise CannotConnect(
            f"“{slug}” is not the name of an organization or enterprise: "
            "copy it from its address at GitHub."
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
    """Store an account with a token; a worker then reads everything.

    Raises CannotConnect or UnusableToken.
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
    """Store an account served by an existing credential.

    Raises CannotConnect if it is connected already or the credential cannot serve its kind.
    """
    slug = check_slug(slug)
    if kind == Account.Kind.ENTERPRISE and credential.kind != Credential.Kind.CLASSIC:
        raise CannotConnect(
            "GitHub lets only classic tokens manage the runners of an enterprise. "
            "Use a classic token."
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
    Account.objects.tell_apart(slug)
    account.refresh_from_db(fields=["server"])
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
        return "If the App was reinstalled, connect it on the App's page."
    return "Open it to replace its token."


@transaction.atomic
def replace_token(account: Account, token: str, *, by: "User", api_url: str = "") -> Account:
    """Serve the account with a new token, and at a new address if one is given.

    A secret belongs to the address it was entered for, so the address cannot change unless the
    token is entered again. Raises UnusableToken or CannotConnect.
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
    """Serve the account with another credential, at that credential's address; reread everything.

    Raises CannotConnect if the credential was changed in another session.
    """
    previous = _lock_credential(account)
    if previous != credential:
        end_lease(previous)
    details: dict[str, object] = (
        {"api_url": credential.api_url} if credential.api_url != account.api_url else {}
    )
    account.api_url, account.credential = credential.api_url, credential
    account.save(update_fields=["credential", "api_url"])
    Account.objects.tell_apart(account.slug)
    CachedResponse.objects.filter(reading__account=account).delete()
    drop_if_unused(previous)
    audit.record(AuditEntry.Action.ACCOUNT_TOKEN_REPLACED, by=by, account=account, details=details)
    check_now(account, by=by)


def _lock_credential(account: Account) -> Credential:
    """Lock the account's credential, so that no worker is publishing with it.

    Raises CannotConnect if the account has a different credential by now.
    """
    credential = (
        Credential.objects.select_for_update(no_key=True).filter(pk=account.credential_id).first()
    )
    if (
        credential is None
        or not Account.objects.filter(pk=account.pk, credential=credential).exists()
    ):
        raise CannotConnect(
            f"The credential of {account} has just been changed. "
            "Nothing was stored: reload the page."
        )
    return credential


def drop_if_unused(credential: Credential) -> None:
    """Delete the credential, and the secret in it, if it serves no account."""
    if not credential.accounts.exists():
        credential.delete()


@transaction.atomic
def check_now(account: Account, *, by: "User") -> None:
    """Schedule every reading now, including those that stopped after refusals."""
    if account.credential.quarantined_at:
        release_from_quarantine(account.credential, by=by)
    if by.is_superuser and account.readings.filter(error="identity").exists():
        # An administrator has read that it may be another account, and says that it is not.
        Account.objects.filter(pk=account.pk).update(identity_confirmed_at=timezone.now())
    Credential.objects.filter(pk=account.credential_id).update(check_due_at=timezone.now())
    Reading.objects.schedule_now(account)
    Account.objects.filter(pk=account.pk).raise_versions()
    wake_on_commit(account.credential_id)


@transaction.atomic
def set_observe_only(account: Account, value: bool, *, by: "User") -> None:
    """Allow or forbid writes to the account, whoever requests them."""
    account.observe_only = value
    account.save(update_fields=["observe_only"])
    Account.objects.filter(pk=account.pk).raise_versions()
    audit.record(
        AuditEntry.Action.ACCOUNT_OBSERVE_ONLY, by=by, account=account, details={"on": value}
    )


@transaction.atomic
def set_paused(account: Account, value: bool, *, by: "User") -> None:
    """Pause or resume the account. While paused it is neither read nor written."""
    account.paused = value
    account.save(update_fields=["paused"])
    Account.objects.filter(pk=account.pk).raise_versions()
    audit.record(AuditEntry.Action.ACCOUNT_PAUSED, by=by, account=account, details={"on": value})
    if not value:
        wake_on_commit(account.credential_id)


@transaction.atomic
def disconnect(account: Account, *, by: "User | None") -> None:
    """Delete the account and its rows here; nothing is deleted at GitHub.

    Raises CannotConnect while a write is in flight.
    """
    # A worker commits `sent` only while it holds this row, so no operation can be sent between
    # this check and the commit.
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
    Account.objects.tell_apart(account.slug)
    end_lease(credential)
    drop_if_unused(credential)


def disconnect_demo(*, by: "User | None") -> int:
    """Delete all demo accounts, even with writes in flight. Return how many there were."""
    accounts = list(Account.objects.filter(demo=True).select_related("credential"))
    for account in accounts:
        with transaction.atomic():
            Operation.objects.filter(account=account).delete()
            disconnect(account, by=by)
    return len(accounts)
