"""The ways in which a response to a write is lost or damaged, as faults of the simulator."""

from typing import Any

DEADLINE = 1.0  # GITHUB_DEADLINE of these tests, in seconds

# W1: GitHub has applied the write, but no usable response arrived.
APPLIED: dict[str, dict[str, Any]] = {
    "the connection drops": {"action": "drop_after_apply"},
    "the answer is cut": {"action": "truncate"},
    "GitHub answers 502": {"action": "status", "status": 502, "apply": True},
    "GitHub answers 500 in HTML": {"action": "garbage", "status": 500, "apply": True},
    "it takes too long": {"action": "delay", "seconds": 1.5 * DEADLINE, "after_apply": True},
    "the answer is no JSON": {"action": "garbage", "apply": True},
}
# W2: the same, but the write was not applied.
NOT_APPLIED: dict[str, dict[str, Any]] = {
    "the connection drops": {"action": "drop_before_apply"},
    "GitHub answers 502": {"action": "status", "status": 502},
    "GitHub answers 503 in HTML": {"action": "garbage", "status": 503},
    "it is redirected elsewhere": {
        "action": "redirect",
        "location": "https://elsewhere.example/",
        "status": 302,
    },
    "the answer is no JSON": {"action": "garbage"},
}
# R3: certainly not applied; sent again at the time GitHub gave.
LIMITED: dict[str, dict[str, Any]] = {
    "a secondary limit with retry-after": {
        "action": "status",
        "status": 429,
        "headers": {"Retry-After": "1"},
    },
    "a 403 with retry-after": {"action": "status", "status": 403, "headers": {"Retry-After": "1"}},
}
