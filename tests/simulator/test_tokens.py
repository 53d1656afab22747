"""Rights: the seeded tokens, each refused in its own way, and the primary rate limit."""

import time

import pytest
import requests

from tests.simulator.conftest import GROUPS, NEW_RUNNER, RUNNERS, Caller, caller_of
from tests.simulator_handle import SimulatorHandle

CUSTOM_IMAGES = f"{RUNNERS}/images/custom"


def with_token(simulator: SimulatorHandle, note: str) -> Caller:
    return caller_of(simulator, simulator.token(note))


@pytest.mark.parametrize("authorization", ["Bearer ghp_wrong", "Bearer", "Basic eDp5", "ghp_wrong"])
def test_a_wrong_credential_is_401(simulator: SimulatorHandle, authorization: str) -> None:
    answer = caller_of(simulator, None)("GET", RUNNERS, headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


def test_anonymous_requests_get_401_or_public_data(
    simulator: SimulatorHandle,
) -> None:
    nobody = caller_of(simulator, None)
    assert nobody("GET", RUNNERS).status_code == 401
    assert nobody("GET", "/orgs/acme").headers["X-RateLimit-Limit"] == "60"
    assert all(not repository["private"] for repository in nobody("GET", "/orgs/acme/repos").json())


def test_both_authorization_schemes_are_accepted(simulator: SimulatorHandle) -> None:
    headers = {"Authorization": f"token {simulator.account('acme').token}"}
    assert caller_of(simulator, None)("GET", RUNNERS, headers=headers).status_code == 200


def test_a_token_does_not_see_other_accounts(acme: Caller, umbrella: Caller) -> None:
    assert acme("GET", "/orgs/globex/actions/hosted-runners").status_code == 404
    assert acme("GET", "/enterprises/umbrella/actions/hosted-runners").status_code == 404
    assert umbrella("GET", RUNNERS).status_code == 404
    assert acme("GET", "/orgs/nobody/actions/hosted-runners").status_code == 404


def test_slugs_are_case_insensitive(acme: Caller) -> None:
    assert acme("GET", "/orgs/ACME/actions/hosted-runners").status_code == 200


def test_one_token_may_serve_many_organizations(simulator: SimulatorHandle) -> None:
    many = with_token(simulator, "many-organizations")
    assert [each["login"] for each in many("GET", "/user/orgs").json()] == [
        "acme",
        "globex",
        "initech",
    ]
    for slug in ("acme", "globex", "initech"):
        assert many("GET", f"/orgs/{slug}/actions/hosted-runners").status_code == 200


@pytest.mark.parametrize("note", ["expired", "revoked"])
def test_a_dead_token_is_401(simulator: SimulatorHandle, note: str) -> None:
    assert with_token(simulator, note)("GET", RUNNERS).status_code == 401


def test_a_token_that_will_expire_says_when(simulator: SimulatorHandle, acme: Caller) -> None:
    answer = with_token(simulator, "expiring")("GET", RUNNERS)
    assert answer.status_code == 200
    assert answer.headers["GitHub-Authentication-Token-Expiration"].endswith(" UTC")
    assert "GitHub-Authentication-Token-Expiration" not in acme("GET", RUNNERS).headers


@pytest.mark.parametrize("note", ["read-only", "no-scope"])
def test_a_refusal_names_the_classic_tokens_scopes_and_the_required_ones(
    simulator: SimulatorHandle, note: str
) -> None:
    answer = with_token(simulator, note)("GET", RUNNERS)
    assert answer.status_code == 403
    assert answer.headers["X-OAuth-Scopes"] == {"read-only": "read:org", "no-scope": "repo"}[note]
    assert answer.headers["X-Accepted-OAuth-Scopes"] == "admin:org, manage_runners:org"


def test_a_token_for_runners_only_does_not_reach_groups(simulator: SimulatorHandle) -> None:
    runners_only = with_token(simulator, "runners-only")
    assert runners_only("POST", RUNNERS, json=NEW_RUNNER).status_code == 201
    assert runners_only("GET", GROUPS).status_code == 403


def test_a_refusal_for_single_sign_on_has_a_link(simulator: SimulatorHandle) -> None:
    unauthorised = with_token(simulator, "sso-missing")
    answer = unauthorised("GET", RUNNERS)
    assert answer.status_code == 403
    assert answer.headers["X-GitHub-SSO"].startswith(
        "required; url=https://github.com/orgs/acme/sso?"
    )
    listed = unauthorised("GET", "/user/orgs")
    assert (listed.status_code, listed.json()) == (200, [])
    assert listed.headers["X-GitHub-SSO"].startswith("partial-results; organizations=")


def test_a_fine_grained_token_reads_and_writes_its_organization(simulator: SimulatorHandle) -> None:
    token = simulator.token("fine-grained")
    assert token.startswith("github_pat_")
    call = caller_of(simulator, token)
    answer = call("POST", RUNNERS, json=NEW_RUNNER)
    assert answer.status_code == 201
    assert answer.headers["X-Accepted-GitHub-Permissions"] == "organization_administration=write"
    assert "X-OAuth-Scopes" not in answer.headers


def test_a_read_only_fine_grained_token_does_not_write(simulator: SimulatorHandle) -> None:
    call = with_token(simulator, "fine-grained-read-only")
    assert call("GET", RUNNERS).status_code == 200
    answer = call("DELETE", f"{RUNNERS}/1")
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "Resource not accessible by personal access token",
    )


