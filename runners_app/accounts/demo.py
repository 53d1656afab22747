"""The demo: accounts of a simulator in the same dashboard. To the rest of Trackside they are only
another api_url.
"""

import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from runners_app.accounts.accounts import CannotConnect, connect_with_token
from runners_app.models import Account, CachedResponse, Credential, Membership
from runners_app.security.secrets import seal, unseal

USERNAMES = ("admin", "lead")


@dataclass(frozen=True)
class SignIn:
    role: str
    username: str
    password: str


def state_file() -> Path:
    return Path(settings.DATA_DIR) / "demo.json"


def read_state() -> dict[str, Any]:
    path = state_file()
    state: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return state


def write_state(state: dict[str, Any]) -> None:
    path = state_file()
    path.touch(mode=0o600)
    path.write_text(json.dumps(state))


def is_wanted() -> bool:
    """On when no account is connected yet, or when it was on before."""
    return not Account.objects.exists() or Account.objects.filter(demo=True).exists()


@transaction.atomic
def connect_demo(api_url: str, accounts: list[dict[str, str]]) -> None:
    """Connect what the simulator announced, or follow it to a new port."""
    connected = {(account.kind, account.slug) for account in Account.objects.filter(demo=True)}
    _follow(api_url)
    for account in accounts:
        if (account["kind"], account["slug"]) in connected:
            continue
        with suppress(
            CannotConnect
        ):  # somebody connected it by hand: then it is no demo, and stays
            connect_with_token(
                account["slug"],
                kind=account["kind"],
                api_url=api_url,
                token=account["token"],
                by=None,
                demo=True,
            )
    lead = User.objects.filter(username="lead").first()
    if lead is not None:
        for row in Account.objects.filter(demo=True).order_by("pk")[:2]:
            Membership.objects.get_or_create(user=lead, account=row)


def _follow(api_url: str) -> None:
    for account in (
        Account.objects.filter(demo=True).exclude(api_url=api_url).select_related("credential")
    ):
        account.api_url = api_url
        account.save(update_fields=["api_url"])
        CachedResponse.objects.filter(reading__account=account).delete()
        credential = Credential.objects.get(pk=account.credential_id)
        if credential.api_url != api_url:
            secret = unseal(
                credential.sealed_secret, uid=credential.uid, api_url=credential.api_url
            )
            credential.api_url = api_url
            credential.sealed_secret = seal(secret, uid=credential.uid, api_url=api_url)
            credential.save(update_fields=["api_url", "sealed_secret"])


def demo_sign_ins() -> list[SignIn]:
    """An administrator and a team lead with passwords made once; none when somebody else is set up
    already.
    """
    state = read_state()
    if "passwords" not in state:
        if User.objects.exists():
            return []
        state["passwords"] = {name: secrets.token_urlsafe(9) for name in USERNAMES}
        write_state(state)
    passwords = state["passwords"]
    if not User.objects.filter(username="admin").exists():
        User.objects.create_superuser("admin", password=passwords["admin"])
    if not User.objects.filter(username="lead").exists():
        User.objects.create_user("lead", password=passwords["lead"])
    return [
        SignIn("administrator", "admin", passwords["admin"]),
        SignIn("team lead", "lead", passwords["lead"]),
    ]


def remove_people() -> dict[str, str]:
    """After the demo's accounts. Whom it left, and why: somebody else may go by the name, or rely
    on it.
    """
    passwords = read_state().get("passwords", {})
    left = {}
    for person in User.objects.filter(username__in=USERNAMES).order_by("is_superuser"):
        name = person.get_username()
        if name not in passwords or not person.check_password(passwords[name]):
            left[name] = "the password is not the demo's, so it is somebody's own sign-in"
        elif _is_needed(person):
            left[name] = "the last administrator, and other people or accounts remain"
        else:
            person.delete()
    return left


def _is_needed(person: User) -> bool:
    others = User.objects.exclude(pk=person.pk)
    if (
        not (person.is_superuser and person.is_active)
        or others.filter(is_superuser=True, is_active=True).exists()
    ):
        return False
    return others.exists() or Account.objects.exists()
