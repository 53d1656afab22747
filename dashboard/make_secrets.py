"""Makes the secrets for the first `docker compose up`; existing ones are kept.

`python -m dashboard.make_secrets KEYS PASSWORDS OWNER`: three folders. PostgreSQL and Redis read
their passwords, under users of their own, and must not see Trackside's keys; and only migrations
may see the password of the database's owner.
"""

import os
import secrets
import sys
from pathlib import Path

from cryptography.fernet import Fernet

DATABASE = "postgres:5432/trackside"
APP_ROLE = "trackside_app"


def make_secrets(keys: Path, passwords: Path, owner: Path) -> list[str]:
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
        keys / "credential_keys": (Fernet.generate_key().decode(), 0o400),
        keys / "metrics_token": (secrets.token_urlsafe(32), 0o400),
        keys / "database_url": (app_url, 0o400),
        keys / "redis_url": (f"redis://:{redis.value}@redis:6379/0", 0o400),
    }
    kept = [
        postgres,
        redis,
        *(_keep_or_make(path, value, mode) for path, (value, mode) in files.items()),
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


class _Kept:
    def __init__(self, path: Path, value: str, is_new: bool) -> None:
        self.path, self.value, self.is_new = path, value, is_new


def _keep_or_make(path: Path, value: str, mode: int) -> _Kept:
    if path.exists():
        return _Kept(path, path.read_text().strip(), False)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    # Created for the owner alone, and widened only where another user must read it.
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(value)
    aside.chmod(mode)
    aside.rename(path)
    return _Kept(path, value, True)


if __name__ == "__main__":
    made = make_secrets(*map(Path, sys.argv[1:4]))
    sys.stdout.write(f"Made: {', '.join(made)}.\n" if made else "All secrets exist already.\n")
