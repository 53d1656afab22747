"""Logs: the content of a line, and that no secret gets into one."""

import base64
import json
import logging
import sys
from io import StringIO
from urllib.parse import quote

import pytest
import structlog
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from dashboard.logs import Formatter, MaskedMails
from runners_app.models import Account
from runners_app.security import redaction
from runners_app.security.redaction import HIDDEN, hide, redact
from runners_app.security.secrets import seal

TOKEN = "ghp_" + "a1B2" * 9
ODD = 'pass "word" with/ü & <all>'


def last(lines: StringIO, event: str) -> dict[str, object]:
    found = [json.loads(line) for line in lines.getvalue().splitlines() if event in line]
    line: dict[str, object] = found[-1]
    return line


def test_a_request_is_one_line_with_its_id_person_and_account(
    log_lines: StringIO, client: Client, admin: User, acme: Account
) -> None:
    client.force_login(admin)
    client.get(f"/accounts/{acme.pk}/?q=what+somebody+searched")
    line = last(log_lines, "request_finished")
    assert (line["code"], line["user_id"], line["account"]) == (200, admin.pk, "acme")
    assert line["request"] == f"GET /accounts/{acme.pk}/"
    assert len(str(line["request_id"])) == 36


def test_lines_of_the_worker_name_credential_and_account(
    log_lines: StringIO, acme: Account
) -> None:
    with structlog.contextvars.bound_contextvars(credential=7, account="acme"):
        logging.getLogger("runners_app.worker.work").warning("something")
    line = last(log_lines, "something")
    assert (line["credential"], line["account"], line["level"]) == (7, "acme", "warning")


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        "github_pat_" + "x" * 60,
        "ghs_12345_" + "y" * 500,
        "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2ln",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\ndef\n-----END RSA PRIVATE KEY-----",
        "postgres://trackside:hunter2secret@db/x",
    ],
)
def test_text_that_looks_like_a_secret_is_redacted(text: str) -> None:
    said = redact(f"before {text} after")
    assert text[8:30] not in said
    assert said.startswith("before ")
    assert said.endswith(" after") or "/x" in said


@pytest.mark.parametrize(
    "encode",
    [
        str,
        quote,
        lambda text: quote(text, safe=""),
        lambda text: json.dumps(text),
        repr,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(b"user:" + text.encode() + b"!").decode(),
        lambda text: base64.urlsafe_b64encode(b"ab" + text.encode()).decode(),
    ],
)
def test_a_known_secret_is_redacted_in_every_encoding(encode: object) -> None:
    hide(ODD)
    assert callable(encode)
    spelt = encode(ODD)
    assert spelt.strip("'\"=")[4:-4] not in redact(f"x={spelt};")


def test_exceptions_and_tracebacks_are_redacted(log_lines: StringIO) -> None:
    secret = "an ordinary pass phrase"
    hide(secret)
    try:
        raise RuntimeError(f"could not use {secret} or {TOKEN}") from ValueError(secret)
    except RuntimeError:
        logging.getLogger("x").exception("failed with %s", TOKEN, extra={"local": secret})
        structlog.get_logger("y").exception("failed", token=TOKEN, words=secret)
    written = log_lines.getvalue()
    assert "RuntimeError" in written
    assert secret not in written
    assert TOKEN not in written


def test_uncaught_exceptions_are_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    sealed = seal("opened just now", uid="x", api_url="")
    try:
        raise RuntimeError(f"opened just now: {TOKEN} {sealed}")
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    said = capsys.readouterr().err
    assert "RuntimeError" in said
    for secret in ("opened just now", TOKEN, sealed):
        assert secret not in said


def test_mails_about_errors_are_off_and_masked_when_on(settings: Settings) -> None:
    assert settings.ADMINS == []
    settings.ADMINS = [("", "ops@example.com")]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    handler = MaskedMails()
    handler.setFormatter(Formatter(as_json=False))
    logger = logging.getLogger("a logger of this test")
    logger.addHandler(handler)
    try:
        token = TOKEN
        raise RuntimeError(token)
    except RuntimeError:
        logger.exception("it failed")
    finally:
        logger.removeHandler(handler)
    assert len(mail.outbox) == 1
    assert "RuntimeError" in mail.outbox[0].body
    assert TOKEN not in f"{mail.outbox[0].body}{mail.outbox[0].subject}"