@pytest.mark.parametrize(
    ("note", "refused"),
    [
        ("fine-grained-without-administration", {RUNNERS}),
        ("fine-grained-without-self-hosted-runners", {GROUPS}),
        ("fine-grained-without-custom-images", {CUSTOM_IMAGES}),
    ],
)
def test_a_fine_grained_token_lacks_only_what_it_lacks(
    simulator: SimulatorHandle, note: str, refused: set[str]
) -> None:
    call = with_token(simulator, note)
    assert {
        path for path in (RUNNERS, GROUPS, CUSTOM_IMAGES) if call("GET", path).status_code == 403
    } == refused


def test_enterprises_take_classic_tokens_only(simulator: SimulatorHandle) -> None:
    path = "/enterprises/umbrella/actions/hosted-runners"
    assert with_token(simulator, "fine-grained")("GET", path).status_code == 403
    assert with_token(simulator, "enterprise-runners-only")("GET", path).status_code == 200
    assert with_token(simulator, "enterprise-read-only")("GET", path).status_code == 403


def test_the_plan_is_for_owners(simulator: SimulatorHandle, acme: Caller) -> None:
    assert acme("GET", "/orgs/acme").json()["plan"]["name"] == "enterprise"
    assert "plan" not in with_token(simulator, "read-only")("GET", "/orgs/acme").json()


def test_a_user_agent_is_required(simulator: SimulatorHandle) -> None:
    headers = {"Authorization": f"Bearer {simulator.account('acme').token}", "User-Agent": None}
    with requests.Session() as session:
        session.trust_env = False
        session.headers.clear()
        answer = session.get(
            f"{simulator.base_url}/user", headers={**headers, "User-Agent": b""}, timeout=5
        )
    assert answer.status_code == 403
    assert "User-Agent" in answer.text


def test_each_token_has_a_quota_of_its_own(simulator: SimulatorHandle, acme: Caller) -> None:
    first, second = acme("GET", RUNNERS), acme("GET", RUNNERS)
    assert [each.headers["X-RateLimit-Remaining"] for each in (first, second)] == ["4999", "4998"]
    assert 3590 < int(second.headers["X-RateLimit-Reset"]) - time.time() <= 3600
    other = with_token(simulator, "many-organizations")("GET", RUNNERS)
    assert other.headers["X-RateLimit-Remaining"] == "4999"


def test_a_spent_quota_is_403_until_it_is_reset(simulator: SimulatorHandle, acme: Caller) -> None:
    token = simulator.account("acme").token
    simulator.change_token(token, remaining=1, reset_in=600)
    assert acme("GET", RUNNERS).status_code == 200
    refused = acme("GET", RUNNERS)
    assert (refused.status_code, refused.headers["X-RateLimit-Remaining"]) == (403, "0")
    assert acme("GET", "/rate_limit").json()["resources"]["core"]["remaining"] == 0
    simulator.change_token(token, reset_in=-1)
    assert acme("GET", RUNNERS).headers["X-RateLimit-Remaining"] == "4999"


def test_reading_the_rate_limit_is_free_and_the_older_version_repeats_it(acme: Caller) -> None:
    old = acme("GET", "/rate_limit").json()
    new = acme("GET", "/rate_limit", headers={"X-GitHub-Api-Version": "2026-03-10"}).json()
    assert old["resources"]["core"]["used"] == new["resources"]["core"]["used"] == 0
    assert old["rate"] == old["resources"]["core"]
    assert "rate" not in new


def test_a_token_can_be_revoked_and_given_other_scopes(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    token = simulator.account("acme").token
    simulator.change_token(token, scopes=["repo"])
    assert acme("GET", RUNNERS).status_code == 403
    simulator.change_token(token, revoked=True)
    assert acme("GET", RUNNERS).status_code == 401


def test_a_renamed_organization_is_404(simulator: SimulatorHandle, acme: Caller) -> None:
    simulator.change_account("organization", "acme", renamed=True)
    assert acme("GET", RUNNERS).status_code == 404
    assert acme("GET", "/orgs/acme").status_code == 404
    assert acme("GET", "/user/orgs").json() == []
