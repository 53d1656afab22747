"""The data folder of the embedded default: keys made once, kept with mode 0600."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet


@dataclass(frozen=True)
class Keys:
    secret_key: str
    credential_keys: list[str]


def read_or_make_keys(data_dir: Path) -> Keys:
    """Keys from ``keys.json`` in the data folder; made there on the first start.

    Several processes may start at once: the file appears whole (written aside, then linked) and the
    first one wins.
    """
    path = data_dir / "keys.json"
    if not path.exists():
        _make_keys(path)
    stored = json.loads(path.read_text())
    return Keys(stored["secret_key"], stored["credential_keys"])


def _make_keys(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = {
        "secret_key": secrets.token_urlsafe(50),
        "credential_keys": [Fernet.generate_key().decode()],
    }
    aside = path.with_name(f"keys.{os.getpid()}.json")
    aside.write_text(json.dumps(keys))
    aside.chmod(0o600)
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
