"""Runner groups: their rules, who may use them, and an enterprise's groups in its organizations."""

from typing import Any

import pytest

from tests.simulator.conftest import GROUPS, NEW_RUNNER, RUNNERS, Caller, caller_of, problems
from tests.simulator_handle import SimulatorHandle

ENTERPRISE_GROUPS = "/enterprises/umbrella/actions/runner-groups"
WORKFLOW = "acme/api/.github/workflows/deploy.yaml@refs/heads/main"


def names(call: Caller, path: str = GROUPS, **query: str) -> list[str]:
    return [group["name"] for group in call("GET", path, params=query).json()["runner_groups"]]


def repositories(acme: Caller, kind: str = "private") -> list[int]:
    return [each["id"] for each in acme("GET", "/orgs/acme/repos", params={"type": kind}).json()]


def organization_id(simulator: SimulatorHandle, slug: str) -> int:
    return int(caller_of(simulator, None)("GET", f"/orgs/{slug}").json()["id"])


def test_a_group_is_created_changed_and_deleted(acme: Caller) -> None:
    body = {"name": "fresh", "visibility": "private", "allows_public_repositories": True}
    created = acme("POST", GROUPS, json=body)
    assert created.status_code == 201
    assert {name: created.json()[name] for name in body} == body
    path = f"{GROUPS}/{created.json()['id']}"
    changed = acme("PATCH", path, json={"name": "fresher", "visibility": "selected"}).json()
    assert (changed["name"], changed["visibility"]) == ("fresher", "selected")
    assert changed["selected_repositories_url"].endswith(f"{path}/repositories")
    assert acme("DELETE", path).status_code == 204
    assert acme("GET", path).status_code == 404


def test_an_organizations_update_needs_the_name_and_an_enterprises_does_not(
    acme: Caller, umbrella: Caller
) -> None:
    assert acme("PATCH", f"{GROUPS}/5", json={"visibility": "all"}).status_code == 422
    assert (
        umbrella("PATCH", f"{ENTERPRISE_GROUPS}/4", json={"visibility": "all"}).status_code == 200
    )


@pytest.mark.parametrize(
    "name", ["sandbox", "Sandbox", "enterprise-gpu"], ids=["own", "other case", "enterprise's"]
)
def test_it_refuses_a_name_that_is_taken(acme: Caller, name: str) -> None:
    assert problems(acme("POST", GROUPS, json={"name": name})) == {("name", "already_exists")}
    assert problems(acme("PATCH", f"{GROUPS}/2", json={"name": name})) == {
        ("name", "already_exists")
    }


def test_an_enterprises_group_is_for_all_or_selected_organizations_only(umbrella: Caller) -> None:
    assert (
        umbrella("POST", ENTERPRISE_GROUPS, json={"name": "x", "visibility": "private"}).status_code
        == 422
    )


@pytest.mark.parametrize(
    "workflow", ["acme/api/.github/workflows/deploy.yaml", "deploy.yaml@main", ""]
)
def test_it_refuses_a_workflow_without_ref_or_path(acme: Caller, workflow: str) -> None:
    body = {"name": "x", "restricted_to_workflows": True, "selected_workflows": [workflow]}
    assert problems(acme("POST", GROUPS, json=body)) == {("selected_workflows", "invalid")}


def test_workflows_are_returned_in_another_order(acme: Caller) -> None:
    workflows = [WORKFLOW.replace("deploy", f"deploy-{number}") for number in range(8)]
    created = acme("POST", GROUPS, json={"name": "x", "selected_workflows": workflows}).json()
    listed = acme("GET", GROUPS).json()["runner_groups"][-1]
    assert created["selected_workflows"] != workflows
    assert listed["selected_workflows"] != created["selected_workflows"]
    assert set(listed["selected_workflows"]) == set(workflows)


def test_the_default_group_is_not_deleted(acme: Caller) -> None:
    assert acme("DELETE", f"{GROUPS}/1").status_code == 422


