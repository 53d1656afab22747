"""The keys of the embedded default: made once, kept in the data folder with mode 0600."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from runners_app.security.keys import new_key


@dataclass(frozen=True)
class Keys:
    secret_key: str
    credential_keys: list[str]
    web_keys: list[str]


def read_keys(data_dir: Path) -> Keys | None:
    """The keys in the data folder; None before the first start."""
    path = data_dir / "keys.json"
    if not path.exists():
        return None
    stored = json.loads(path.read_text())
    # Version 0.1 had one ring for both.
    web_keys = stored.get("web_keys", stored["credential_keys"])
    return Keys(stored["secret_key"], stored["credential_keys"], web_keys)


def make_keys() -> Keys:
    """New keys, which `keep_keys` writes down."""
    return Keys(secrets.token_urlsafe(50), [new_key()], [new_key()])


def keep_keys(data_dir: Path, keys: Keys) -> Keys:
    """Write the keys to the data folder, unless it has some; the keys that it holds afterwards.

    Several processes may start at once: the file is written under another name and then linked, so
    that it appears whole and the first process wins.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data_dir / "keys.json"
    aside = data_dir / f"keys.{os.getpid()}.json"
    aside.touch(mode=0o600)
    aside.write_text(json.dumps(asdict(keys)))
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return read_keys(data_dir) or keys
