"""rotate_keys: every secret ends up under the first key, even if it was killed in between."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from runners_app.credentials.credentials import store_token
from runners_app.models import App, Credential
from runners_app.people.adapters import SecondFactorAdapter
from runners_app.security.keys import name_of, new_key, public_half
from runners_app.security.rotation import rotate_all
from runners_app.security.secrets import (
    SecretUnreadable,
    fingerprints,
    seal,
    seal_for_web,
    unseal,
    unseal_for_web,
)

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW, OLD_WEB, NEW_WEB = (new_key() for _ in range(4))
API = "https://api.github.com"


@pytest.fixture
def under_old_key(db: None, settings: Settings) -> list[Credential]:
    """Twenty tokens, an App and a second factor, sealed before the new keys were added."""
    settings.CREDENTIAL_KEYS = [OLD]
    settings.WEB_KEYS = [OLD_WEB]
    rows = [make_credential(number) for number in range(20)]
    uid = uuid4()
    App.objects.create(
        uid=uid, api_url=API, issuer="1", sealed_key=seal("the key", uid=uid, api_url=API)
    )
    person = User.objects.create_user("ada")
    sealed = SecondFactorAdapter().encrypt("the secret")
    Authenticator.objects.create(user=person, type="totp", data={"secret": sealed})
    settings.CREDENTIAL_KEYS = [NEW, OLD]
    settings.WEB_KEYS = [NEW_WEB, OLD_WEB]
    return rows


def make_credential(number: int) -> Credential:
    uid = uuid4()
    return Credential.objects.create(
        uid=uid,
        api_url=API,
        kind="classic",
        fingerprint=str(number),
        sealed_secret=seal(f"token {number}", uid=uid, api_url=API),
    )


def opened() -> list[str]:
    rows = Credential.objects.order_by("pk")
    return [unseal(row.sealed_secret, uid=row.uid, api_url=row.api_url) for row in rows]


def test_after_rotation_the_new_key_opens_everything_and_the_old_one_nothing(
    under_old_key: list[Credential], settings: Settings
) -> None:
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    assert out.getvalue() == "22 resealed, 0 unchanged, 0 unreadable.\n"
    settings.CREDENTIAL_KEYS, settings.WEB_KEYS = [NEW], [NEW_WEB]
    assert opened() == [f"token {number}" for number in range(20)]
    app = App.objects.get()
    assert unseal(app.sealed_key, uid=app.uid, api_url=API) == "the key"
    assert SecondFactorAdapter().decrypt(Authenticator.objects.get().data["secret"]) == "the secret"
    settings.CREDENTIAL_KEYS = [OLD]
    with pytest.raises(SecretUnreadable):
        opened()


def test_stopped_half_way_every_secret_opens_and_a_second_run_finishes(
    under_old_key: list[Credential], settings: Settings
) -> None:
    rotating = rotate_all()
    assert [next(rotating)[1] for _ in range(11)] == ["resealed"] * 11
    rotating.close()  # type: ignore[attr-defined]
    assert len(opened()) == 20
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    assert out.getvalue() == "11 resealed, 11 unchanged, 0 unreadable.\n"
    settings.CREDENTIAL_KEYS = [NEW]
    assert len(opened()) == 20


def test_a_secret_renewed_during_rotation_is_not_overwritten(
    under_old_key: list[Credential],
) -> None:
    rotating = rotate_all()
    row = under_old_key[5]
    renewed = seal("renewed", uid=row.uid, api_url=API)
    Credential.objects.filter(pk=row.pk).update(sealed_secret=renewed)
    list(rotating)
    assert Credential.objects.get(pk=row.pk).sealed_secret == renewed


def test_a_secret_that_no_key_opens_is_named_and_left_as_it_is(
    under_old_key: list[Credential], settings: Settings
) -> None:
    Credential.objects.filter(pk=under_old_key[3].pk).update(
        sealed_secret=Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    )
    err = StringIO()
    with pytest.raises(CommandError, match="Keep the older keys"):
        call_command("rotate_keys", stdout=StringIO(), stderr=err)
    assert f"credential {under_old_key[3].pk}: none of the keys opens it" in err.getvalue()


def test_a_secret_does_not_open_for_another_address(under_old_key: list[Credential]) -> None:
    row = under_old_key[0]
    with pytest.raises(SecretUnreadable, match="another credential or address"):
        unseal(row.sealed_secret, uid=row.uid, api_url="https://api.elsewhere.example")


def test_what_version_0_1_sealed_opens_until_it_is_rotated_and_its_token_finds_its_row(
    db: None, settings: Settings
) -> None:
    """It had Fernet under one ring, and a plain hash of the token."""
    settings.CREDENTIAL_KEYS, settings.WEB_KEYS = [NEW, OLD], [NEW_WEB, OLD]
    uid, token = uuid4(), "ghp_" + "t" * 36
    plain = json.dumps({"uid": str(uid), "api_url": API, "secret": token}).encode()
    row = Credential.objects.create(
        uid=uid,
        api_url=API,
        kind="classic",
        fingerprint=hashlib.sha256(token.encode()).hexdigest(),
        sealed_secret=Fernet(OLD).encrypt(plain).decode(),
    )
    assert opened() == [token]
    assert store_token(API, token, by=None) == row
    call_command("rotate_keys", stdout=StringIO())
    settings.CREDENTIAL_KEYS, settings.WEB_KEYS = [NEW], [NEW_WEB]
    assert opened() == [token]
    assert store_token(API, token, by=None) == row
    row.refresh_from_db()
    assert row.fingerprint == fingerprints(token)[0]


def test_after_a_rotation_a_pasted_token_still_finds_its_row(db: None, settings: Settings) -> None:
    token = "ghp_" + "t" * 36
    settings.WEB_KEYS = [OLD_WEB]
    row = store_token(API, token, by=None)
    settings.WEB_KEYS = [NEW_WEB, OLD_WEB]
    assert store_token(API, token, by=None) == row
    call_command("rotate_keys", stdout=StringIO())
    settings.WEB_KEYS = [NEW_WEB]
    assert store_token(API, token, by=None) == row


def test_web_seals_a_token_but_cannot_open_it(db: None, settings: Settings) -> None:
    settings.CREDENTIAL_KEYS = [public_half(NEW)]
    row = store_token(API, "ghp_" + "t" * 36, by=None)
    with pytest.raises(SecretUnreadable, match="only the public half"):
        opened()
    with pytest.raises(CommandError, match="Nothing was resealed"):
        call_command("rotate_keys")
    settings.CREDENTIAL_KEYS = [OLD]
    with pytest.raises(SecretUnreadable, match="No key in CREDENTIAL_KEYS"):
        opened()
    settings.CREDENTIAL_KEYS = [NEW]
    assert opened() == ["ghp_" + "t" * 36]
    damaged = row.sealed_secret[:-8] + "AAAAAAA="
    with pytest.raises(SecretUnreadable):
        unseal(damaged, uid=row.uid, api_url=API)


def test_what_web_opens_is_not_opened_by_the_keys_of_tokens(settings: Settings) -> None:
    settings.CREDENTIAL_KEYS, settings.WEB_KEYS = [NEW], [NEW_WEB]
    sealed = seal_for_web("a secret", uid="x", api_url="")
    assert unseal_for_web(sealed, uid="x", api_url="") == "a secret"
    with pytest.raises(SecretUnreadable):
        unseal(sealed, uid="x", api_url="")
    settings.WEB_KEYS = [NEW]
    with pytest.raises(SecretUnreadable, match="No key in WEB_KEYS"):
        unseal_for_web(sealed, uid="x", api_url="")


@pytest.mark.processes
@pytest.mark.proof
def test_rotation_of_a_thousand_credentials_survives_a_kill_half_way(tmp_path: Path) -> None:
    """The real command is killed while it runs, and run again."""
    environment = {
        **os.environ,
        "TRACKSIDE_DATA_DIR": str(tmp_path),
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": OLD,
    }
    environment.pop("DATABASE_URL", None)
    both, new = (
        {**environment, "CREDENTIAL_KEYS": f"{NEW},{OLD}"},
        {**environment, "CREDENTIAL_KEYS": NEW},
    )
    manage(environment, "migrate", "--verbosity", "0")
    shell(
        environment,
        "from tests.security.test_rotation import make_credential\n"
        "for n in range(1000): make_credential(n)",
    )
    process = subprocess.Popen([sys.executable, "manage.py", "rotate_keys"], cwd=ROOT, env=both)
    deadline = time.monotonic() + 60
    while under(new, tmp_path) < 300 and process.poll() is None:
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert 0 < under(new, tmp_path) < 1000
    assert (
        shell(both, "from tests.security.test_rotation import opened\nprint(len(opened()))")
        == "1000"
    )
    assert "0 unreadable" in manage(both, "rotate_keys")
    assert (
        shell(new, "from tests.security.test_rotation import opened\nprint(len(opened()))")
        == "1000"
    )
    assert under(environment, tmp_path) == 0


def under(environment: dict[str, str], folder: Path) -> int:
    """How many secrets the key of an environment opens; without Django, to take milliseconds."""
    import sqlite3

    with sqlite3.connect(folder / "trackside.sqlite3", timeout=20) as connection:
        rows = connection.execute("SELECT sealed_secret FROM runners_app_credential").fetchall()
    name = name_of(environment["CREDENTIAL_KEYS"])
    return sum(sealed.startswith(f"hpke1.{name}.") for (sealed,) in rows)


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def shell(environment: dict[str, str], code: str) -> str:
    return manage(environment, "shell", "--no-imports", "--command", code)