def test_a_group_with_runners_in_it_is_not_deleted(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    assert acme("DELETE", f"{GROUPS}/3").status_code == 422
    for runner in acme("GET", f"{GROUPS}/3/hosted-runners").json()["runners"]:
        acme("DELETE", f"{RUNNERS}/{runner['id']}")
    assert acme("DELETE", f"{GROUPS}/3").status_code == 422
    simulator.advance(61)
    assert acme("DELETE", f"{GROUPS}/3").status_code == 204


def test_a_group_with_self_hosted_runners_in_it_is_not_deleted(acme: Caller) -> None:
    acme("PUT", f"{GROUPS}/5/runners/2")
    assert acme("DELETE", f"{GROUPS}/5").status_code == 422
    assert acme("DELETE", f"{GROUPS}/5/runners/2").status_code == 204
    assert acme("DELETE", f"{GROUPS}/5").status_code == 204


def test_a_groups_larger_runners_are_those_with_its_id(acme: Caller) -> None:
    acme("POST", RUNNERS, json={**NEW_RUNNER, "runner_group_id": 5})
    assert [
        runner["name"] for runner in acme("GET", f"{GROUPS}/5/hosted-runners").json()["runners"]
    ] == ["new-runner"]


def test_self_hosted_runners_are_set_as_a_whole(acme: Caller) -> None:
    def inside(group_id: int) -> list[int]:
        return [
            runner["id"] for runner in acme("GET", f"{GROUPS}/{group_id}/runners").json()["runners"]
        ]

    assert (inside(1), inside(2)) == ([1, 2, 3], [4])
    assert acme("PUT", f"{GROUPS}/2/runners", json={"runners": [2, 3]}).status_code == 204
    assert (inside(1), inside(2)) == ([1, 4], [2, 3])


def test_repositories_are_set_added_and_removed(acme: Caller) -> None:
    first, second, third = repositories(acme)[:3]

    def allowed() -> list[int]:
        return [
            each["id"] for each in acme("GET", f"{GROUPS}/2/repositories").json()["repositories"]
        ]

    assert (
        acme(
            "PUT", f"{GROUPS}/2/repositories", json={"selected_repository_ids": [first, second]}
        ).status_code
        == 204
    )
    assert sorted(allowed()) == sorted([first, second])
    assert acme("PUT", f"{GROUPS}/2/repositories/{third}").status_code == 204
    assert acme("DELETE", f"{GROUPS}/2/repositories/{first}").status_code == 204
    assert sorted(allowed()) == sorted([second, third])


def test_repositories_are_set_only_for_groups_with_selected_visibility(acme: Caller) -> None:
    repository = repositories(acme)[0]
    body = {"selected_repository_ids": [repository]}
    assert acme("PUT", f"{GROUPS}/1/repositories", json=body).status_code == 409
    assert acme("PUT", f"{GROUPS}/1/repositories/{repository}").status_code == 409
    assert (
        acme("PUT", f"{GROUPS}/1/repositories", json={"selected_repository_ids": []}).status_code
        == 204
    )


def test_a_public_repository_is_taken_by_a_group_that_does_not_allow_them(acme: Caller) -> None:
    public = repositories(acme, "public")[0]
    assert not acme("GET", f"{GROUPS}/2").json()["allows_public_repositories"]
    assert acme("PUT", f"{GROUPS}/2/repositories/{public}").status_code == 204
    listed = acme("GET", f"{GROUPS}/2/repositories").json()["repositories"]
    assert public in [repository["id"] for repository in listed]
    assert "production-deploys" not in names(acme, visible_to_repository="docs")


def test_an_unknown_repository_is_refused(acme: Caller) -> None:
    assert (
        acme("PUT", f"{GROUPS}/2/repositories", json={"selected_repository_ids": [5]}).status_code
        == 422
    )
    assert acme("PUT", f"{GROUPS}/2/repositories/5").status_code == 404


def test_groups_are_filtered_by_the_repository_that_may_use_them(acme: Caller) -> None:
    assert names(acme, visible_to_repository="docs") == ["open-source"]
    visible = names(acme, visible_to_repository="api")
    assert "production-deploys" in visible
    assert "gpu-research" not in visible


def test_an_enterprises_groups_appear_in_its_organizations_under_other_ids(
    acme: Caller, umbrella: Caller
) -> None:
    inherited = {
        group["name"]: group
        for group in acme("GET", GROUPS).json()["runner_groups"]
        if group["inherited"]
    }
    own = {
        group["name"]: group for group in umbrella("GET", ENTERPRISE_GROUPS).json()["runner_groups"]
    }
    assert set(inherited) == {"enterprise-shared", "enterprise-security"}
    assert inherited["enterprise-shared"]["id"] != own["enterprise-shared"]["id"]
    assert inherited["enterprise-security"]["workflow_restrictions_read_only"]
    assert inherited["enterprise-security"]["restricted_to_workflows"]


def test_the_name_of_an_inherited_group_is_changed_by_the_enterprise_alone(
    acme: Caller, umbrella: Caller
) -> None:
    assert acme("PATCH", f"{GROUPS}/6", json={"name": "mine"}).status_code == 422
    assert acme("DELETE", f"{GROUPS}/6").status_code == 422
    assert acme("PUT", f"{GROUPS}/6/runners/2").status_code == 422
    umbrella("PATCH", f"{ENTERPRISE_GROUPS}/2", json={"name": "shared-by-all"})
    assert "shared-by-all" in names(acme)


def test_no_repository_uses_an_inherited_group_until_an_owner_says_so(
    acme: Caller, umbrella: Caller
) -> None:
    umbrella("POST", ENTERPRISE_GROUPS, json={"name": "fresh"})
    listed = acme("GET", GROUPS).json()["runner_groups"]
    fresh = next(group for group in listed if group["name"] == "fresh")
    path = f"{GROUPS}/{fresh['id']}"
    assert fresh["visibility"] == "selected"
    assert acme("GET", f"{path}/repositories").json()["total_count"] == 0
    body = {"name": "fresh", "visibility": "all", "allows_public_repositories": True}
    changed = acme("PATCH", path, json=body)
    assert changed.status_code == 200
    assert {name: changed.json()[name] for name in body} == body
    assert not umbrella("GET", ENTERPRISE_GROUPS).json()["runner_groups"][-1][
        "allows_public_repositories"
    ]


def test_workflows_restricted_by_the_enterprise_cannot_be_changed(acme: Caller) -> None:
    listed = acme("GET", GROUPS).json()["runner_groups"]
    security = next(group for group in listed if group["name"] == "enterprise-security")
    body = {"name": "enterprise-security", "restricted_to_workflows": False}
    assert acme("PATCH", f"{GROUPS}/{security['id']}", json=body).status_code == 422
    shared = next(group for group in listed if group["name"] == "enterprise-shared")
    body = {
        "name": "enterprise-shared",
        "restricted_to_workflows": True,
        "selected_workflows": [WORKFLOW],
    }
    changed = acme("PATCH", f"{GROUPS}/{shared['id']}", json=body).json()
    assert (changed["restricted_to_workflows"], changed["selected_workflows"]) == (True, [WORKFLOW])
    assert not changed["workflow_restrictions_read_only"]


def test_the_own_default_group_is_edited_beside_the_enterprises(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.change_account("enterprise", "umbrella", shares_default=True)
    defaults = [
        group for group in acme("GET", GROUPS).json()["runner_groups"] if group["name"] == "Default"
    ]
    assert [(group["default"], group["inherited"]) for group in defaults] == [
        (True, False),
        (False, True),
    ]
    body = {"name": "Default", "visibility": "private"}
    changed = acme("PATCH", f"{GROUPS}/{defaults[0]['id']}", json=body)
    assert (changed.status_code, changed.json()["visibility"]) == (200, "private")


def test_a_group_names_its_network_configuration(acme: Caller) -> None:
    networks = acme("GET", "/orgs/acme/settings/network-configurations").json()
    used = acme("GET", f"{GROUPS}/2").json()["network_configuration_id"]
    assert used in [network["id"] for network in networks["network_configurations"]]
    path = f"/orgs/acme/settings/network-configurations/{used}"
    assert acme("GET", path).json()["name"] == "private-eu-west"
    assert acme("GET", "/orgs/acme/settings/network-configurations/none").status_code == 404


def test_an_organization_says_which_of_its_repositories_use_an_inherited_group(
    acme: Caller,
) -> None:
    security = next(
        group
        for group in acme("GET", GROUPS).json()["runner_groups"]
        if group["name"] == "enterprise-security"
    )
    assert (
        acme("PUT", f"{GROUPS}/{security['id']}/repositories/{repositories(acme)[0]}").status_code
        == 204
    )


def test_organizations_gain_and_lose_inherited_groups(
    simulator: SimulatorHandle, umbrella: Caller
) -> None:
    globex = caller_of(simulator, simulator.account("globex").token)
    path, groups = f"{ENTERPRISE_GROUPS}/4/organizations", "/orgs/globex/actions/runner-groups"
    organization = organization_id(simulator, "globex")
    assert (
        umbrella("PUT", path, json={"selected_organization_ids": [organization]}).status_code == 204
    )
    assert "enterprise-gpu" in names(globex, groups)
    assert names(umbrella, ENTERPRISE_GROUPS, visible_to_organization="globex") == [
        "Default",
        "enterprise-shared",
        "enterprise-gpu",
    ]
    assert umbrella("DELETE", f"{path}/{organization}").status_code == 204
    assert "enterprise-gpu" not in names(globex, groups)


def test_an_organization_outside_the_enterprise_cannot_be_added(
    simulator: SimulatorHandle, umbrella: Caller
) -> None:
    outsider = organization_id(simulator, "initech")
    assert umbrella("PUT", f"{ENTERPRISE_GROUPS}/4/organizations/{outsider}").status_code == 404
    initech = caller_of(simulator, simulator.account("initech").token)
    groups = initech("GET", "/orgs/initech/actions/runner-groups").json()["runner_groups"]
    assert not any(group["inherited"] for group in groups)


@pytest.mark.parametrize(
    "body", [{"visibility": "some"}, {"selected_workflows": "x"}, {"runners": ["1"]}]
)
def test_it_refuses_a_wrong_type(acme: Caller, body: dict[str, Any]) -> None:
    assert acme("POST", GROUPS, json={"name": "x", **body}).status_code == 422


def test_a_self_hosted_runner_is_found_by_name_and_deleted(acme: Caller) -> None:
    machines = "/orgs/acme/actions/runners"
    found = acme("GET", machines, params={"name": "onprem-rack-02"}).json()
    assert [machine["id"] for machine in found["runners"]] == [2]
    assert acme("DELETE", f"{machines}/2").status_code == 204
    assert acme("GET", f"{machines}/2").status_code == 404
