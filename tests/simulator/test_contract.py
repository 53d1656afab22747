"""Every answer is what GitHub's own description of its API says, in both versions."""

import re
import time
from typing import Any

import jwt
import pytest

from runners_app.simulator.api.routes import ROUTES
from tests.simulator import openapi
from tests.simulator.conftest import NEW_RUNNER, Caller, caller_of
from tests.simulator_handle import SimulatorHandle

pytestmark = pytest.mark.skipif(
    not openapi.FOLDER.exists(), reason="GitHub's description is not beside this checkout"
)

NOT_SIMULATED = (
    r"network-configurations|network-settings|settings/billing|"
    r"/enterprises/\{enterprise\}/installation|"
    r"(POST|PUT|DELETE) /orgs/\{org\}/actions/runners/\{runner_id\}/labels"
)
NOT_DESCRIBED_HERE = {"/user"}


def described_operations() -> list[str]:
    if not openapi.FOLDER.exists():
        return []
    paths = openapi.read_description(openapi.VERSIONS[0])["paths"]
    operations = [
        f"{method.upper()} {path}" for path, methods in paths.items() for method in methods
    ]
    return [operation for operation in operations if not re.search(NOT_SIMULATED, operation)]


PLACES = {
    "{org}": "acme",
    "{enterprise}": "umbrella",
    "{hosted_runner_id}": "1",
    "{image_definition_id}": "3",
    "{version}": "1.0.0",
    "{runner_id}": "2",
    "{installation_id}": "90001",
}
# Groups in which the operation is possible: open to selected ones, empty, with a self-hosted
# runner.
GROUP = {"orgs": "2", "enterprises": "3"}
EMPTY_GROUP = {"orgs": "5", "enterprises": "4"}


def concrete(simulator: SimulatorHandle, operation: str) -> str:
    _, path = operation.split(" ")
    scope = path.split("/")[1]
    group = (
        EMPTY_GROUP
        if operation.startswith("DELETE") and path.endswith("{runner_group_id}")
        else GROUP
    )
    places = {**PLACES, "{runner_group_id}": group.get(scope, "")}
    if operation.startswith("DELETE") and "runner-groups" in path and path.endswith("{runner_id}"):
        places |= {"{runner_id}": "4", "{runner_group_id}": "2"}
    places |= {
        "{repository_id}": str(repository_id(simulator)),
        "{org_id}": str(organization_id(simulator)),
    }
    for place, value in places.items():
        path = path.replace(place, value)
    assert "{" not in path
    return path


def repository_id(simulator: SimulatorHandle) -> int:
    acme = caller_of(simulator, simulator.account("acme").token)
    return int(acme("GET", "/orgs/acme/repos", params={"type": "private"}).json()[0]["id"])


def organization_id(simulator: SimulatorHandle) -> int:
    return int(caller_of(simulator, None)("GET", "/orgs/acme").json()["id"])


def body_of(simulator: SimulatorHandle, operation: str) -> Any:
    method, path = operation.split(" ")
    if method in ("GET", "DELETE") or (path.endswith("_id}") and method == "PUT"):
        return None
    last = path.rpartition("/")[2]
    return {
        "hosted-runners": NEW_RUNNER,
        "{hosted_runner_id}": {"maximum_runners": 3, "enable_static_ip": True},
        "runner-groups": {
            "name": "new-group",
            "visibility": "selected",
            "allows_public_repositories": True,
        },
        "{runner_group_id}": {
            "name": "renamed-group",
            "visibility": "selected",
            "restricted_to_workflows": False,
        },
        "repositories": {"selected_repository_ids": [repository_id(simulator)]},
        "organizations": {"selected_organization_ids": [organization_id(simulator)]},
        "runners": {"runners": [2]},
        "access_tokens": {"repository_ids": [repository_id(simulator)]},
    }[last]


def app_jwt(simulator: SimulatorHandle) -> str:
    app, now = simulator.app(), int(time.time())
    return jwt.encode(
        {"iat": now - 60, "exp": now + 300, "iss": app["client_id"]}, app["pem"], algorithm="RS256"
    )


def token_for(simulator: SimulatorHandle, path: str) -> str:
    if path == "/installation/repositories":
        minted = caller_of(simulator, app_jwt(simulator))(
            "POST", "/app/installations/90001/access_tokens"
        )
        return str(minted.json()["token"])
    if path.startswith("/app") or path.endswith("/installation"):
        return app_jwt(simulator)
    return simulator.account("umbrella" if path.startswith("/enterprises") else "acme").token


