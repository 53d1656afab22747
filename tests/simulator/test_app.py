"""The GitHub App: its JWT, its installations and their tokens."""

import time
from typing import Any

import jwt
import pytest

from tests.simulator.conftest import GROUPS, RUNNERS, Caller, caller_of
from tests.simulator_handle import SimulatorHandle

TOKENS = "/app/installations/90001/access_tokens"


def signed(simulator: SimulatorHandle, **claims: Any) -> str:
    app, now = simulator.app(), int(time.time())
    wanted = {"iat": now - 60, "exp": now + 540, "iss": str(app["app_id"]), **claims}
    return jwt.encode(
        {name: value for name, value in wanted.items() if value is not None}, app["pem"], "RS256"
    )


@pytest.fixture
def as_app(simulator: SimulatorHandle) -> Caller:
    return caller_of(simulator, signed(simulator))


def minted(
    simulator: SimulatorHandle, as_app: Caller, **body: Any
) -> tuple[dict[str, Any], Caller]:
    answer = as_app("POST", TOKENS, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json(), caller_of(simulator, answer.json()["token"])


def test_the_app_names_itself_by_id_or_client_id(
    simulator: SimulatorHandle, as_app: Caller
) -> None:
    assert as_app("GET", "/app").json()["client_id"] == simulator.app()["client_id"]
    by_client_id = caller_of(simulator, signed(simulator, iss=simulator.app()["client_id"]))
    assert by_client_id("GET", "/app").status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": 9_999_999_999},
        {"iat": 9_999_999_998},
        {"iss": "someone"},
        {"exp": None},
        {"iss": None},
    ],
    ids=[
        "expired",
        "too long",
        "from the future",
        "of another app",
        "without end",
        "without issuer",
    ],
)
def test_a_wrong_jwt_is_401(simulator: SimulatorHandle, claims: dict[str, Any]) -> None:
    assert caller_of(simulator, signed(simulator, **claims))("GET", "/app").status_code == 401


def test_a_jwt_of_another_algorithm_or_a_token_is_401(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    forged = jwt.encode({"iss": "4242", "iat": 1, "exp": int(time.time()) + 60}, "x" * 32, "HS256")
    assert caller_of(simulator, forged)("GET", "/app").status_code == 401
    assert acme("GET", "/app").status_code == 401
    assert caller_of(simulator, None)("GET", "/app").status_code == 401


def test_a_jwt_does_not_open_an_organization(as_app: Caller) -> None:
    assert as_app("GET", RUNNERS).status_code == 401


def test_the_app_has_an_installation_for_each_organization(as_app: Caller) -> None:
    installed = as_app("GET", "/app/installations").json()
    assert {each["account"]["login"]: each["id"] for each in installed} == {
        "acme": 90001,
        "globex": 90002,
        "initech": 90003,
    }
    assert as_app("GET", "/orgs/globex/installation").json()["id"] == 90002
    assert as_app("GET", "/app/installations/1").status_code == 404


def test_an_installation_token_is_long_and_valid_for_one_organization(
    simulator: SimulatorHandle, as_app: Caller
) -> None:
    answer, call = minted(simulator, as_app)
    assert answer["token"].startswith("ghs_")
    assert len(answer["token"]) == 520
    assert call("GET", RUNNERS).headers["X-RateLimit-Limit"] == "15000"
    assert call("GET", "/orgs/globex/actions/hosted-runners").status_code == 404
    assert call("GET", "/enterprises/umbrella/actions/hosted-runners").status_code == 403
    assert call("GET", "/user/orgs").status_code == 403
    assert call("GET", "/user").status_code == 403


def test_a_token_in_the_older_format_can_be_requested(as_app: Caller) -> None:
    answer = as_app("POST", TOKENS, headers={"X-GitHub-Stateless-S2S-Token": "disabled"})
    assert len(answer.json()["token"]) == 40


def test_an_installation_token_expires_after_an_hour(
    simulator: SimulatorHandle, as_app: Caller
) -> None:
    answer, call = minted(simulator, as_app)
    simulator.change_token(answer["token"], expires_in=-1)
    assert call("GET", RUNNERS).status_code == 401


def test_tokens_of_one_installation_share_its_quota(
    simulator: SimulatorHandle, as_app: Caller
) -> None:
    for expected in ("14999", "14998"):
        _, call = minted(simulator, as_app)
        assert call("GET", RUNNERS).headers["X-RateLimit-Remaining"] == expected


def test_a_restricted_token_has_only_the_requested_permissions(
    simulator: SimulatorHandle, as_app: Caller
) -> None:
    answer, call = minted(simulator, as_app, permissions={"organization_administration": "read"})
    assert answer["permissions"] == {"organization_administration": "read", "metadata": "read"}
    assert call("GET", RUNNERS).status_code == 200
    refused = call("GET", GROUPS)
    assert (refused.status_code, refused.json()["message"]) == (
        403,
        "Resource not accessible by integration",
    )
    assert (
        refused.headers["X-Accepted-GitHub-Permissions"] == "organization_self_hosted_runners=read"
    )


def test_permissions_that_the_app_lacks_are_refused(as_app: Caller) -> None:
    assert as_app("POST", TOKENS, json={"permissions": {"members": "write"}}).status_code == 422
    assert as_app("POST", TOKENS, json={"repositories": ["not-there"]}).status_code == 422


def test_a_token_for_some_repositories_sees_only_those(
    simulator: SimulatorHandle, as_app: Caller
) -> None:
    answer, call = minted(simulator, as_app, repositories=["api", "docs"])
    assert answer["repository_selection"] == "selected"
    seen = call("GET", "/installation/repositories").json()
    assert {repository["name"] for repository in seen["repositories"]} == {"api", "docs"}


def test_a_suspended_installation_is_refused_and_an_uninstalled_one_not_found(
    simulator: SimulatorHandle, as_app: Caller
) -> None:
    _, call = minted(simulator, as_app)
    simulator.change_installation(90001, suspended=True)
    assert call("GET", RUNNERS).status_code == 403
    assert as_app("POST", TOKENS).status_code == 403
    simulator.change_installation(90001, suspended=False)
    assert call("GET", RUNNERS).status_code == 200
    simulator.delete_installation(90001)
    assert call("GET", RUNNERS).status_code == 401
    assert as_app("POST", TOKENS).status_code == 404
    assert as_app("GET", "/orgs/acme/installation").status_code == 404
