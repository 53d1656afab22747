"""Keeps the world in a JSON file, so that runners and tokens survive a restart."""

import json
import os
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from runners_app.simulator.world.state import World


def save(world: World, path: Path) -> None:
    """Replace the file atomically. Only its owner can read it, because it contains tokens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    aside.touch(mode=0o600)
    aside.write_text(json.dumps(asdict(world)))
    aside.replace(path)


def load(path: Path) -> World | None:
    """Read the world; None if there is no file. Raises ``ValueError`` if it is damaged."""
    if not path.exists():
        return None
    try:
        return cast(World, _revive(World, json.loads(path.read_text())))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path} does not hold a simulated world: {error}. "
            "Move it away to start with a new world."
        ) from error


def _revive(kind: Any, data: Any) -> Any:
    """The inverse of ``asdict``, for the types that ``state`` uses."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        given = {
            each.name: _revive(hints[each.name], data[each.name])
            for each in fields(kind)
            if each.name in data
        }
        return cast(Any, kind)(**given)
    if origin is UnionType:
        kinds = [each for each in arguments if each is not NoneType]
        return None if data is None else _revive(kinds[0], data)
    if origin is list:
        return [_revive(arguments[0], item) for item in data]
    if origin is dict:
        return {arguments[0](key): _revive(arguments[1], value) for key, value in data.items()}
    if origin is Literal or kind is Any:
        return data
    return float(data) if kind is float else data
