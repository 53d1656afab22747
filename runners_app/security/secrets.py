"""Secrets at rest: encrypted under CREDENTIAL_KEYS, bound to the row and the origin they were given
for.

The first key encrypts; all keys decrypt. The row's uid and origin stand inside the encrypted text,
because Fernet has no associated data: a sealed secret copied to another row, or kept while
`api_url` is changed, does not open.
"""

import json
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from runners_app.security.redaction import hide


class SecretUnreadable(Exception):
    """The secret does not open here: its key is gone, or it was sealed for another row or origin."""


def seal(secret: str, *, uid: UUID | str, api_url: str) -> str:
    """Encrypt for storing. The answer is text of about twice the length."""
    hide(secret)
    plain = json.dumps({"uid": str(uid), "api_url": api_url, "secret": secret})
    return _fernet().encrypt(plain.encode()).decode()


def unseal(sealed: str, *, uid: UUID | str, api_url: str) -> str:
    """Open just before a call. Raises SecretUnreadable, whose words name no part of the secret."""
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
    """The same secret under the first key; the very same text when it is that already. Raises
    SecretUnreadable.
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
