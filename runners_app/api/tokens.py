"""Create, check and revoke API tokens. Only the digest is stored, so nobody can read a token again.

A token has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess or to salt.
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from runners_app.models import Account, ApiToken, AuditEntry, RunnerGroup
from runners_app.security import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "ts_"
HINT_LENGTH = 9
DEFAULT_DAYS, MOST_DAYS = 90, 366
# Writing this down at every request would make each read a write.
LAST_USED_EVERY = timedelta(minutes=1)


class TokenRefused(Exception):
    """The token may not be used now. Says why, without the token."""


@dataclass(frozen=True)
class Access:
    """An account a token may use; `groups` None means all of it."""

    account: Account
    groups: Sequence[RunnerGroup] | None = None


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def create_token(
    owner: "User",
    *,
    name: str,
    scopes: Iterable[str],
    access: Iterable[Access] | None = None,
    addresses: Iterable[str] = (),
    days: int = DEFAULT_DAYS,
    by: "User | None",
) -> tuple[ApiToken, str]:
    """Store a new token, and return it with its text, which cannot be had again.

    `access` None lets it use whatever its owner may use. `addresses` are CIDR ranges. Raises
    ValueError for more days than `MOST_DAYS`, an unknown scope, or a malformed range.
    """
    if not 0 < days <= MOST_DAYS:
        raise ValueError(f"A token lasts between 1 and {MOST_DAYS} days.")
    granted = sorted(ApiToken.Scope(scope).value for scope in scopes)
    text = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        owner=owner,
        name=name,
        digest=digest_of(text),
        hint=text[:HINT_LENGTH],
        scopes=granted,
        limited=access is not None,
        addresses=[str(ip_network(address)) for address in addresses],
        expires_at=timezone.now() + timedelta(days=days),
    )
    for each in access or ():
        line = row.access.create(account=each.account, limited=each.groups is not None)
        line.groups.set(each.groups or ())

    audit.record(
        AuditEntry.Action.API_TOKEN_CREATED,
        by=by,
        subject=name,
        details={
            "owner": owner.get_username(),
            "scopes": granted,
            "accounts": [str(each.account) for each in access] if access is not None else "all",
            "expires": row.expires_at.isoformat(timespec="seconds"),
        },
    )
    return row, text


@transaction.atomic
def revoke_token(token: ApiToken, *, by: "User") -> None:
    """Refuse the token from now on. Does nothing to one that is already revoked."""
    rows = ApiToken.objects.filter(pk=token.pk, revoked_at=None)
    if rows.update(revoked_at=timezone.now(), revoked_by=by.get_username()):
        audit.record(
            AuditEntry.Action.API_TOKEN_REVOKED,
            by=by,
            subject=token.name,
            details={"owner": token.owner.get_username()},
        )


def _left_provider(owner: "User", now: datetime) -> bool:
    """Whether no provider vouched for the user within SSO_PROOF_DAYS.

    Somebody who left the company never signs in again, and nobody may have thought of disabling
    them here. A token must not outlive that for long.
    """
    vouched_since = now - timedelta(days=settings.SSO_PROOF_DAYS)
    accounts = SocialAccount.objects.filter(user=owner)
    return bool(accounts.exists() and not accounts.filter(last_login__gt=vouched_since).exists())


def check_token(text: str, address: str, now: datetime) -> ApiToken:
    """The valid token with this text, used from this IP address. Raises TokenRefused.

    Notes the use, at most once a minute.
    """
    found = ApiToken.objects.valid(now).filter(digest=digest_of(text))
    token = found.select_related("owner").first()
    if token is None:
        raise TokenRefused("This token is unknown, expired or revoked, or its owner is disabled.")

    if token.addresses:
        client = ip_address(address)
        if not any(client in ip_network(each) for each in token.addresses):
            raise TokenRefused(f"This token may not be used from {address}.")

    if not token.owner.has_usable_password() and _left_provider(token.owner, now):
        raise TokenRefused(
            "The owner of this token signs in at a provider, and has not done so for "
            f"{settings.SSO_PROOF_DAYS} days. It works again once they sign in."
        )

    if token.last_used_at is None or now - token.last_used_at >= LAST_USED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address)
    return token
