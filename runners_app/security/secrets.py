"""Secrets at rest: encrypted under CREDENTIAL_KEYS, and bound to a row and an origin.

The first key encrypts; all keys decrypt. The row's uid and origin are part of the encrypted text,
because Fernet has no associated data: a sealed secret that was copied to another row, or whose
`api_url` was changed, does not open.
"""

import json
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from runners_app.security.redaction import hide


class SecretUnreadable(Exception):
    """The secret cannot be opened: its key is gone, or it was sealed for another row or origin."""


def seal(secret: str, *, uid: UUID | str, api_url: str) -> str:
    """Encrypt a secret for storing; the result is text of about twice its length."""
    hide(secret)
    plain = json.dumps({"uid": str(uid), "api_url": api_url, "secret": secret})
    return _fernet().encrypt(plain.encode()).decode()


def unseal(sealed: str, *, uid: UUID | str, api_url: str) -> str:
    """Decrypt a stored secret. Raises SecretUnreadable, whose message holds no part of it."""
    try:
        plain = json.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken:
        raise SecretUnreadable(
            "No key in CREDENTIAL_KEYS opens this secret. Enter it again."
        ) from None
    if plain["uid"] != str(uid) or plain["api_url"] != api_url:
        raise SecretUnreadable(
            "This secret was stored for another credential or address. Enter it again."
        )
    secret: str = plain["secret"]
    hide(secret)
    return secret


def reseal(sealed: str) -> str:
    """The secret sealed under the first key; returned as it is if it already was.

    Raises SecretUnreadable.
    """
    if _opens(Fernet(settings.CREDENTIAL_KEYS[0]), sealed):
        return sealed
    try:
        return _fernet().rotate(sealed.encode()).decode()
    except InvalidToken:
        raise SecretUnreadable("No key in CREDENTIAL_KEYS opens this secret.") from None


def _opens(fernet: Fernet, sealed: str) -> bool:
    try:
        fernet.decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])
