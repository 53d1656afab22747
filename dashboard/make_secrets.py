"""Makes the secrets for the first `docker compose up`; existing ones are kept.

`python -m dashboard.make_secrets KEYS PASSWORDS OWNER WORKER`: four folders. PostgreSQL and Redis
read their passwords, under users of their own, and must not see Trackside's keys; only migrations
may see the password of the database's owner, and only workers the keys that open tokens.

With `--new-keys` a new key goes before the present ones of both rings; with `--drop-old-keys` all
but the first go away, which `rotate_keys` must have made useless before.
"""

import os
import secrets
import sys
from pathlib import Path

from dashboard.public_keys import public_halves
from runners_app.security.keys import PUBLIC, new_key

DATABASE = "postgres:5432/trackside"
APP_ROLE = "trackside_app"
NEW_KEYS, DROP_OLD_KEYS = "--new-keys", "--drop-old-keys"


def make_secrets(keys: Path, passwords: Path, owner: Path, worker: Path) -> list[str]:
    """Names of the files made; each appears whole or not at all."""
    postgres = _keep_or_make(passwords / "postgres_password", secrets.token_urlsafe(32), 0o444)
    redis = _keep_or_make(passwords / "redis_password", secrets.token_urlsafe(32), 0o444)
    owner_url = f"postgresql://trackside:{postgres.value}@{DATABASE}"
    _take_from_app(keys / "database_url", owner / "database_url", owner_url)
    app_url = f"postgresql://{APP_ROLE}:{secrets.token_urlsafe(32)}@{DATABASE}"
    files = {
        passwords / "redis.conf": (f"requirepass {redis.value}\n", 0o444),
        owner / "database_url": (owner_url, 0o400),
        keys / "secret_key": (secrets.token_urlsafe(64), 0o400),
        keys / "metrics_token": (secrets.token_urlsafe(32), 0o400),
        keys / "database_url": (app_url, 0o400),
        keys / "redis_url": (f"redis://:{redis.value}@redis:6379/0", 0o400),
    }
    kept = [
        postgres,
        redis,
        *(_keep_or_make(path, value, mode) for path, (value, mode) in files.items()),
        *_key_rings(keys, worker),
    ]
    return [each.path.name for each in kept if each.is_new]


def _take_from_app(app: Path, owner: Path, owner_url: str) -> None:
    """Version 0.1 gave the owner's address to everybody: it moves to where only migrations see it.

    With an address of another database both use that one, until somebody changes the files.
    """
    if not app.exists():
        return
    address = app.read_text().strip()
    if address == owner_url:
        app.unlink()
    else:
        _keep_or_make(owner, address, 0o400)


def _key_rings(keys: Path, worker: Path) -> list["_Kept"]:
    """The private half for workers; its public half, and WEB_KEYS, for everybody.

    Version 0.1 gave one key to everybody. It comes after the new ones, which seal from now on, and
    opens what it sealed until `rotate_keys` and `--drop-old-keys`.
    """
    shared = keys / "credential_keys"
    found = shared.read_text().strip() if shared.exists() else ""
    old = [] if found.startswith(PUBLIC) else [found] * bool(found)
    private = _keep_or_make(worker / "credential_keys", new_key(), 0o400)
    web = _keep_or_make(keys / "web_keys", new_key(), 0o400)
    for kept in (private, web):
        if old and old[0] not in kept.value:
            _write(kept.path, ",".join([kept.value, *old]), 0o400)
    if old:
        shared.unlink()
    return [private, web, _keep_or_make(shared, public_halves(_first(private.value)), 0o400)]


def add_keys(keys: Path, worker: Path) -> None:
    """Put a new key first in both rings; web is given the public half of it alone."""
    private = new_key()
    _write(worker / "credential_keys", f"{private},{_read(worker / 'credential_keys')}", 0o400)
    _write(keys / "web_keys", f"{new_key()},{_read(keys / 'web_keys')}", 0o400)
    _write(keys / "credential_keys", public_halves(private), 0o400)


def drop_old_keys(keys: Path, worker: Path) -> None:
    """Leave the first key of each ring alone."""
    for path in (worker / "credential_keys", keys / "web_keys"):
        _write(path, _first(_read(path)), 0o400)


def _first(ring: str) -> str:
    return ring.split(",")[0].strip()


def _read(path: Path) -> str:
    return path.read_text().strip()


class _Kept:
    def __init__(self, path: Path, value: str, is_new: bool) -> None:
        self.path, self.value, self.is_new = path, value, is_new


def _keep_or_make(path: Path, value: str, mode: int) -> _Kept:
    if path.exists():
        return _Kept(path, _read(path), False)
    _write(path, value, mode)
    return _Kept(path, value, True)


def _write(path: Path, value: str, mode: int) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    # Created for the owner alone, and widened only where another user must read it.
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(value)
    aside.chmod(mode)
    aside.rename(path)


if __name__ == "__main__":
    keys, passwords, owner, worker = map(Path, sys.argv[1:5])
    if sys.argv[5:] == [NEW_KEYS]:
        add_keys(keys, worker)
        told = "New keys come first. Restart, and run rotate_keys where a worker runs."
    elif sys.argv[5:] == [DROP_OLD_KEYS]:
        drop_old_keys(keys, worker)
        told = "The older keys are gone. Restart."
    else:
        made = make_secrets(keys, passwords, owner, worker)
        told = f"Made: {', '.join(made)}." if made else "All secrets exist already."
    sys.stdout.write(f"{told}\n")
