"""Demo accounts, served by the simulator. The rest of Trackside sees just another api_url."""

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
from runners_app.jobs.hooks import want_hook
from runners_app.models import Account, CachedResponse, Credential, Membership
from runners_app.security.secrets import seal, unseal

USERNAMES = ("admin", "lead")


@dataclass(frozen=True)
class SignIn:
    """A demo user's name and password, for the first page that a new operator sees."""

    role: str
    username: str
    password: str


def state_file() -> Path:
    """Return the path of the file with the demo's passwords and simulator state."""
    return Path(settings.DATA_DIR) / "demo.json"


def read_state() -> dict[str, Any]:
    """Return the stored state of the demo, empty if there is none."""
    path = state_file()
    state: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return state


def write_state(state: dict[str, Any]) -> None:
    """Store the state of the demo, readable by its owner only."""
    path = state_file()
    path.touch(mode=0o600)
    path.write_text(json.dumps(state))


def is_wanted() -> bool:
    """Return whether to run the demo: no account is connected yet, or the demo is."""
    return not Account.objects.exists() or Account.objects.filter(demo=True).exists()


@transaction.atomic
def connect_demo(api_url: str, accounts: list[dict[str, str]]) -> None:
    """Connect the accounts that the simulator announced; move existing ones to its new port."""
    connected = {(account.kind, account.slug) for account in Account.objects.filter(demo=True)}
    _follow(api_url)
    for account in accounts:
        if (account["kind"], account["slug"]) in connected:
            continue
        # Connected by hand before: then it is not part of the demo, and stays as it is.
        with suppress(CannotConnect):
            connect_with_token(
                account["slug"],
                kind=account["kind"],
                api_url=api_url,
                token=account["token"],
                by=None,
                demo=True,
            )
    for row in Account.objects.filter(demo=True, kind=Account.Kind.ORGANIZATION):
        want_hook(row)
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
        Account.objects.tell_apart(account.slug)
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
    """Return the demo's administrator and team lead; their passwords are generated once.

    Empty if real users exist already.
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
    """Delete the demo's users, after its accounts. Return those kept: username → reason.

    A user with a changed password is real, and the last administrator must stay.
    """
    passwords = read_state().get("passwords", {})
    left = {}
    for person in User.objects.filter(username__in=USERNAMES).order_by("is_superuser"):
        name = person.get_username()
        if name not in passwords or not person.check_password(passwords[name]):
            left[name] = "the password was changed, so this is a real user"
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
