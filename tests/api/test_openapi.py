"""The OpenAPI document: complete, typed, and true of what the API answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from jsonschema import Draft202012Validator

from runners_app.models import Account, Operation, Runner, RunnerGroup
from runners_app.runners.requests import request_delete_runner
from tests.jobs.posting import Sender

DOCUMENT = "/api/v1/openapi.json"
# Addresses whose path has no parameter but keys, with the query that makes sense of them.
READS = (
    "/token",
    "/accounts",
    "/accounts/{account}",
    "/accounts/{account}/readings",
    "/accounts/{account}/explain?repository=web",
    "/runners?limit=100",
    "/runners/{runner}",
    "/operations",
    "/operations/{operation}",
    "/images?limit=100",
    "/sizes",
    "/groups",
    "/groups/{group}",
    "/groups/{group}/access",
    "/groups/{group}/annotations",
    "/runners/{runner}/annotations",
    "/owners",
    "/tags",
    "/views",
    "/static-ips",
    "/static-ips/changes?since=2026-11-01T00:00:00Z",
    "/audit",
    "/insight/waits",
    "/insight/usage?by=workflow",
    "/insight/capacity",
    "/insight/queue",
    "/insight/coverage",
)


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    answer = client.get(DOCUMENT)
    assert answer.status_code == 200
    parsed: dict[str, Any] = json.loads(answer.content)
    return parsed


def schemas_in(value: object) -> Iterator[Any]:
    """Every schema of the document, however deep."""
    if isinstance(value, list):
        for each in value:
            yield from schemas_in(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in ("schema", "items") or (
                name == "additionalProperties" and each is not False
            ):
                yield each
            elif name in ("properties", "schemas"):
                yield from each.values()
            elif name in ("anyOf", "allOf", "oneOf", "prefixItems"):
                yield from each
            yield from schemas_in(each)


def test_the_document_is_openapi_3_1_with_readable_operations(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    ids = [each["operationId"] for each in operations]
    assert len(set(ids)) == len(ids)
    assert "list_runners" in ids
    assert all(each.get("description") for each in operations)
    assert all(each.get("security") for each in operations)


def test_no_schema_is_untyped(document: dict[str, Any]) -> None:
    schemas = list(schemas_in(document))
    assert len(schemas) > 500
    known = {"type", "$ref", "anyOf", "allOf", "oneOf", "enum", "const"}
    assert [each for each in schemas if each is True or not known & set(each)] == []
    untyped = [
        schema
        for schema in schemas
        if schema.get("type") == "object"
        and not schema.get("properties")
        and schema.get("additionalProperties") in (None, True)
    ]
    assert untyped == []


def test_every_operation_documents_its_errors_as_problems(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            for status in ("401", "403", "404", "422", "429"):
                content = operation["responses"][status]["content"]
                assert list(content) == ["application/problem+json"]


def test_answers_have_the_documented_shape(
    as_script: Client, document: dict[str, Any], admin: Any, acme: Account, busy: Sender
) -> None:
    runner = Runner.objects.exclude(public_ips=[]).earliest("pk")
    operation = request_delete_runner(runner, by=admin, nonce="one")
    group = RunnerGroup.objects.filter(account=acme, visibility="selected").earliest("pk")
    values = {
        "account": acme.pk,
        "runner": runner.pk,
        "operation": operation.pk,
        "group": group.pk,
    }
    for address in READS:
        answer = as_script.get("/api/v1" + address.format(**values))
        assert answer.status_code == 200, answer.content
        path = "/api/v1" + address.partition("?")[0]
        for name in ("runner", "operation", "group"):
            path = path.replace(f"{{{name}}}", "{pk}")
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        errors = Draft202012Validator(schema).iter_errors(answer.json())
        assert [error.message for error in errors] == [], address
    assert Operation.objects.count() == 1


def test_an_error_has_the_documented_shape(as_script: Client, document: dict[str, Any]) -> None:
    problem = document["components"]["schemas"]["Problem"]
    validator = Draft202012Validator({**problem, "components": document["components"]})
    for address in ("/runners/1", "/runners?limit=x", "/accounts/x/explain"):
        answer = as_script.get(f"/api/v1{address}")
        assert answer.status_code >= 400
        assert [error.message for error in validator.iter_errors(answer.json())] == []
        assert answer.json()["status"] == answer.status_code


@pytest.mark.parametrize(
    ("method", "address", "status", "words"),
    [
        ("post", "/nothing", 404, "no such address"),
        ("put", "/runners", 405, "does not take the method"),
        ("post", "/views", 400, "Cannot parse request body"),
    ],
)
def test_errors_before_the_api_are_problems_too(
    as_script: Client, method: str, address: str, status: int, words: str
) -> None:
    send = getattr(as_script, method)
    answer = send(f"/api/v1{address}", b"{", content_type="application/json")
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_form_is_refused_with_a_problem(as_script: Client, acme: Account) -> None:
    headers = {"Idempotency-Key": "one"}
    for address in ("/views", f"/accounts/{acme.pk}/runners"):
        answer = as_script.post(f"/api/v1{address}", {"name": "x"}, headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (400, 400)
        assert "application/json" in answer.json()["detail"]


def test_the_documentation_page_loads_only_files_of_trackside(as_admin: Client) -> None:
    answer = as_admin.get("/api/v1/docs")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert DOCUMENT in page
    assert "https://" not in page
    assert "<style" not in page
    for part in page.split('src="')[1:]:
        assert finders.find(part.partition('"')[0].removeprefix("/static/"))
