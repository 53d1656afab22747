"""Shapes of request bodies, checked first ("Invalid request"), and GitHub's rules about values,
checked second ("Validation Failed").
"""

import re
from dataclasses import dataclass
from typing import Any

from runners_app.simulator.api.wire import Body, Request, invalid_request, json_object

RUNNER_NAME = re.compile(r"[A-Za-z0-9.\-_]{1,64}")
WORKFLOW = re.compile(r"[^/@\s]+/[^/@\s]+/\.github/workflows/[^@\s]+\.ya?ml@\S+")
LARGEST_POOL = 1000

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
}


@dataclass(frozen=True)
class Field:
    """``type`` is string, integer, boolean, object, string[] or integer[]."""

    type: str
    required: bool = False
    nullable: bool = False
    one_of: tuple[str, ...] = ()


Shape = dict[str, Field]
SOURCES = ("github", "partner", "custom")
CREATE_RUNNER: Shape = {
    "name": Field("string", required=True),
    "image": Field("object", required=True),
    "size": Field("string", required=True),
    "runner_group_id": Field("integer", required=True),
    "maximum_runners": Field("integer"),
    "enable_static_ip": Field("boolean"),
    "image_gen": Field("boolean"),
}
IMAGE: Shape = {
    "id": Field("string"),
    "source": Field("string", one_of=SOURCES),
    "version": Field("string", nullable=True),
}
UPDATE_RUNNER: Shape = {
    "name": Field("string"),
    "runner_group_id": Field("integer"),
    "maximum_runners": Field("integer"),
    "enable_static_ip": Field("boolean"),
    "size": Field("string"),
    "image_id": Field("string"),
    "image_source": Field("string", one_of=SOURCES),
    "image_version": Field("string", nullable=True),
    "image_gen": Field("boolean"),
}
_GROUP: Shape = {
    "allows_public_repositories": Field("boolean"),
    "restricted_to_workflows": Field("boolean"),
    "selected_workflows": Field("string[]"),
}


def group_shape(kind: str, *, creating: bool) -> Shape:
    """The body that creates or updates a group; only an enterprise's update may omit the name."""
    of_organization = kind == "organization"
    visibilities = ("selected", "all", "private") if of_organization else ("selected", "all")
    shape = {
        **_GROUP,
        "name": Field("string", required=creating or of_organization),
        "visibility": Field("string", one_of=visibilities),
        "network_configuration_id": Field("string", nullable=not creating),
    }
    if creating:
        shape["runners"] = Field("integer[]")
        shape["selected_repository_ids" if of_organization else "selected_organization_ids"] = (
            Field("integer[]")
        )
    return shape


def read_body(request: Request, shape: Shape) -> Body:
    """The body's known fields. Raises ``Refused`` 400 unless it is a JSON object, and 422 if a
    field is missing or has the wrong type.
    """
    body = json_object(request)
    return check_shape(body, shape)


def check_shape(body: Body, shape: Shape, path: str = "") -> Body:
    missing = [
        f'"{path}{name}" wasn\'t supplied.'
        for name, field in shape.items()
        if field.required and name not in body
    ]
    wrong = [
        f"For '{path}{name}', {reason}."
        for name, field in shape.items()
        if (reason := _objection(body, name, field))
    ]
    if missing or wrong:
        raise invalid_request([*missing, *wrong])
    return {name: body[name] for name in shape if name in body}


def _objection(body: Body, name: str, field: Field) -> str:
    if name not in body or (body[name] is None and field.nullable):
        return ""
    value = body[name]
    if field.type.endswith("[]"):
        item = field.type.removesuffix("[]")
        fits = isinstance(value, list) and all(_is(item, each) for each in value)
        return "" if fits else f"the value is not a list of {item}s"
    if not _is(field.type, value):
        return f"the value is not of type {field.type}"
    if field.one_of and value not in field.one_of:
        return f'"{value}" is not one of {", ".join(field.one_of)}'
    return ""


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, _TYPES[kind]) and not (kind == "integer" and isinstance(value, bool))
