"""GitHub's own description of its API as JSON Schema that rejects fields it does not name."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "github-api"
VERSIONS = ("2022-11-28", "2026-03-10")


@cache
def read_description(version: str) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((FOLDER / f"hosted-runners.{version}.json").read_text())
    return described


def insight_operations(version: str = VERSIONS[-1]) -> list[str]:
    """Operations about jobs and webhooks, such as ``GET /orgs/{org}/hooks``."""
    file = FOLDER / f"insight.{version}.json"
    if not file.exists():
        return []
    described = json.loads(file.read_text())
    methods = ("get", "post", "patch", "put", "delete")
    return [
        f"{method.upper()} {path}"
        for path, operations in described["paths"].items()
        for method in operations
        if method in methods
    ]


@cache
def _registry(version: str) -> "Registry[Any]":
    resource = DRAFT202012.create_resource(_strict(read_description(version)))
    registry: Registry[Any] = Registry().with_resource("urn:github", resource)
    return registry


def _strict(node: Any, *, closed: bool = True) -> Any:
    """Translate ``nullable`` to JSON Schema, and close objects except in parts of an ``allOf``."""
    if isinstance(node, list):
        return [_strict(each, closed=closed) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _strict(value, closed=closed and key != "allOf") for key, value in node.items()}
    if closed and isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    if made.pop("nullable", None) is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


def violations(version: str, pointer: str, body: Any) -> list[str]:
    """Where a body violates the schema at a JSON pointer such as ``/components/schemas/runner``."""
    validator = Draft202012Validator({"$ref": f"urn:github#{pointer}"}, registry=_registry(version))
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]


def answer_pointer(version: str, method: str, path: str, status: int) -> str | None:
    """The pointer to the schema of a response; None if it has no body."""
    answer = read_description(version)["paths"][path][method.lower()]["responses"][str(status)]
    base = f"/paths/{_escaped(path)}/{method.lower()}/responses/{status}"
    if "$ref" in answer:
        base = answer["$ref"].removeprefix("#")
        name = base.rpartition("/")[2]
        answer = read_description(version)["components"]["responses"][name]
    return f"{base}/content/application~1json/schema" if answer.get("content") else None


def _escaped(path: str) -> str:
    return path.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
