"""The requests received, with their outcome. Instead of tokens it holds their fingerprints."""

import hashlib
import json
from collections import deque
from typing import Any

KEPT = 20_000


def fingerprint(token: str | None) -> str | None:
    """The first 12 hex digits of a token's SHA-256: they identify the caller, but are no secret."""
    return hashlib.sha256(token.encode()).hexdigest()[:12] if token else None


class Ledger:
    """The last 20,000 requests, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._number = 0

    def record(self, **entry: Any) -> None:
        """Append an entry and number it."""
        self._number += 1
        self._entries.append({"number": self._number, **entry})

    def entries(self, method: str | None = None, path: str | None = None) -> list[dict[str, Any]]:
        """The entries, optionally only of one method and one exact path."""
        return [
            entry
            for entry in self._entries
            if method in (None, entry["method"]) and path in (None, entry["path"])
        ]

    def clear(self) -> None:
        self._entries.clear()


def readable(body: bytes) -> Any:
    """A request body as parsed JSON, or as text if it is not JSON; None if it is empty."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
