"""GitHub's operations and response models, as githubkit generates them from its description."""

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache, reduce
from operator import or_
from pathlib import Path
from typing import Any

from githubkit.compat import type_validate_python
from pydantic import BaseModel, ValidationError

VERSIONS = ("2022-11-28", "2026-03-10")
FUNCTION = re.compile(r"\n    def \w+\(.*?(?=\n    (?:async )?def |\Z)", re.DOTALL)
OPERATION = re.compile(r"^        (GET|POST|PUT|PATCH|DELETE) (/\S*)$", re.MULTILINE)
MODEL = re.compile(r"response_model=([^\n]+),\n")


def package_of(version: str) -> str:
    """The package with everything that GitHub Enterprise Cloud offers, enterprises included."""
    return f"githubkit_schemas.ghec_v{version.replace('-', '_')}"


@cache
def operations(version: str) -> dict[str, str]:
    """Operation ("GET /orgs/{org}") → the source of the model of its response; "" without one."""
    found: dict[str, str] = {}
    folder = Path(inspect.getfile(importlib.import_module(f"{package_of(version)}.rest"))).parent
    for module in folder.glob("*.py"):
        for function in FUNCTION.findall(module.read_text()):
            documented, model = OPERATION.search(function), MODEL.search(function)
            if documented:
                name = f"{documented[1]} {documented[2]}"
                found.setdefault(name, model[1] if model else "")
    return found


def violations(version: str, operation: str, body: Any) -> list[str]:
    """Where a response differs from its model: wrong types, missing and unknown fields."""
    source = operations(version)[operation]
    package = importlib.import_module(f"{package_of(version)}.models")
    names = [name for name in re.findall(r"\w+", source) if name not in ("list", "Union", "None")]
    model: Any = reduce(or_, [getattr(package, name) for name in names])
    try:
        parsed = type_validate_python(list[model] if source.startswith("list") else model, body)
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return list(_unknown_fields(body, parsed, "$"))


def _unknown_fields(body: Any, parsed: Any, place: str) -> Iterator[str]:
    if isinstance(body, list) and isinstance(parsed, list):
        for number, (item, model) in enumerate(zip(body, parsed, strict=True)):
            yield from _unknown_fields(item, model, f"{place}[{number}]")
    if not isinstance(body, dict) or not isinstance(parsed, BaseModel):
        return
    if type(parsed).model_config.get("extra") == "allow":
        return
    fields = {
        field.alias or name: getattr(parsed, name)
        for name, field in type(parsed).model_fields.items()
    }
    for name, value in body.items():
        if name not in fields:
            yield f"{place}.{name}: unknown"
        else:
            yield from _unknown_fields(value, fields[name], f"{place}.{name}")
