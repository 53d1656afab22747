"""Webhooks of organizations and of the App, and the log of what was delivered."""

from dataclasses import dataclass, field
from typing import Any

DELIVERIES_KEPT = 20_000
APP = "app"


@dataclass
class Delivery:
    """One attempt. Attempts of one delivery share the ``guid``."""

    id: int
    guid: str
    delivered_on: float
    event: str
    action: str
    payload: dict[str, Any]
    redelivery: bool = False
    status: str = "OK"
    status_code: int = 0
    duration: float = 0.0


@dataclass
class Log:
    """By the hook's key: attempts, oldest first."""

    attempts: dict[str, list[Delivery]] = field(default_factory=dict)
    last_id: int = 0

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def add(self, key: str, delivery: Delivery) -> None:
        kept = self.attempts.setdefault(key, [])
        kept.append(delivery)
        del kept[:-DELIVERIES_KEPT]


def hook_key(account: str, hook_id: int) -> str:
    return f"{account}#{hook_id}"
