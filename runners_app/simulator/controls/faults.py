"""Faults: what goes wrong with which requests. A fault is chosen before its request is handled."""

import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any

ACTIONS = (
    "status",
    "drop_before_apply",
    "drop_after_apply",
    "delay",
    "freeze",
    "truncate",
    "garbage",
    "trickle",
    "redirect",
    "replace",
    "lag",
    "omit",
    "slip",
    "stale_304",
)
UNAPPLIED = ("status", "drop_before_apply", "garbage", "redirect", "stale_304")
"""Actions that prevent the request from being carried out, unless ``apply`` is true."""
OF_LISTS = ("lag", "omit", "slip")
"""Actions that only lists of runners, images, groups and repositories meet."""


@dataclass
class Fault:
    """``path`` is a regular expression searched for in path and query; ``times`` 0 means forever.

    ``lasts`` ends the fault so many seconds after it was added (0: never). What the other fields
    mean depends on ``action``:

    - ``status``: ``status`` (any number), ``headers``, ``body``.
    - ``delay``: ``seconds``, before the request is handled, or after it with ``after_apply``.
    - ``freeze``: no response until the fault is cleared or has lasted; ``after_apply`` as above.
    - ``trickle``: a byte every ``seconds``; ``whole`` includes the headers.
    - ``garbage``: ``body``, HTML by default, or ``bytes`` of it. ``redirect``: to ``location``.
    - ``replace``: ``body`` is a patch (see ``merge_patch``) to the true response.
    - ``lag``: lists show the world as it was ``seconds`` ago, but never before the fault was added.
    - ``omit``: a list that is complete by its ``total_count`` but lacks the items with these
      ``ids``; without ``ids`` it is empty.
    - ``slip``: after the response the first listed runner, or those with these ``ids``, are deleted
      and as many created, so that a row slips past the border of two pages.
    - ``stale_304``: conditional requests are answered with 304 even if the list has changed.
    """

    action: str
    method: str | None = None
    path: str = ""
    times: int = 1
    skip: int = 0
    seconds: float = 0.0
    lasts: float = 0.0
    after_apply: bool = False
    apply: bool | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    bytes: int = 0
    location: str = ""
    whole: bool = False
    ids: list[int] = field(default_factory=list)
    id: int = 0
    hits: int = 0
    added_on: float = 0.0

    @property
    def applies(self) -> bool:
        """Whether the request is carried out despite the fault."""
        return self.action not in UNAPPLIED if self.apply is None else self.apply

    def is_over(self) -> bool:
        return self.lasts > 0 and time.time() >= self.added_on + self.lasts

    def matches(self, method: str, target: str, *, is_list: bool, is_conditional: bool) -> bool:
        if self.action in OF_LISTS and not is_list:
            return False
        if self.action == "stale_304" and not is_conditional:
            return False
        return self.method in (None, method) and re.search(self.path, target) is not None


def parse(body: dict[str, Any]) -> Fault:
    """Read a fault from JSON. Raises ``ValueError`` with the reason."""
    fields = set(Fault.__dataclass_fields__) - {"id", "hits", "added_on"}
    if unknown := body.keys() - fields:
        raise ValueError(
            f"Unknown fields: {', '.join(sorted(unknown))}. Known: {', '.join(sorted(fields))}."
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
    """The active faults, oldest first; a request meets the first one that matches."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._freezing: set[int] = set()
        self._number = 0

    def add(self, fault: Fault) -> Fault:
        self._number += 1
        fault.id, fault.added_on = self._number, time.time()
        self._active.append(fault)
        return fault

    def take(
        self, method: str, target: str, *, is_list: bool = False, is_conditional: bool = False
    ) -> Fault | None:
        """The fault that a request meets, if any. A fault is removed when its ``times`` are up."""
        self._active = [fault for fault in self._active if not fault.is_over()]
        for fault in self._active:
            if not fault.matches(method, target, is_list=is_list, is_conditional=is_conditional):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.hits += 1
            if fault.times and fault.hits >= fault.times:
                self._active.remove(fault)
            if fault.action == "freeze":
                self._freezing.add(fault.id)
            return fault
        return None

    def freezes(self, fault: Fault | None) -> bool:
        """Whether requests that met this fault are still frozen."""
        return fault is not None and fault.id in self._freezing and not fault.is_over()

    def any_lag(self) -> bool:
        return any(fault.action == "lag" and not fault.is_over() for fault in self._active)

    def describe(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._active if not fault.is_over()]

    def clear(self) -> None:
        self._active.clear()
        self._freezing.clear()


def merge_patch(target: Any, patch: Any) -> Any:
    """Like a JSON merge patch, but null sets a value to null, and the patch ``[{…}]`` applies to
    every item of a list.

    ``{"runners": [{"status": null}]}`` sets every runner's status to null; ``{"$remove": ["x"]}``
    removes x.
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
