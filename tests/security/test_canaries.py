"""Eight secrets are pushed through every path that fails; afterwards, none is found anywhere.

Searched are the log, every table, the caches, every page and export that an administrator can
open, metrics, mails and webhooks, and the output of commands and tracebacks.
"""

import base64
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from urllib.parse import quote

import pytest
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.apps import apps
from django.contrib.auth.models import User
from django.core import mail, serializers
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.accounts.github_apps import list_installations
from runners_app.models import Account, App, Channel, Credential, Runner, Session
from runners_app.notices.notices import send_due, watch_and_send
from runners_app.people.adapters import SecondFactorAdapter
from runners_app.people.sessions import SessionStore
from runners_app.worker.work import work_credential
from tests.monitoring.test_health import database_down
from tests.people.test_who_may import ADDRESSES
from tests.simulator_handle import SimulatorHandle
from tests.sinks import Sink, webhook

CLASSIC = "ghp_canary" + "C1" * 15
FINE_GRAINED = "github_pat_canary" + "F2" * 33
PASSWORD = 'canary "pass" wört/ #1 & <b>'
NEW_PASSWORD = "canary-new-password-9f3c"
TOTP = "CANARYTOTPSECRET234567"
HOOK_PATH = "canary-hook-path-77aa"
STDIN_TOKEN = "ghp_canary" + "S3" * 15


@pytest.fixture(scope="module")
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()


