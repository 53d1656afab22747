"""Secrets at rest, under two key rings, each bound to a row and an origin.

What only workers open (tokens, keys of Apps, addresses of channels) is sealed with HPKE for the
first of CREDENTIAL_KEYS: web holds its public half, and can seal but not open. What web must open
(secrets of inboxes, second factors) is sealed with Fernet under the first of WEB_KEYS. All keys of
a ring open. The row's uid and origin are part of the sealed text: one that was copied to another
row, or whose `api_url` was changed, does not open.
"""

import base64
import binascii
import json
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from django.conf import settings

from runners_app.security.keys import PUBLIC, keyed_hash, name_of, private_key, public_key
from runners_app.security.redaction import hide

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
# hpke1.NAME OF THE KEY.BASE64. Version 0.1 used Fernet under CREDENTIAL_KEYS, which still opens.
MARK, PURPOSE = "hpke1", b"trackside credential"


class SecretUnreadable(Exception):
    """The secret cannot be opened: its key is gone, or it was sealed for another row or origin."""


def seal(secret: str, *, uid: UUID | str, api_url: str) -> str:
    """Seal a secret that only workers open; the result is text of about twice its length."""
    return _seal_for_workers(_bound(secret, uid, api_url))


def unseal(sealed: str, *, uid: UUID | str, api_url: str) -> str:
    """Open a secret where the private half of CREDENTIAL_KEYS is.

    Raises SecretUnreadable, whose message holds no part of it.
    """
    return _checked(_open_for_workers(sealed), uid, api_url)


def seal_for_web(secret: str, *, uid: UUID | str, api_url: str) -> str:
    """Seal a secret that web opens, under WEB_KEYS."""
    return _web_ring().encrypt(_bound(secret, uid, api_url)).decode()


def unseal_for_web(sealed: str, *, uid: UUID | str, api_url: str) -> str:
    """Open a secret of web. Raises SecretUnreadable, whose message holds no part of it."""
    try:
        return _checked(_web_ring().decrypt(sealed.encode()), uid, api_url)
    except InvalidToken:
        raise SecretUnreadable("No key in WEB_KEYS opens this secret. Enter it again.") from None


def reseal(sealed: str) -> str:
    """The secret sealed for the first of CREDENTIAL_KEYS; as it is if it already was.

    Raises SecretUnreadable.
    """
    plain = _open_for_workers(sealed)
    is_under_first = sealed.startswith(f"{MARK}.{name_of(settings.CREDENTIAL_KEYS[0])}.")
    return sealed if is_under_first else _seal_for_workers(plain)


def reseal_for_web(sealed: str) -> str:
    """The secret sealed under the first of WEB_KEYS; as it is if it already was.

    Raises SecretUnreadable.
    """
    try:
        Fernet(settings.WEB_KEYS[0]).decrypt(sealed.encode())
    except InvalidToken:
        try:
            return _web_ring().rotate(sealed.encode()).decode()
        except InvalidToken:
            raise SecretUnreadable("No key in WEB_KEYS opens this secret.") from None
    return sealed


def fingerprints(token: str) -> list[str]:
    """What a pasted token may be stored under, by each of WEB_KEYS; new ones under the first."""
    return [keyed_hash(key, token) for key in settings.WEB_KEYS]


def _bound(secret: str, uid: UUID | str, api_url: str) -> bytes:
    hide(secret)
    return json.dumps({"uid": str(uid), "api_url": api_url, "secret": secret}).encode()


def _checked(plain: bytes, uid: UUID | str, api_url: str) -> str:
    bound = json.loads(plain)
    if bound["uid"] != str(uid) or bound["api_url"] != api_url:
        raise SecretUnreadable(
            "This secret was stored for another credential or address. Enter it again."
        )
    secret: str = bound["secret"]
    hide(secret)
    return secret


def _seal_for_workers(plain: bytes) -> str:
    key = settings.CREDENTIAL_KEYS[0]
    sealed = SUITE.encrypt(plain, public_key(key), info=PURPOSE)
    return f"{MARK}.{name_of(key)}.{base64.urlsafe_b64encode(sealed).decode()}"


def _open_for_workers(sealed: str) -> bytes:
    """Raises SecretUnreadable."""
    private = [key for key in settings.CREDENTIAL_KEYS if not key.startswith(PUBLIC)]
    if not private:
        raise SecretUnreadable(
            "This process has only the public half of CREDENTIAL_KEYS, which opens nothing. "
            "Workers have the private half: run this where they run."
        )
    mark, _, rest = sealed.partition(".")
    name, _, text = rest.partition(".")
    try:
        if mark != MARK:
            return MultiFernet([Fernet(key) for key in private]).decrypt(sealed.encode())
        key = next(key for key in private if name_of(key) == name)
        return SUITE.decrypt(base64.urlsafe_b64decode(text), private_key(key), info=PURPOSE)
    except (InvalidToken, InvalidTag, StopIteration, binascii.Error):
        raise SecretUnreadable(
            "No key in CREDENTIAL_KEYS opens this secret. Enter it again."
        ) from None


def _web_ring() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.WEB_KEYS])
