"""Inboxes for webhooks: made once per account or GitHub App, found by their address."""

from __future__ import annotations

import secrets
import uuid

from runners_app.models import Account, App, Hook
from runners_app.security.secrets import seal, unseal


def hook_for(owner: Account | App) -> Hook:
    """The inbox of an account or App, made if there is none."""
    found = Hook.objects.filter(**_owner(owner)).first()
    if found is not None:
        return found
    uid = uuid.uuid4()
    secret = seal(secrets.token_urlsafe(32), uid=uid, api_url=owner.api_url)
    made, _ = Hook.objects.get_or_create(
        **_owner(owner), defaults={"uid": uid, "sealed_secret": secret}
    )
    return made


def secret_of(hook: Hook) -> str:
    """What GitHub signs with. Raises SecretUnreadable if no key opens it."""
    return unseal(hook.sealed_secret, uid=hook.uid, api_url=hook.api_url)


def _owner(owner: Account | App) -> dict[str, Account | App]:
    return {"account" if isinstance(owner, Account) else "app": owner}
