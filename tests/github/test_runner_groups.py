"""Every call about runner groups, who may use them and what is in them, held against GitHub's
description.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

from runners_app.github import (
    Conflict,
    GitHubClient,
    Invalid,
    NewRunnerGroup,
    NotFound,
    Owner,
    Page,
    RunnerGroup,
    TokenAuth,
)
from tests.simulator import openapi
from tests.simulator_handle import SimulatorHandle

T = TypeVar("T")
Connect = Callable[..., GitHubClient]
ACME = Owner("organization", "acme")
UMBRELLA = Owner("enterprise", "umbrella")


@pytest.fixture(params=[ACME, UMBRELLA], ids=["organization", "enterprise"])
def owner(request: pytest.FixtureRequest) -> Owner:
    found: Owner = request.param
    return found


@pytest.fixture(params=openapi.VERSIONS)
def connected(
    request: pytest.FixtureRequest, simulator: SimulatorHandle, connect: Connect
) -> Callable[..., Any]:
    def to(owner: Owner) -> GitHubClient:
        auth = TokenAuth(simulator.account(owner.slug).token)
        return connect(simulator.base_url, auth=auth, api_version=request.param)

    return to


@pytest.fixture
def client(connected: Callable[[Owner], GitHubClient], owner: Owner) -> GitHubClient:
    return connected(owner)


@pytest.fixture
def of_acme(connected: Callable[[Owner], GitHubClient]) -> GitHubClient:
    return connected(ACME)


@pytest.fixture
def of_umbrella(connected: Callable[[Owner], GitHubClient]) -> GitHubClient:
    return connected(UMBRELLA)


def all_items(pages: Iterable[Page[T]]) -> list[T]:
    return [item for page in pages for item in page.items or ()]


def named(client: GitHubClient, owner: Owner, name: str) -> RunnerGroup:
    return next(
        group for group in all_items(client.list_runner_groups(owner)) if group.name == name
    )


def settings_of(group: RunnerGroup, **changes: Any) -> dict[str, Any]:
    """All flags of a group, as an update sends them."""
    return {
        "name": group.name,
        "visibility": group.visibility,
        "allows_public_repositories": group.allows_public_repositories,
        "restricted_to_workflows": group.restricted_to_workflows,
        "selected_workflows": list(group.selected_workflows),
    } | changes


# Groups


def test_groups_are_listed_page_by_page(client: GitHubClient, owner: Owner) -> None:
    whole = all_items(client.list_runner_groups(owner))
    assert all_items(client.list_runner_groups(owner, per_page=2)) == whole
    assert client.get_runner_group(owner, whole[-1].id).data == whole[-1]


def test_a_repository_is_told_which_groups_it_may_use(of_acme: GitHubClient) -> None:
    repositories = all_items(of_acme.list_organization_repositories(ACME))
    public = next(repository for repository in repositories if not repository.private)
    private = next(repository for repository in repositories if repository.private)
    for_public = {
        group.name
        for group in all_items(of_acme.list_runner_groups(ACME, visible_to_repository=public.name))
    }
    assert "open-source" in for_public
    assert "sandbox" not in for_public
    found = all_items(
        of_acme.list_runner_groups(ACME, visible_to_repository=private.name, per_page=1)
    )
    assert "sandbox" in {group.name for group in found}


def test_an_organization_is_told_which_groups_it_may_use(of_umbrella: GitHubClient) -> None:
    found = all_items(of_umbrella.list_runner_groups(UMBRELLA, visible_to_organization="acme"))
    assert {group.name for group in found} == {
        "Default",
        "enterprise-shared",
        "enterprise-security",
    }


def test_the_filter_of_the_other_kind_of_account_is_a_mistake(
    simulator: SimulatorHandle, connect: Connect
) -> None:
    client = connect(simulator.base_url)
    with pytest.raises(ValueError, match="organization has no visible_to_organization"):
        client.list_runner_groups(ACME, visible_to_organization="acme")
    with pytest.raises(ValueError, match="enterprise has no visible_to_repository"):
        client.list_runner_groups(UMBRELLA, visible_to_repository="web")


def test_a_group_is_created_changed_and_deleted(client: GitHubClient, owner: Owner) -> None:
    workflow = "acme/web/.github/workflows/deploy.yaml@refs/heads/main"
    new = NewRunnerGroup(
        name="deployments",
        visibility="selected",
        allows_public_repositories=True,
        restricted_to_workflows=True,
        selected_workflows=(workflow,),
        network_configuration_id="EC486D5D",
    )
    created = client.create_runner_group(owner, new).data
    assert (created.name, created.visibility, created.allows_public_repositories) == (
        "deployments",
        "selected",
        True,
    )
    assert (created.selected_workflows, created.network_configuration_id) == (
        (workflow,),
        "EC486D5D",
    )
    changes = settings_of(
        created, name="releases", restricted_to_workflows=False, network_configuration_id=None
    )
    changed = client.update_runner_group(owner, created.id, changes).data
    assert (changed.id, changed.name, changed.restricted_to_workflows) == (
        created.id,
        "releases",
        False,
    )
    assert changed.network_configuration_id is None
    assert client.delete_runner_group(owner, created.id).meta.status == 204
    with pytest.raises(NotFound):
        client.get_runner_group(owner, created.id)


def test_an_update_takes_only_what_github_can_change(
    simulator: SimulatorHandle, connect: Connect
) -> None:
    client = connect(simulator.base_url)
    with pytest.raises(ValueError, match="inherited"):
        client.update_runner_group(ACME, 1, {"name": "x", "inherited": True})
    with pytest.raises(ValueError, match="name with every change"):
        client.update_runner_group(ACME, 1, {"visibility": "all"})


@pytest.mark.parametrize("name", ["Default", "enterprise-shared"])
def test_a_taken_name_is_refused_at_its_field(of_acme: GitHubClient, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        of_acme.create_runner_group(ACME, NewRunnerGroup(name=name))
    assert [(error.field, error.code) for error in caught.value.errors] == [
        ("name", "already_exists")
    ]


def test_the_default_group_and_one_with_runners_are_not_deleted(
    client: GitHubClient, owner: Owner
) -> None:
    runners = all_items(client.list_hosted_runners(owner))
    used = {runner.group_id for runner in runners}
    default = named(client, owner, "Default")
    with pytest.raises(Invalid, match="default"):
        client.delete_runner_group(owner, default.id)
    with pytest.raises(Invalid, match="runners in it"):
        client.delete_runner_group(owner, next(id_ for id_ in used if id_ and id_ != default.id))


def test_a_workflow_without_a_ref_is_refused_at_its_field(of_acme: GitHubClient) -> None:
    new = NewRunnerGroup(
        name="x",
        restricted_to_workflows=True,
        selected_workflows=("acme/web/.github/workflows/a.yml",),
    )
    with pytest.raises(Invalid) as caught:
        of_acme.create_runner_group(ACME, new)
    assert [error.field for error in caught.value.errors] == ["selected_workflows"]


# Who may use a group


def test_repositories_of_a_group_are_set_added_and_removed(of_acme: GitHubClient) -> None:
    group = named(of_acme, ACME, "gpu-research")
    repositories = [
        each for each in all_items(of_acme.list_organization_repositories(ACME)) if each.private
    ]
    first, second, third = repositories[:3]
    of_acme.set_repositories_with_access(ACME, group.id, [second.id, first.id, second.id])
    assert all_items(of_acme.list_repositories_with_access(ACME, group.id, per_page=1)) == sorted(
        [first, second], key=lambda each: each.id
    )
    of_acme.add_repository_with_access(ACME, group.id, third.id)
    of_acme.remove_repository_with_access(ACME, group.id, first.id)
    with_access = {
        each.id for each in all_items(of_acme.list_repositories_with_access(ACME, group.id))
    }
    assert with_access == {second.id, third.id}


def test_organizations_of_a_group_are_set_added_and_removed(of_umbrella: GitHubClient) -> None:
    group = named(of_umbrella, UMBRELLA, "enterprise-security")
    (acme,) = all_items(of_umbrella.list_organizations_with_access(UMBRELLA, group.id))
    assert acme.login == "acme"
    of_umbrella.remove_organization_with_access(UMBRELLA, group.id, acme.id)
    assert all_items(of_umbrella.list_organizations_with_access(UMBRELLA, group.id)) == []
    of_umbrella.add_organization_with_access(UMBRELLA, group.id, acme.id)
    of_umbrella.set_organizations_with_access(UMBRELLA, group.id, [acme.id])
    assert all_items(of_umbrella.list_organizations_with_access(UMBRELLA, group.id)) == [acme]


def test_a_list_is_refused_where_the_visibility_is_not_selected(of_acme: GitHubClient) -> None:
    repository = all_items(of_acme.list_organization_repositories(ACME))[0]
    with pytest.raises(Conflict, match="must be selected"):
        of_acme.add_repository_with_access(ACME, named(of_acme, ACME, "Default").id, repository.id)


def test_a_public_repository_may_be_listed_where_its_jobs_are_refused(
    of_acme: GitHubClient,
) -> None:
    public = next(
        each for each in all_items(of_acme.list_organization_repositories(ACME)) if not each.private
    )
    group = named(of_acme, ACME, "gpu-research")
    assert not group.allows_public_repositories
    of_acme.set_repositories_with_access(ACME, group.id, [public.id])
    assert all_items(of_acme.list_repositories_with_access(ACME, group.id)) == [public]


def test_an_unchanged_access_list_costs_nothing(of_acme: GitHubClient) -> None:
    group = named(of_acme, ACME, "gpu-research")
    (before,) = of_acme.list_repositories_with_access(ACME, group.id)
    assert before.etag


def test_each_kind_of_account_has_its_own_lists(
    simulator: SimulatorHandle, connect: Connect
) -> None:
    client = connect(simulator.base_url)
    for call in (client.list_repositories_with_access, client.list_hosted_runners_in_group):
        with pytest.raises(ValueError, match=r"[Oo]rganization"):
            call(UMBRELLA, 1)
    with pytest.raises(ValueError, match="enterprise"):
        client.list_organizations_with_access(ACME, 1)
    with pytest.raises(ValueError, match="organization"):
        client.list_organization_repositories(UMBRELLA)


# What is in a group


def test_larger_runners_in_a_group_and_those_an_enterprise_shares(
    of_acme: GitHubClient, of_umbrella: GitHubClient
) -> None:
    default = named(of_acme, ACME, "Default")
    expected = {
        each.id
        for each in all_items(of_acme.list_hosted_runners(ACME))
        if each.group_id == default.id
    }
    assert {
        each.id for each in all_items(of_acme.list_hosted_runners_in_group(ACME, default.id))
    } == expected
    shared = named(of_acme, ACME, "enterprise-shared")
    own = named(of_umbrella, UMBRELLA, "enterprise-shared")
    assert shared.inherited
    names = {each.name for each in all_items(of_acme.list_hosted_runners_in_group(ACME, shared.id))}
    all_of_umbrella = all_items(of_umbrella.list_hosted_runners(UMBRELLA))
    assert names == {each.name for each in all_of_umbrella if each.group_id == own.id}


def test_self_hosted_runners_are_listed_with_their_labels(
    client: GitHubClient, owner: Owner
) -> None:
    runners = all_items(client.list_self_hosted_runners(owner, per_page=3))
    rack = next(runner for runner in runners if runner.name == "onprem-rack-01")
    assert (rack.os, rack.status, rack.busy, rack.group_id) == ("linux", "online", True, 1)
    assert {(label.name, label.type) for label in rack.labels} >= {
        ("self-hosted", "read-only"),
        ("onprem", "custom"),
    }
    assert client.get_self_hosted_runner(owner, rack.id).data == rack
    assert all_items(client.list_self_hosted_runners(owner, name="onprem-rack-01")) == [rack]


def test_self_hosted_runners_move_between_groups(client: GitHubClient, owner: Owner) -> None:
    default = named(client, owner, "Default")
    target = client.create_runner_group(owner, NewRunnerGroup(name="racks", runners=(2,))).data

    def inside() -> set[int]:
        return {
            each.id
            for each in all_items(client.list_self_hosted_runners_in_group(owner, target.id))
        }

    assert inside() == {2}
    client.set_self_hosted_runners_in_group(owner, target.id, [3])
    client.add_self_hosted_runner_to_group(owner, target.id, 4)
    assert inside() == {3, 4}
    client.remove_self_hosted_runner_from_group(owner, target.id, 4)
    assert inside() == {3}
    assert client.get_self_hosted_runner(owner, 4).data.group_id == default.id


def test_a_self_hosted_runner_is_deleted_unless_it_is_busy(
    client: GitHubClient, owner: Owner
) -> None:
    client.delete_self_hosted_runner(owner, 2)
    with pytest.raises(NotFound):
        client.get_self_hosted_runner(owner, 2)
    with pytest.raises(Invalid, match="running a job"):
        client.delete_self_hosted_runner(owner, 1)


# GitHub's description


def every_call(organization: GitHubClient, enterprise: GitHubClient) -> None:
    """Each operation once, at least."""
    for client, owner in ((organization, ACME), (enterprise, UMBRELLA)):
        group = client.create_runner_group(
            owner, NewRunnerGroup(name="temporary", visibility="selected")
        ).data
        client.update_runner_group(owner, group.id, settings_of(group, name="passing"))
        all_items(client.list_runner_groups(owner))
        client.get_runner_group(owner, group.id)
        all_items(client.list_self_hosted_runners(owner))
        client.get_self_hosted_runner(owner, 2)
        client.set_self_hosted_runners_in_group(owner, group.id, [2])
        client.add_self_hosted_runner_to_group(owner, group.id, 3)
        all_items(client.list_self_hosted_runners_in_group(owner, group.id))
        for runner_id in (2, 3):
            client.remove_self_hosted_runner_from_group(owner, group.id, runner_id)
        if owner == ACME:
            member = next(
                each.id
                for each in all_items(client.list_organization_repositories(owner))
                if each.private
            )
            client.set_repositories_with_access(owner, group.id, [member])
            client.add_repository_with_access(owner, group.id, member)
            client.remove_repository_with_access(owner, group.id, member)
            all_items(client.list_repositories_with_access(owner, group.id))
            all_items(client.list_hosted_runners_in_group(owner, group.id))
        else:
            member = all_items(
                client.list_organizations_with_access(
                    owner, named(client, owner, "enterprise-security").id
                )
            )[0].id
            client.set_organizations_with_access(owner, group.id, [member])
            client.add_organization_with_access(owner, group.id, member)
            client.remove_organization_with_access(owner, group.id, member)
        client.delete_runner_group(owner, group.id)
        client.delete_self_hosted_runner(owner, 2)


@pytest.mark.skipif(
    not openapi.FOLDER.exists(), reason="GitHub's description is not beside this checkout"
)
def test_every_operation_is_called_as_github_describes_it(
    of_acme: GitHubClient, of_umbrella: GitHubClient, simulator: SimulatorHandle
) -> None:
    described = _described_operations()
    simulator.clear_requests()
    every_call(of_acme, of_umbrella)
    called = set()
    for request in simulator.requests():
        operation = next((each for each in described if _is(each, request)), None)
        assert operation, f"GitHub describes no {request['method']} {request['path']}"
        assert set(request["query"]) <= described[operation][0]
        assert _violations(operation, described[operation][1], request["body"]) == []
        assert request["status"] < 300
        called.add(operation)
    assert {f"{method} {path}" for method, path in described} - {
        f"{method} {path}" for method, path in called
    } == set()


def _described_operations() -> dict[tuple[str, str], tuple[set[str], Any]]:
    """(method, path) → names of its query and schema of its body; labels of self-hosted runners are
    left out.
    """
    description = openapi.read_description(openapi.VERSIONS[-1])
    found = {}
    for path, methods in description["paths"].items():
        if (
            not re.search(r"/runner-groups|/actions/runners|/orgs/\{org\}/repos$", path)
            or "labels" in path
        ):
            continue
        for method, operation in methods.items():
            parameters = [_resolved(description, each) for each in operation.get("parameters", [])]
            query = {each["name"] for each in parameters if each["in"] == "query"}
            body = (
                operation.get("requestBody", {})
                .get("content", {})
                .get("application/json", {})
                .get("schema")
            )
            found[(method.upper(), path)] = (query, body)
    return found


def _resolved(description: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: dict[str, Any] = description["components"]["parameters"][node["$ref"].rpartition("/")[2]]
    return found


def _is(operation: tuple[str, str], request: dict[str, Any]) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation[1]))
    return operation[0] == request["method"] and re.fullmatch(pattern, request["path"]) is not None


def _violations(operation: tuple[str, str], schema: Any, body: Any) -> list[str]:
    if schema is None:
        return [] if body is None else [f"{operation} takes no body"]
    path = (
        operation[1].replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
    )
    pointer = f"/paths/{path}/{operation[0].lower()}/requestBody/content/application~1json/schema"
    return openapi.violations(openapi.VERSIONS[-1], pointer, body)
