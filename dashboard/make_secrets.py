"""Makes the secrets for the first `docker compose up`; existing ones are kept.

`python -m dashboard.make_secrets KEYS PASSWORDS`: two folders, because PostgreSQL and Redis, which
run as other users, must read their passwords but must not see Trackside's keys.
"""

import os
import secrets
import sys
from pathlib import Path

from cryptography.fernet import Fernet


def make_secrets(keys: Path, passwords: Path) -> list[str]:
    """Make the missing files, each atomically; the names of those that were made."""
    postgres = _keep_or_make(passwords / "postgres_password", secrets.token_urlsafe(32), 0o444)
    redis = _keep_or_make(passwords / "redis_password", secrets.token_urlsafe(32), 0o444)
    files = {
        passwords / "redis.conf": (f"requirepass {redis.value}\n", 0o444),
        keys / "secret_key": (secrets.token_urlsafe(64), 0o400),
        keys / "credential_keys": (Fernet.generate_key().decode(), 0o400),
        keys / "metrics_token": (secrets.token_urlsafe(32), 0o400),
        keys / "database_url": (
            f"postgresql://trackside:{postgres.value}@postgres:5432/trackside",
            0o400,
        ),
        keys / "redis_url": (f"redis://:{redis.value}@redis:6379/0", 0o400),
    }
    kept = [
        postgres,
        redis,
        *(_keep_or_make(path, value, mode) for path, (value, mode) in files.items()),
    ]
    return [each.path.name for each in kept if each.is_new]


class _Kept:
    def __init__(self, path: Path, value: str, is_new: bool) -> None:
        self.path, self.value, self.is_new = path, value, is_new


def _keep_or_make(path: Path, value: str, mode: int) -> _Kept:
    if path.exists():
        return _Kept(path, path.read_text().strip(), False)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(value)
    aside.chmod(mode)
    aside.rename(path)
    return _Kept(path, value, True)


if __name__ == "__main__":
    made = make_secrets(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(f"Made: {', '.join(made)}.\n" if made else "All secrets exist already.\n")
