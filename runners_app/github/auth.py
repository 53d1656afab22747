"""The two ways to prove who is calling. Neither signs a request to another origin."""

from __future__ import annotations

import time

import jwt
import requests
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from requests.auth import AuthBase

from .values import SENDABLE

_BACKDATED_S, _LIFETIME_S, _RENEWED_BEFORE_END_S = 60, 540, 60


class TokenAuth(AuthBase):
    """A personal access token or an installation token. ValueError (without the token) if no header
    can carry it.
    """

    def __init__(self, token: str) -> None:
        if not SENDABLE.fullmatch(token):
            raise ValueError(
                "The token is empty or contains characters that no token has, such as spaces."
            )
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return "TokenAuth(<hidden>)"


class AppAuth(AuthBase):
    """A GitHub App itself, by a JWT signed with its private key.

    It is signed with RS256 and renewed a minute before it ends. `issuer` is the App's id or client
    id. `clock_skew_seconds`, by which GitHub's clock is ahead of this machine's, may be set at any
    time: signatures are then dated by GitHub's. ValueError (without the key) if the PEM holds no
    RSA private key.
    """

    def __init__(self, issuer: str, private_key_pem: str) -> None:
        self._issuer = str(issuer)
        self._key = _read_key(private_key_pem)
        self._jwt = ""
        self._ends_at = 0.0
        self.clock_skew_seconds = 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        now = time.time() + self.clock_skew_seconds
        if not now < self._ends_at - _RENEWED_BEFORE_END_S or now < self._ends_at - _LIFETIME_S:
            self._sign(now)
        request.headers["Authorization"] = f"Bearer {self._jwt}"
        return request

    def __repr__(self) -> str:
        return f"AppAuth({self._issuer!r}, <hidden>)"

    def _sign(self, now: float) -> None:
        claims = {
            "iat": int(now) - _BACKDATED_S,
            "exp": int(now) + _LIFETIME_S,
            "iss": self._issuer,
        }
        self._jwt = jwt.encode(claims, self._key, algorithm="RS256")
        self._ends_at = now + _LIFETIME_S


def _read_key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: the key is encrypted
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("This is not an unencrypted RSA private key in PEM form.")
    return key