@pytest.fixture
def browser(admin: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(admin)
    client.post("/you/confirm/?next=/you/", {"password": "a password for tests"})
    return client


Push = Callable[[], object]


def spellings(secret: str) -> list[str]:
    """Plain, in a URL, in JSON, and in base64 at any offset, without bits of its neighbours."""
    found = [secret, quote(secret, safe=""), json.dumps(secret)[1:-1]]
    for before in range(3):
        whole = b"\0" * before + secret.encode()
        found.append(base64.b64encode(whole[: len(whole) // 3 * 3]).decode()[4 if before else 0 :])
    return found


def failing_paths(
    browser: Client,
    simulator: SimulatorHandle,
    settings: Settings,
    pem: str,
    hook: Sink,
    printed: list[str],
) -> list[Push]:
    """Functions that each push a secret at something that refuses it, breaks, or is down."""
    base, token = simulator.base_url, simulator.account("acme").token
    connect = {"kind": "organization", "slug": "globex", "api_url": base}
    somebody = User.objects.create_user("lin", password="what it was")
    acme = Account.objects.get()

    def github_repeats_the_token() -> None:
        for status in (401, 403, 422, 500):
            simulator.add_fault(
                None, "hosted-runners", "status", status=status, body={"message": f"no {token}!"}
            )
            acme.readings.update(due_at=timezone.now())
            Credential.objects.update(quarantined_at=None, paused_until=None)
            work_credential(acme.credential_id, "a worker")

    def keys_are_broken() -> None:
        keys, settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS, ["no key at all"]
        assert browser.post("/accounts/new/", {**connect, "token": CLASSIC}).status_code == 500
        assert (
            browser.post(
                "/accounts/apps/new/", {"issuer": "1", "private_key": pem, "api_url": base}
            ).status_code
            == 500
        )
        settings.CREDENTIAL_KEYS = keys

    def database_breaks() -> None:
        with database_down():
            assert (
                browser.post("/accounts/new/", {**connect, "token": FINE_GRAINED}).status_code
                == 503
            )
            assert (
                browser.post("/sign-in/", {"username": "ada", "password": PASSWORD}).status_code
                == 503
            )

    def wrong_token_is_used() -> None:
        assert browser.post("/accounts/new/", {**connect, "token": CLASSIC}).status_code == 302
        work_credential(Account.objects.get(slug="globex").credential_id, "a worker")

    def app_is_unknown() -> None:
        browser.post("/accounts/apps/new/", {"issuer": "4711", "private_key": pem, "api_url": base})
        list_installations(App.objects.get(issuer="4711").pk)

    def passwords_are_wrong() -> None:
        anonymous = Client()
        anonymous.post("/sign-in/", {"username": "ada", "password": PASSWORD})
        anonymous.post("/sign-in/", {"username": PASSWORD, "password": "x"})
        twice = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD + "x"}
        browser.post("/people/new/", {"username": "kim", **twice})
        browser.post("/you/confirm/", {"password": PASSWORD})
        browser.post("/you/confirm/", {"password": "a password for tests"})
        browser.post("/people/new/", {"username": "kim", **twice})
        browser.post(
            f"/people/{somebody.pk}/password/",
            {"new_password1": NEW_PASSWORD, "new_password2": "x"},
        )
        browser.post(
            f"/people/{somebody.pk}/password/",
            {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
        )

    def second_factor_is_wrong() -> None:
        sealed = SecondFactorAdapter().encrypt(TOTP)
        Authenticator.objects.create(user=somebody, type="totp", data={"secret": sealed})
        anonymous = Client(raise_request_exception=False)
        anonymous.post("/sign-in/", {"username": "lin", "password": NEW_PASSWORD})
        anonymous.post("/you/two-factor/authenticate/", {"code": "000000"})

    def notices_do_not_arrive() -> None:
        for address in (
            f"json://127.0.0.1:{hook.port}/{HOOK_PATH}",
            f"json://127.0.0.1:1/{HOOK_PATH}",
        ):
            browser.post(
                "/notices/new/",
                {
                    "name": "x",
                    "kinds": ["runner_stuck"],
                    "zone": "UTC",
                    "is_on": "on",
                    "address": address,
                },
            )
        browser.post(
            "/notices/new/",
            {
                "name": "x",
                "kinds": ["runner_stuck"],
                "zone": "UTC",
                "address": f"ftp://{HOOK_PATH}",
            },
        )
        Runner.objects.update(status="Stuck")
        hook.status = 500
        watch_and_send(timezone.now())
        hook.status = 200
        for channel in Channel.objects.all():
            browser.post(f"/notices/{channel.pk}/test/")
        send_due(timezone.now())

    def commands_fail() -> None:
        for arguments in (
            ["nowhere", "--api-url", "https://elsewhere.example"],
            ["bad slug!", "--api-url", base],
        ):
            with pytest.MonkeyPatch.context() as patch, pytest.raises(CommandError) as failed:
                patch.setattr("sys.stdin", io.StringIO(STDIN_TOKEN + "\n"))
                call_command(
                    "connect_account", *arguments, "--kind", "organization", "--token-stdin"
                )
            printed.append(str(failed.value))

    return [
        lambda: browser.post(
            "/accounts/new/", {**connect, "kind": "enterprise", "token": FINE_GRAINED}
        ),
        lambda: browser.post(
            "/accounts/new/", {**connect, "api_url": "https://elsewhere.example", "token": CLASSIC}
        ),
        lambda: browser.post(
            "/accounts/new/", {**connect, "slug": "no such name!", "token": CLASSIC}
        ),
        lambda: browser.post("/accounts/new/", {**connect, "slug": "acme", "token": FINE_GRAINED}),
        lambda: browser.post(
            f"/accounts/{acme.pk}/token/",
            {"token": CLASSIC, "api_url": "https://elsewhere.example"},
        ),
        lambda: browser.post(f"/accounts/{acme.pk}/token/", {"token": f"with space {CLASSIC}"}),
        lambda: browser.post(
            "/accounts/apps/new/", {"issuer": "bad id", "private_key": pem, "api_url": base}
        ),
        lambda: browser.post(
            "/accounts/apps/new/", {"issuer": "1", "private_key": pem[:-80], "api_url": base}
        ),
        github_repeats_the_token,
        keys_are_broken,
        database_breaks,
        wrong_token_is_used,
        app_is_unknown,
        passwords_are_wrong,
        second_factor_is_wrong,
        notices_do_not_arrive,
        commands_fail,
    ]


def a_library_says_it(secret: str) -> None:
    """Log a secret as third-party code may: in an exception, its cause, and the message."""
    for spelling in [*spellings(secret)[:3], base64.b64encode(secret.encode()).decode()]:
        try:
            raise RuntimeError(f"refused: {spelling}") from ValueError(spelling)
        except RuntimeError:
            logging.getLogger("some.library").exception(
                "failed with <%s>", spelling, extra={"words": spelling}
            )


def open_pages(browser: Client) -> Iterator[tuple[str, str]]:
    """Every page and export, with the first primary keys where a URL has one."""
    for name, path in ADDRESSES.items():
        paths = (
            [path.replace("<str:file_format>", form) for form in ("csv", "json")]
            if "<str:file_format>" in path
            else [path]
        )
        if "<uuid" in path or "sign-out" in path:
            continue
        for one in paths:
            for pk in range(1, 6) if "<int:" in one else [0]:
                address = one
                for argument in ("<int:pk>", "<int:account_id>", "<int:version_id>"):
                    address = address.replace(argument, str(pk))
                answer = browser.get(address)
                yield f"page {name}", answer.getvalue().decode()
    yield (
        "metrics",
        browser.get(
            "/metrics", headers={"Authorization": "Bearer a token for metrics"}
        ).content.decode(),
    )


def stored() -> Iterator[tuple[str, str]]:
    for model in apps.get_models():
        yield (
            f"table {model._meta.db_table}",
            serializers.serialize("json", model._default_manager.all(), ensure_ascii=False),
        )
    for session in Session.objects.all():
        yield "sessions", repr(SessionStore().decode(session.session_data))
    for name in ("default", "pages"):
        yield f"cache {name}", repr(getattr(caches[name], "_cache", ""))


def test_no_secret_is_found_anywhere_after_everything_failed(
    acme: Account,
    browser: Client,
    simulator: SimulatorHandle,
    settings: Settings,
    log_lines: io.StringIO,
    pem: str,
) -> None:
    settings.METRICS_TOKEN = "a token for metrics"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.ADMINS = [("", "ops@example.com")]
    secrets = {
        "classic token": CLASSIC,
        "fine-grained token": FINE_GRAINED,
        "private key": pem.splitlines()[7],
        "password": PASSWORD,
        "new password": NEW_PASSWORD,
        "second factor": TOTP,
        "hook": HOOK_PATH,
        "token of the command": STDIN_TOKEN,
    }
    out, printed = io.StringIO(), list[str]()
    with webhook() as hook, redirect_stdout(out), redirect_stderr(out):
        for push in failing_paths(browser, simulator, settings, pem, hook, printed):
            simulator.clear_faults()
            push()
        for secret in secrets.values():
            a_library_says_it(secret)
    places = [
        ("log", log_lines.getvalue()),
        ("printed", out.getvalue() + repr(printed)),
        ("mails", repr([str(each.message()) for each in mail.outbox])),
        ("webhook", repr(hook.messages)),
        *stored(),
        *open_pages(browser),
    ]
    real = {"token in use": simulator.account("acme").token}
    found = [
        f"{name} in {place}"
        for name, secret in {**secrets, **real}.items()
        for spelling in spellings(secret)
        for place, text in places
        if spelling in text
    ]
    assert found == []
    assert len(secrets) == 8
    assert "Traceback" in log_lines.getvalue(), "nothing failed hard enough to prove anything"
    assert len(places) > 100
