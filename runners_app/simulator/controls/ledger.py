"""What the simulator received, answered and applied. Tokens never get in: only their fingerprints."""

import hashlib
import json
from collections import deque
from typing import Any

KEPT = 20_000


def fingerprint(token: str | None) -> str | None:
    """First 12 hex digits of the SHA-256 of a token: enough to tell who called, useless to call
    with.
    """
    return hashlib.sha256(token.encode()).hexdigest()[:12] if token else None


class Ledger:
    """The last 20,000 requests, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._number = 0

    def record(self, **entry: Any) -> None:
        """Numbered; the other fields are the caller's."""
        self._number += 1
        self._entries.append({"number": self._number, **entry})

    def entries(self, method: str | None = None, path: str | None = None) -> list[dict[str, Any]]:
        """All of one method and one exact path, or all."""
        return [
            entry
            for entry in self._entries
            if method in (None, entry["method"]) and path in (None, entry["path"])
        ]

    def clear(self) -> None:
        self._entries.clear()


def readable(body: bytes) -> Any:
    """A request body as JSON where it is JSON, else as text; None when empty."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
