"""Faults: what shall go wrong with which requests. A fault is chosen before its request is handled."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any

ACTIONS = (
    "status",
    "drop_before_apply",
    "drop_after_apply",
    "delay",
    "truncate",
    "garbage",
    "trickle",
    "redirect",
    "replace",
)
UNAPPLIED = ("status", "drop_before_apply", "garbage", "redirect")
"""Actions whose request is not carried out, unless ``apply`` says so."""


@dataclass
class Fault:
    """``path`` is a regular expression searched in the path with query; ``times`` 0 means for ever."""

    action: str
    method: str | None = None
    path: str = ""
    times: int = 1
    skip: int = 0
    seconds: float = 0.0
    after_apply: bool = False
    apply: bool | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    bytes: int = 0
    location: str = ""
    whole: bool = False
    id: int = 0
    hits: int = 0

    @property
    def applies(self) -> bool:
        """Whether the request is carried out all the same."""
        return self.action not in UNAPPLIED if self.apply is None else self.apply

    def matches(self, method: str, target: str) -> bool:
        return self.method in (None, method) and re.search(self.path, target) is not None


def parse(body: dict[str, Any]) -> Fault:
    """A fault from JSON. Raises ``ValueError`` saying what is wrong."""
    known = set(Fault.__dataclass_fields__) - {"id", "hits"}
    if unknown := body.keys() - known:
        raise ValueError(
            f"Unknown fields: {', '.join(sorted(unknown))}. Known: {', '.join(sorted(known))}."
        )
    if body.get("action") not in ACTIONS:
        raise ValueError(f"action must be one of {', '.join(ACTIONS)}.")
    given = {**body, "times": 0 if body.get("times", 1) is None else body.get("times", 1)}
    method = given.get("method")
    given["method"] = method.upper() if method and method != "*" else None
    try:
        fault = Fault(**given)
        re.compile(fault.path)
    except (TypeError, re.error) as error:
        raise ValueError(str(error)) from error
    return fault


class Faults:
    """The faults in wait, in the order they were asked for; the first that matches a request takes
    it.
    """

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._number = 0

    def add(self, fault: Fault) -> Fault:
        self._number += 1
        fault.id = self._number
        self._waiting.append(fault)
        return fault

    def take(self, method: str, target: str) -> Fault | None:
        for fault in self._waiting:
            if fault.matches(method, target):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                if fault.times and fault.hits >= fault.times:
                    self._waiting.remove(fault)
                return fault
        return None

    def describe(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._waiting]

    def clear(self) -> None:
        self._waiting.clear()


def merge_patch(target: Any, patch: Any) -> Any:
    """Like a JSON merge patch, but null is put in instead of taking away, and a list's patch goes
    to each item.

    ``{"runners": [{"status": null}]}`` makes the status of every runner null; ``{"$remove":
    ["x"]}`` takes x away.
    """
    if (
        isinstance(target, list)
        and isinstance(patch, list)
        and len(patch) == 1
        and isinstance(patch[0], dict)
    ):
        return [merge_patch(item, patch[0]) for item in target]
    if not isinstance(patch, dict) or not isinstance(target, dict):
        return patch
    merged = {name: value for name, value in target.items() if name not in patch.get("$remove", [])}
    for name, value in patch.items():
        if name != "$remove":
            merged[name] = merge_patch(merged.get(name), value)
    return merged