def test_one_mail_per_kind_of_error_in_ten_minutes_says_how_many_were_left_out(
    settings: Settings,
) -> None:
    settings.ADMINS = [("", "ops@example.com")]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    handler = MaskedMails()
    handler.setFormatter(Formatter(as_json=False))
    logger = logging.getLogger("another logger of this test")
    logger.addHandler(handler)

    def fail(error: Exception) -> None:
        try:
            raise error
        except Exception:
            logger.exception("failed for %s", error)

    try:
        with time_machine.travel(0, tick=False) as clock:
            for number in range(20):
                fail(ValueError(f"wrong host number {number}"))
            fail(KeyError("another kind"))
            assert len(mail.outbox) == 2
            clock.shift(601)
            handler.mailed_at = dict.fromkeys(handler.mailed_at, -1000.0)
            fail(ValueError("once more"))
    finally:
        logger.removeHandler(handler)
    assert len(mail.outbox) == 3
    assert "19 more of this kind" in mail.outbox[2].body


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("redis://:s3cretpw@redis:6379/0", "s3cretpw"),
        ("posted to https://hooks.slack.com/services/T0/B0/abcdefABCDEF123456", "abcdefABCDEF"),
        ("https://discord.com/api/webhooks/12345/abc-DEF_123", "abc-DEF_123"),
        ("token 0123456789abcdef0123456789abcdef01234567.", "0123456789abcdef"),
        ("xoxb-1234567890-abcdefghij", "1234567890-abc"),
    ],
)
def test_secrets_are_recognized_by_their_shape(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert HIDDEN in redact(text)


def test_the_number_of_known_secrets_is_limited_and_does_not_slow_a_line() -> None:
    for number in range(2100):
        hide(f"secret number {number:05d}")
    assert "secret number 02099" not in redact("a secret number 02099 b")
    assert "secret number 00001" in redact("a secret number 00001 b")
    assert redact(settings.SECRET_KEY) == HIDDEN
    assert redact("x" * 50_000) == "x" * 50_000


def test_thousands_of_typed_passwords_evict_no_other_secret(client: Client, db: None) -> None:
    hide("a token that is stored")
    for number in range(25):
        lines = "\n".join(f"{number:04d}{line:04d}" for line in range(400))
        client.post("/sign-in/", {"username": "ada", "password": f"-----BEGIN\n{lines}"})
    assert redact("00240002") == HIDDEN
    assert redact(f"a token that is stored, {settings.SECRET_KEY}") == f"{HIDDEN}, {HIDDEN}"


def test_the_effective_value_among_many_with_one_name_is_redacted(client: Client, db: None) -> None:
    client.post(
        "/sign-in/", {"username": "ada", "password": ["the first of two", "the last of two"]}
    )
    assert redact("the first of two, the last of two") == f"the first of two, {HIDDEN}"


def test_typed_text_is_redacted_up_to_the_length_of_a_private_key(client: Client, db: None) -> None:
    client.post("/sign-in/", {"username": "ada", "password": "ab" * 3_000})
    assert redact("ab" * 2_000) == HIDDEN
    assert redact("ab" * 1_999) == "ab" * 1_999


def test_only_a_private_key_is_redacted_line_by_line() -> None:
    hide(
        "-----BEGIN PRIVATE KEY-----\nfirst line of the key\nsecond line of the key\n"
        "-----END PRIVATE KEY-----"
    )
    hide("first line of words\nsecond line of words")
    assert redact("a second line of the key") == f"a {HIDDEN}"
    assert redact("a second line of words") == "a second line of words"
    assert redact("first line of words\nsecond line of words") == HIDDEN


def test_a_part_shared_by_two_secrets_is_redacted_until_both_are_forgotten() -> None:
    hide("a secret of both kinds")
    hide("a secret of both kinds", "typed")
    for number in range(300):
        hide(f"typed by somebody {number}", "typed")
    assert redact("a secret of both kinds") == HIDDEN


def test_forgotten_secrets_leave_nothing_in_memory() -> None:
    def left_after(first: int) -> int:
        for number in range(first, first + 400):
            hide(f"{number:05d} typed by somebody", "typed")
        return len(redaction._by_beginning)

    before = left_after(10_000)
    assert left_after(20_000) < before + 50


def test_no_name_starts_a_line_or_controls_the_terminal() -> None:
    record = logging.LogRecord(
        "x", logging.WARNING, "", 0, "named %s", ("a\nforged line\x1b[31m\u2028b",), None
    )
    assert Formatter(as_json=False).format(record).endswith(r"named a\nforged line\x1b[31m\u2028b")
    assert "\n" not in Formatter(as_json=True).format(record)
