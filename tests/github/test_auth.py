"""Proving who is calling, without ever showing the secret."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

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

from runners_app.github import AppAuth, ClockSkewed, GitHubClient, TokenAuth

from .conftest import TOKEN
from .raw_server import answer, raw_server

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
PEM = Encoding.PEM, PrivateFormat.PKCS8


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(*PEM, NoEncryption()).decode()


def bearer(auth: AuthBase) -> str:
    header = (
        requests.Request("GET", "https://github.test/", auth=auth)
        .prepare()
        .headers["Authorization"]
    )
    assert header.startswith("Bearer ")
    return str(header).removeprefix("Bearer ")


def test_a_token_is_sent_as_bearer_and_not_shown() -> None:
    auth = TokenAuth(TOKEN)
    assert bearer(auth) == TOKEN
    assert TOKEN not in f"{auth!r} {auth}"


@pytest.mark.parametrize(
    "token", ["", " ", "canary\n", "canary canary", "canary\x00", "canäry", "canary\r\nX: y"]
)
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


@pytest.mark.parametrize("skew", [3600.0, -3600.0])
def test_an_app_signs_by_githubs_clock_once_it_is_known(
    key: rsa.RSAPrivateKey, pem: str, skew: float
) -> None:
    with time_machine.travel(NOW, tick=False):
        auth = AppAuth("4242", pem)
        bearer(auth)
        auth.clock_skew_seconds = skew
        said = jwt.decode(
            bearer(auth),
            key.public_key(),
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False},
        )
    theirs = NOW + timedelta(seconds=skew)
    assert said["iat"] == (theirs - timedelta(seconds=60)).timestamp()
    assert said["exp"] == (theirs + timedelta(minutes=9)).timestamp()


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wrong_clock_costs_one_refusal_and_not_the_app(
    key: rsa.RSAPrivateKey, pem: str, hours: int
) -> None:
    theirs = datetime.now(UTC) + timedelta(hours=hours)
    date = {"Date": format_datetime(theirs, usegmt=True)}

    def judge(sock: socket.socket, request: bytes) -> None:
        """As GitHub does: the signature must hold by its own clock, ten minutes at most."""
        signed = request.split(b"Bearer ")[1].split(b"\r\n")[0]
        claims = jwt.decode(signed, options={"verify_signature": False})
        is_good = claims["iat"] <= theirs.timestamp() < claims["exp"] <= theirs.timestamp() + 600
        app = answer({"id": 4242, "slug": "trackside"}, headers=date)
        sock.sendall(app if is_good else answer({"message": "'exp' is off"}, 401, date))

    with raw_server(judge) as server:
        client = GitHubClient(server.url, AppAuth("4242", pem))
        with pytest.raises(ClockSkewed) as caught:
            client.get_app()
        assert caught.value.clock_skew_seconds == pytest.approx(hours * 3600, abs=2)
        answered = client.get_app()
        client.close()
    assert answered.data.id == 4242
    assert answered.meta.clock_skew_seconds == pytest.approx(hours * 3600, abs=2)


def test_an_app_does_not_show_its_key(pem: str) -> None:
    auth = AppAuth("4242", pem)
    assert "PRIVATE" not in f"{auth!r} {auth}"
    assert "4242" in repr(auth)


def test_only_an_open_rsa_key_will_do(key: rsa.RSAPrivateKey, pem: str) -> None:
    locked = key.private_bytes(*PEM, BestAvailableEncryption(b"canary")).decode()
    other_kind = (
        ec.generate_private_key(ec.SECP256R1()).private_bytes(*PEM, NoEncryption()).decode()
    )
    for wrong in ("", "canary", pem[:200], locked, other_kind):
        with pytest.raises(ValueError, match="RSA private key") as caught:
            AppAuth("4242", wrong)
        assert caught.value.__context__ is None
