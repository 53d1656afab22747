"""Second factors are bound to their row and owner by a seal in their data.

So that a row copied to another user, or changed in the database, signs in nobody.
"""

import hashlib
import json
from typing import Any

from allauth.mfa.models import Authenticator

from runners_app.security.secrets import SecretUnreadable, seal_for_web, unseal_for_web

SEALED_FOR = "second factor"
BOUND = "bound"


class NotBound(Exception):
    """The second factor was not set up here by the user that its row names."""


def bind(authenticator: Authenticator) -> None:
    """Seal what the second factor is, when its row is created."""
    data = {**authenticator.data, BOUND: seal_of(authenticator)}
    Authenticator.objects.filter(pk=authenticator.pk).update(data=data)
    authenticator.data = data


def check_bound(authenticator: Authenticator) -> None:
    """Raise NotBound unless the row has the seal it was created with."""
    try:
        bound = unseal_for_web(
            authenticator.data.get(BOUND, ""), uid=_owner(authenticator), api_url=""
        )
        is_same = bound == _digest(authenticator)
    except SecretUnreadable:
        is_same = False
    if not is_same:
        raise NotBound(f"Second factor {authenticator.pk} is not the one set up by its user.")


def seal_of(authenticator: Any) -> str:
    """Return the seal of a row. Raises SecretUnreadable."""
    return seal_for_web(_digest(authenticator), uid=_owner(authenticator), api_url="")


def _owner(authenticator: Any) -> str:
    return f"{SEALED_FOR} {authenticator.pk} of user {authenticator.user_id}"


def _digest(authenticator: Any) -> str:
    """A hash of what does not change: the opened secret, since rotating keys seals it again."""
    data = authenticator.data
    secrets = [
        unseal_for_web(data[name], uid=SEALED_FOR, api_url="")
        for name in ("secret", "seed")
        if name in data
    ]
    parts = [authenticator.type, secrets, data.get("credential")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
