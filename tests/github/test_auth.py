"""Proving who is calling, without ever showing the secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import pytest
import requests
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from requests.auth import AuthBase

from runners_app.github import AppAuth, TokenAuth

from .conftest import TOKEN

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
PEM = Encoding.PEM, PrivateFormat.PKCS8


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(*PEM, NoEncryption()).decode()


def bearer(auth: AuthBase) -> str:
    header = requests.Request("GET", "https://github.test/", auth=auth).prepare().headers["Authorization"]
    assert header.startswith("Bearer ")
    return str(header).removeprefix("Bearer ")


def test_a_token_is_sent_as_bearer_and_not_shown() -> None:
    auth = TokenAuth(TOKEN)
    assert bearer(auth) == TOKEN
    assert TOKEN not in f"{auth!r} {auth}"


@pytest.mark.parametrize("token", ["", " ", "canary\n", "canary canary", "canary\x00", "canäry", "canary\r\nX: y"])
def test_a_token_no_header_can_carry_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        TokenAuth(token)
    assert "canary" not in str(caught.value)


def test_an_app_signs_for_ten_minutes_at_most(key: rsa.RSAPrivateKey, pem: str) -> None:
    with time_machine.travel(NOW, tick=False):
        signed = bearer(AppAuth("4242", pem))
        claims = jwt.decode(signed, key.public_key(), algorithms=["RS256"], issuer="4242")
    assert claims["iat"] == (NOW - timedelta(seconds=60)).timestamp()
    assert claims["exp"] == (NOW + timedelta(minutes=9)).timestamp()


def test_a_signature_is_kept_until_shortly_before_its_end(pem: str) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        auth = AppAuth("4242", pem)
        first = bearer(auth)
        clock.shift(7 * 60)
        assert bearer(auth) == first
        clock.shift(61)
        assert bearer(auth) != first


def test_a_signature_is_renewed_when_the_clock_was_set_back(pem: str) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        auth = AppAuth("4242", pem)
        first = bearer(auth)
        clock.shift(-3600)
        assert bearer(auth) != first


def test_an_app_does_not_show_its_key(pem: str) -> None:
    auth = AppAuth("4242", pem)
    assert "PRIVATE" not in f"{auth!r} {auth}"
    assert "4242" in repr(auth)


def test_only_an_open_rsa_key_will_do(key: rsa.RSAPrivateKey, pem: str) -> None:
    locked = key.private_bytes(*PEM, BestAvailableEncryption(b"canary")).decode()
    other_kind = ec.generate_private_key(ec.SECP256R1()).private_bytes(*PEM, NoEncryption()).decode()
    for wrong in ("", "canary", pem[:200], locked, other_kind):
        with pytest.raises(ValueError, match="RSA private key") as caught:
            AppAuth("4242", wrong)
        assert caught.value.__context__ is None