@pytest.mark.parametrize("version", openapi.VERSIONS)
@pytest.mark.parametrize("operation", described_operations())
def test_a_response_matches_githubs_description(
    simulator: SimulatorHandle, operation: str, version: str
) -> None:
    method, described_path = operation.split(" ")
    path = concrete(simulator, operation)
    call = caller_of(simulator, token_for(simulator, path))
    body, headers = body_of(simulator, operation), {"X-GitHub-Api-Version": version}
    answer = call(method, path, json=body, headers=headers)
    documented = openapi.read_description(version)["paths"][described_path][method.lower()][
        "responses"
    ]
    assert str(answer.status_code) == next(iter(documented)), answer.text
    assert answer.headers["X-GitHub-Api-Version-Selected"] == version
    pointer = openapi.answer_pointer(version, method, described_path, answer.status_code)
    if pointer is None:
        assert answer.content == b""
    else:
        assert openapi.violations(version, pointer, answer.json()) == []


def test_every_route_is_in_githubs_description() -> None:
    named = [*described_operations(), *openapi.insight_operations()]
    described = {re.sub(r"\{\w+\}", "{}", operation) for operation in named}
    for route in ROUTES:
        path = (
            re.sub(r"\(\?P<\w+>.*?\)(?=/|\\Z)", "{}", route.pattern.pattern)
            .removesuffix("\\Z")
            .replace("\\", "")
        )
        assert path in NOT_DESCRIBED_HERE or f"{route.method} {path}" in described


BASIC, VALIDATION, SIMPLE = "basic-error", "validation-error", "validation-error-simple"
REFUSALS = [
    ("unreadable JSON", 400, BASIC, ("POST", "/orgs/acme/actions/hosted-runners", {"data": b"{"})),
    ("a list for a body", 400, BASIC, ("POST", "/orgs/acme/actions/hosted-runners", {"json": []})),
    (
        "an unknown version",
        400,
        BASIC,
        ("GET", "/user", {"headers": {"X-GitHub-Api-Version": "2021-01-01"}}),
    ),
    (
        "a wrong token",
        401,
        BASIC,
        ("GET", "/user", {"headers": {"Authorization": "Bearer ghp_wrong"}}),
    ),
    ("an unknown runner", 404, BASIC, ("GET", "/orgs/acme/actions/hosted-runners/999", {})),
    ("labels of no machine", 404, BASIC, ("GET", "/orgs/acme/actions/runners/999/labels", {})),
    (
        "an image in use",
        409,
        BASIC,
        ("DELETE", "/orgs/acme/actions/hosted-runners/images/custom/1", {}),
    ),
    (
        "a missing field",
        422,
        BASIC,
        ("POST", "/orgs/acme/actions/hosted-runners", {"json": {"name": "x"}}),
    ),
    (
        "broken rules",
        422,
        VALIDATION,
        ("PATCH", "/orgs/acme/actions/hosted-runners/1", {"json": {"name": "a b"}}),
    ),
    ("a busy machine", 422, SIMPLE, ("DELETE", "/orgs/acme/actions/runners/1", {})),
]


@pytest.mark.parametrize("version", openapi.VERSIONS)
@pytest.mark.parametrize(
    ("status", "schema", "request_"),
    [each[1:] for each in REFUSALS],
    ids=[each[0] for each in REFUSALS],
)
def test_a_refusal_matches_githubs_description(
    acme: Caller, version: str, status: int, schema: str, request_: tuple[str, str, dict[str, Any]]
) -> None:
    method, path, options = request_
    answer = acme(method, path, **options)
    assert answer.status_code == status
    described = answer.json()
    if schema != BASIC:
        described.pop("status")  # GitHub sends it; its description of these two forgets it
    assert openapi.violations(version, f"/components/schemas/{schema}", described) == []


def test_the_static_ip_limit_is_refused_with_plain_strings(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.change_account("organization", "acme", static_ip_maximum=3)
    answer = acme("PATCH", "/orgs/acme/actions/hosted-runners/2", json={"enable_static_ip": True})
    described = {name: value for name, value in answer.json().items() if name != "status"}
    for version in openapi.VERSIONS:
        assert openapi.violations(version, f"/components/schemas/{SIMPLE}", described) == []
