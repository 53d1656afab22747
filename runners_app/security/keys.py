"""The two key rings, as they are written in settings.

A key of CREDENTIAL_KEYS is 32 random bytes in base64, of which workers derive the private half; web
is given `public:…`, which `public_half` makes of it and which seals, but opens nothing. A key of
WEB_KEYS is 32 random bytes in base64 as well. Settings and `make_secrets` import this module, so it
imports nothing of Django.
"""

import base64
import hashlib
import hmac
import os
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PUBLIC = "public:"


def new_key() -> str:
    """A new key for either ring."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def public_half(key: str) -> str:
    """What web is given of a key of CREDENTIAL_KEYS; a public half as it is.

    Raises ValueError for what is no key.
    """
    return PUBLIC + base64.urlsafe_b64encode(public_key(key).public_bytes_raw()).decode()


@lru_cache(maxsize=100)
def private_key(key: str) -> X25519PrivateKey:
    """The private half. Raises ValueError for a public half, and for what is no key."""
    derived = HKDF(SHA256(), length=32, salt=None, info=b"trackside credential key").derive(
        _bytes_of(key)
    )
    return X25519PrivateKey.from_private_bytes(derived)


@lru_cache(maxsize=100)
def public_key(key: str) -> X25519PublicKey:
    """The public half of either half. Raises ValueError for what is no key."""
    if key.startswith(PUBLIC):
        return X25519PublicKey.from_public_bytes(_bytes_of(key.removeprefix(PUBLIC)))
    return private_key(key).public_key()


@lru_cache(maxsize=100)
def name_of(key: str) -> str:
    """Eight characters that name a pair, the same of both halves."""
    return hashlib.sha256(public_key(key).public_bytes_raw()).hexdigest()[:8]


def keyed_hash(key: str, text: str) -> str:
    """A hash of 64 characters that nobody can compute without this key of WEB_KEYS."""
    derived = hmac.digest(_bytes_of(key), b"trackside fingerprint", "sha256")
    return hmac.new(derived, text.encode(), "sha256").hexdigest()


def _bytes_of(key: str) -> bytes:
    decoded = base64.urlsafe_b64decode(key)
    if len(decoded) != 32:
        raise ValueError("A key is 32 bytes in base64.")
    return decoded
