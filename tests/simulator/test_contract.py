"""Every response is as GitHub describes it, in both API versions.

githubkit's generated models are checked everywhere. GitHub's own description is checked as well
where it lies beside this checkout: it is stricter about values and about the documented statuses.
"""

import re
import time
from typing import Any

import jwt
import pytest
import requests

from runners_app.simulator.api.routes import ROUTES
from tests.simulator import models, openapi
from tests.simulator.conftest import NEW_RUNNER, Caller, caller_of
from tests.simulator_handle import SimulatorHandle

described = pytest.mark.skipif(
    not openapi.FOLDER.exists(), reason="GitHub's description is not beside this checkout"
)


# Redirects of renamed organizations lead there.
UNDOCUMENTED = "GET /organizations/{}"


def without_names(operation: str) -> str:
    return re.sub(r"\{\w+\}", "{}", operation)


def simulated_operations() -> list[str]:
    """The simulator's routes as GitHub writes them: "GET /orgs/{org}/actions/hosted-runners"."""
    known = {without_names(operation): operation for operation in models.operations("2026-03-10")}
    routes = [operation_of(route) for route in ROUTES]
    return [known.get(route, route) for route in routes if route != UNDOCUMENTED]


def operation_of(route: Any) -> str:
    pattern = route.pattern.pattern.removesuffix("\\Z").replace("\\", "")
    return f"{route.method} " + re.sub(r"\(\?P<\w+>.*?\)(?=/|$)", "{}", pattern)


NEW_WEBHOOK = {"name": "web", "config": {"url": "http://127.0.0.1:9/", "content_type": "json"}}
PLACES = {
    "{org}": "acme",
    "{username}": "acme",
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
        "{network_configuration_id}": network_id(simulator, scope),
        "{repository_id}": str(repository_id(simulator)),
        "{org_id}": str(organization_id(simulator)),
    }
    places |= webhook_places(simulator, path) | run_places(simulator, path)
    for place, value in places.items():
        path = path.replace(place, value)
    assert "{" not in path
    return path


def webhook_places(simulator: SimulatorHandle, path: str) -> dict[str, str]:
    """A webhook with a delivery in its log: its ping, or for the App's, which has none, a job's."""
    if "{hook_id}" not in path and not path.startswith("/app/hook"):
        return {}
    if path.startswith("/app"):
        call, deliveries = caller_of(simulator, app_jwt(simulator)), "/app/hook/deliveries"
        call("PATCH", "/app/hook/config", json={"url": f"{simulator.base_url}/hook"})
        places = {}
    else:
        call = caller_of(simulator, simulator.account("acme").token)
        hook = call("POST", "/orgs/acme/hooks", json=NEW_WEBHOOK).json()
        deliveries, places = (
            f"/orgs/acme/hooks/{hook['id']}/deliveries",
            {"{hook_id}": str(hook["id"])},
        )
    if "{delivery_id}" not in path:
        return places

    add_run(simulator)
    for _ in range(100):
        if logged := call("GET", deliveries).json():
            return {**places, "{delivery_id}": str(logged[0]["id"])}
        time.sleep(0.1)
    raise AssertionError("No delivery was logged.")


def run_places(simulator: SimulatorHandle, path: str) -> dict[str, str]:
    """A workflow run of a repository of acme's."""
    if "{repo}" not in path:
        return {}
    job = add_run(simulator)
    owner, _, name = str(job["repository"]).rpartition("/")
    return {
        "{owner}": owner or "acme",
        "{repo}": name,
        "{run_id}": str(job["run_id"]),
        "{attempt_number}": "1",
        "{job_id}": str(job["id"]),
    }


def add_run(simulator: SimulatorHandle) -> dict[str, Any]:
    url = f"{simulator.base_url}/_simulator/jobs"
    added = requests.post(url, json={"runs": 1, "organization": "acme"}, timeout=10).json()["jobs"]
    jobs = requests.get(url, timeout=10).json()["jobs"]
    job: dict[str, Any] = next(job for job in jobs if job["id"] == added[0])
    time.sleep(max(0.0, job["created_on"] - time.time()) + 0.1)
    return job


def network_id(simulator: SimulatorHandle, scope: str) -> str:
    slug, settings = ("acme", "settings/") if scope == "orgs" else ("umbrella", "")
    path = f"/{scope}/{slug}/{settings}network-configurations"
    if scope not in ("orgs", "enterprises"):
        return ""
    listed = caller_of(simulator, simulator.account(slug).token)("GET", path).json()
    return str(listed["network_configurations"][0]["id"])


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
        "hooks": NEW_WEBHOOK,
        "{hook_id}": {"active": True},
        "config": {"url": "http://127.0.0.1:9/"},
        "pings": None,
        "attempts": None,
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


def respond(simulator: SimulatorHandle, operation: str, version: str) -> requests.Response:
    method, path = operation.split(" ")[0], concrete(simulator, operation)
    call = caller_of(simulator, token_for(simulator, path))
    body, headers = body_of(simulator, operation), {"X-GitHub-Api-Version": version}
    response = call(method, path, json=body, headers=headers)
    assert response.headers["X-GitHub-Api-Version-Selected"] == version
    return response


@pytest.mark.parametrize("version", models.VERSIONS)
def test_every_route_is_one_of_githubs_operations(version: str) -> None:
    assert set(simulated_operations()) <= set(models.operations(version))


@pytest.mark.parametrize("version", models.VERSIONS)
@pytest.mark.parametrize("operation", simulated_operations())
def test_a_response_matches_githubkits_model(
    simulator: SimulatorHandle, operation: str, version: str
) -> None:
    response = respond(simulator, operation, version)
    assert response.ok, response.text
    if not models.operations(version)[operation]:
        assert response.content == b"" or response.status_code == 202
    else:
        assert models.violations(version, operation, response.json()) == []


@described
@pytest.mark.parametrize("version", openapi.VERSIONS)
@pytest.mark.parametrize("operation", simulated_operations())
def test_a_response_matches_githubs_description(
    simulator: SimulatorHandle, operation: str, version: str
) -> None:
    method, path = operation.split(" ")
    if path not in openapi.read_description(version)["paths"]:
        pytest.skip("not in the description beside this checkout")
    responses = openapi.read_description(version)["paths"][path][method.lower()]["responses"]
    response = respond(simulator, operation, version)
    assert str(response.status_code) == next(iter(responses)), response.text
    pointer = openapi.answer_pointer(version, method, path, response.status_code)
    if pointer is None:
        assert response.content == b""
    else:
        assert openapi.violations(version, pointer, response.json()) == []


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


@described
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


@described
def test_the_static_ip_limit_is_refused_with_plain_strings(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.change_account("organization", "acme", static_ip_maximum=3)
    answer = acme("PATCH", "/orgs/acme/actions/hosted-runners/2", json={"enable_static_ip": True})
    described = {name: value for name, value in answer.json().items() if name != "status"}
    for version in openapi.VERSIONS:
        assert openapi.violations(version, f"/components/schemas/{SIMPLE}", described) == []
