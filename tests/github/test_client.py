"""Every call, over HTTP, for organizations and enterprises, in both versions of the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import pytest

from runners_app.github import (
    AnswerUnusable,
    AppAuth,
    BadCredentials,
    Conflict,
    Forbidden,
    GitHubClient,
    Invalid,
    KnownPage,
    NewHostedRunner,
    NotFound,
    Owner,
    Page,
    TokenAuth,
)
from tests.simulator_handle import SimulatorHandle, start_simulator

T = TypeVar("T")
Connect = Callable[..., GitHubClient]

ACME = Owner("organization", "acme")
UMBRELLA = Owner("enterprise", "umbrella")


@pytest.fixture(params=[ACME, UMBRELLA], ids=["organization", "enterprise"])
def owner(request: pytest.FixtureRequest) -> Owner:
    found: Owner = request.param
    return found


@pytest.fixture(params=["2026-03-10", "2022-11-28"])
def client(
    request: pytest.FixtureRequest, simulator: SimulatorHandle, owner: Owner, connect: Connect
) -> GitHubClient:
    token = simulator.account(owner.slug).token
    return connect(simulator.base_url, auth=TokenAuth(token), api_version=request.param)


def all_items(pages: Iterable[Page[T]]) -> list[T]:
    return [item for page in pages for item in page.items or ()]


def new_runner(**fields: Any) -> NewHostedRunner:
    defaults: dict[str, Any] = {
        "name": "brand-new",
        "image_id": "2306",
        "size": "4-core",
        "runner_group_id": 1,
    }
    return NewHostedRunner(**(defaults | fields))


# Runners


def test_list_hosted_runners(client: GitHubClient, owner: Owner) -> None:
    (page,) = client.list_hosted_runners(owner)
    assert page.items
    assert len(page.items) == page.total_count == 30
    runner = next(runner for runner in page.items if runner.name == "linux-8core-ci")
    assert runner.image
    assert (runner.image.id, runner.size.cpu_cores, runner.group_id, runner.static_ip) == (
        "2306",
        8,
        1,
        True,
    )
    assert page.meta.rate_limit
    assert page.meta.oauth_scopes
    assert page.meta.request_id


def test_list_hosted_runners_goes_through_all_pages(client: GitHubClient, owner: Owner) -> None:
    pages = list(client.list_hosted_runners(owner, per_page=7))
    assert [len(page.items or ()) for page in pages] == [7, 7, 7, 7, 2]
    assert len({runner.id for runner in all_items(pages)}) == 30


def test_an_unchanged_list_costs_nothing(client: GitHubClient, owner: Owner) -> None:
    before = list(client.list_hosted_runners(owner, per_page=10))
    kept = {
        page.url: KnownPage(page.etag, page.body_sha256, page.next_url, page.total_count)
        for page in before
    }
    after = list(client.list_hosted_runners(owner, known=kept.get, per_page=10))
    assert [(page.url, page.items, page.not_modified) for page in after] == [
        (page.url, None, True) for page in before
    ]
    limits = [
        page.meta.rate_limit.remaining for page in (before[-1], after[-1]) if page.meta.rate_limit
    ]
    assert limits[0] == limits[1]


def test_a_changed_runner_changes_only_its_page(
    client: GitHubClient, owner: Owner, simulator: SimulatorHandle
) -> None:
    before = list(client.list_hosted_runners(owner, per_page=10))
    kept = {
        page.url: KnownPage(page.etag, page.body_sha256, page.next_url, page.total_count)
        for page in before
    }
    changed = (before[1].items or ())[0]
    simulator.change_runner(owner.kind, owner.slug, changed.id, maximum_runners=77)
    after = list(client.list_hosted_runners(owner, known=kept.get, per_page=10))
    assert [page.items is None for page in after] == [True, False, True]
    assert {runner.id: runner.maximum_runners for runner in all_items(after)}[changed.id] == 77


def test_create_get_and_delete_hosted_runner(
    client: GitHubClient, owner: Owner, simulator: SimulatorHandle
) -> None:
    created = client.create_hosted_runner(owner, new_runner(maximum_runners=12)).data
    assert (created.name, created.status, created.maximum_runners) == (
        "brand-new",
        "Provisioning",
        12,
    )
    assert client.get_hosted_runner(owner, created.id).data == created
    simulator.advance(3600)
    assert client.get_hosted_runner(owner, created.id).data.status == "Ready"
    deleted = client.delete_hosted_runner(owner, created.id)
    assert deleted.meta.status == 202
    assert deleted.data
    assert deleted.data.status == "Deleting"
    simulator.advance(3600)
    with pytest.raises(NotFound):
        client.get_hosted_runner(owner, created.id)


def test_create_a_hosted_runner_of_a_custom_image(client: GitHubClient, owner: Owner) -> None:
    image = next(
        image
        for image in all_items(client.list_custom_images(owner))
        if image.name == "golden-linux"
    )
    new = new_runner(
        image_id=str(image.id), image_source="custom", image_version="1.2.0", size="16-core"
    )
    created = client.create_hosted_runner(owner, new).data
    assert created.image
    assert (created.image.id, created.image.source, created.image.version) == (
        str(image.id),
        "custom",
        "1.2.0",
    )


def test_update_hosted_runner_sends_only_what_changes(
    client: GitHubClient, owner: Owner, simulator: SimulatorHandle
) -> None:
    runner = client.create_hosted_runner(owner, new_runner()).data
    simulator.clear_requests()
    updated = client.update_hosted_runner(
        owner, runner.id, {"maximum_runners": 3, "name": "renamed"}
    ).data
    assert (updated.maximum_runners, updated.name, updated.size) == (3, "renamed", runner.size)
    (sent,) = simulator.requests("PATCH")
    assert sent["body"] == {"maximum_runners": 3, "name": "renamed"}


def test_update_hosted_runner_takes_only_what_github_can_change(
    client: GitHubClient, owner: Owner
) -> None:
    with pytest.raises(ValueError, match="platform, status"):
        client.update_hosted_runner(
            owner, 1, {"name": "x", "status": "Ready", "platform": "linux-x64"}
        )


def test_get_hosted_runner_limits(client: GitHubClient, owner: Owner) -> None:
    (limits,) = client.get_hosted_runner_limits(owner).items or ()
    assert limits.maximum
    assert limits.current_usage
    assert limits.maximum >= limits.current_usage


def test_list_machine_sizes_and_platforms(client: GitHubClient, owner: Owner) -> None:
    sizes = {size.id: size for size in all_items(client.list_machine_sizes(owner))}
    assert sizes["4-core"].memory_gb == 16
    assert {"linux-x64", "win-x64"} <= set(all_items(client.list_platforms(owner)))


# Images


def test_list_curated_images(client: GitHubClient, owner: Owner) -> None:
    (own,) = client.list_github_owned_images(owner)
    (partners,) = client.list_partner_images(owner)
    assert {image.source for image in own.items or ()} == {"github"}
    assert {image.source for image in partners.items or ()} == {"partner"}
    assert own.total_count == len(own.items or ())


def test_unpaged_lists_are_read_again_only_when_they_changed(
    client: GitHubClient, owner: Owner
) -> None:
    (before,) = client.list_github_owned_images(owner)
    kept = KnownPage(before.etag, before.body_sha256, before.next_url, before.total_count)
    (after,) = client.list_github_owned_images(
        owner, known=lambda url: kept if url == before.url else None
    )
    assert after.items is None
    assert after.total_count == before.total_count


def test_custom_images_and_their_versions(client: GitHubClient, owner: Owner) -> None:
    images = all_items(client.list_custom_images(owner))
    golden = next(image for image in images if image.name == "golden-windows")
    assert client.get_custom_image(owner, golden.id).data == golden
    versions = all_items(client.list_custom_image_versions(owner, golden.id))
    assert len(versions) == golden.versions_count
    assert (
        client.get_custom_image_version(owner, golden.id, versions[0].version).data == versions[0]
    )
    assert versions[0].created_on


def test_delete_custom_images_and_versions(client: GitHubClient, owner: Owner) -> None:
    image = next(
        image
        for image in all_items(client.list_custom_images(owner))
        if image.name == "golden-windows"
    )
    assert client.delete_custom_image_version(owner, image.id, "1.0.0").meta.status == 204
    with pytest.raises(NotFound):
        client.get_custom_image_version(owner, image.id, "1.0.0")
    assert client.delete_custom_image(owner, image.id).data is None
    with pytest.raises(NotFound):
        client.get_custom_image(owner, image.id)


# Groups


def test_runner_groups(client: GitHubClient, owner: Owner) -> None:
    (page,) = client.list_runner_groups(owner)
    groups = page.items or ()
    assert page.total_count == len(groups)
    assert [group.name for group in groups if group.default] == ["Default"]
    assert any(group.inherited for group in groups) is (owner.kind == "organization")
    assert client.get_runner_group(owner, groups[-1].id).data == groups[-1]


# The credential


def test_get_rate_limit(client: GitHubClient) -> None:
    limit = client.get_rate_limit().data
    assert (limit.limit, limit.resource) == (5000, "core")
    assert limit.remaining + limit.used == limit.limit


@pytest.mark.parametrize(
    "body", [{}, {"resources": {"core": {"limit": 5000}}}, {"resources": []}], ids=str
)
def test_a_rate_limit_that_says_nothing_cannot_be_used(
    simulator: SimulatorHandle, connect: Connect, body: dict[str, Any]
) -> None:
    simulator.add_fault("GET", "/rate_limit", "status", status=200, body=body)
    with pytest.raises(AnswerUnusable, match="limit is missing"):
        connect(simulator.base_url).get_rate_limit()


def test_get_organization(simulator: SimulatorHandle, connect: Connect) -> None:
    client = connect(simulator.base_url, auth=TokenAuth(simulator.account("acme").token))
    organization = client.get_organization(ACME).data
    assert organization.login == "acme"
    assert organization.id
    with pytest.raises(ValueError, match="organizations"):
        client.get_organization(UMBRELLA)


def test_an_app_finds_its_installations_and_mints_tokens(
    simulator: SimulatorHandle, connect: Connect
) -> None:
    app = simulator.app()
    client = connect(simulator.base_url, auth=AppAuth(app["client_id"], app["pem"]))
    assert client.get_app().data.id == app["app_id"]
    installations = {
        each.account: each for each in all_items(client.list_installations(per_page=1))
    }
    assert installations["acme"].target_type == "Organization"
    token = client.create_installation_access_token(installations["acme"].id).data
    assert token.expires_at
    assert token.permissions["organization_administration"] == "write"
    minted = connect(simulator.base_url, auth=TokenAuth(token.token))
    assert all_items(minted.list_hosted_runners(ACME))


def test_an_app_with_another_key_is_refused(simulator: SimulatorHandle, connect: Connect) -> None:
    client = connect(simulator.base_url, auth=AppAuth("1", simulator.app()["pem"]))
    with pytest.raises(BadCredentials):
        client.get_app()


# A server of one's own


@pytest.fixture(scope="module")
def enterprise_server() -> Iterator[SimulatorHandle]:
    with start_simulator("--runners", "20", "--prefix", "/api/v3", "--enterprise-server") as handle:
        yield handle


@pytest.mark.processes
def test_a_server_of_ones_own_answers_under_its_path(
    enterprise_server: SimulatorHandle, connect: Connect
) -> None:
    client = connect(
        enterprise_server.base_url + "/", auth=TokenAuth(enterprise_server.account("acme").token)
    )
    assert len(all_items(client.list_runner_groups(ACME, per_page=1))) > 1
    for missing in (lambda: all_items(client.list_hosted_runners(ACME)), client.get_rate_limit):
        with pytest.raises(NotFound):
            missing()


# Refusals by rules


def test_a_name_that_is_taken_is_refused_at_its_field(client: GitHubClient, owner: Owner) -> None:
    with pytest.raises((Invalid, Conflict)) as caught:
        client.create_hosted_runner(owner, new_runner(name="linux-8core-ci"))
    assert ("name", "already_exists") in [
        (error.field, error.code) for error in caught.value.errors
    ]
    assert not caught.value.may_have_applied


@pytest.mark.parametrize(
    "fields",
    [{"name": "with space"}, {"runner_group_id": 999}, {"maximum_runners": 0}, {"size": "no-core"}],
    ids=str,
)
def test_what_breaks_a_rule_is_refused_at_its_field(
    simulator: SimulatorHandle, connect: Connect, fields: dict[str, Any]
) -> None:
    client = connect(simulator.base_url, auth=TokenAuth(simulator.account("acme").token))
    with pytest.raises(Invalid) as caught:
        client.create_hosted_runner(ACME, new_runner(**fields))
    assert set(fields) == {error.field for error in caught.value.errors}


@pytest.mark.parametrize(
    ("note", "expected"), [("revoked", BadCredentials), ("expired", BadCredentials)]
)
def test_a_dead_token_is_refused(
    simulator: SimulatorHandle, connect: Connect, note: str, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        list(
            connect(simulator.base_url, auth=TokenAuth(simulator.token(note))).list_hosted_runners(
                ACME
            )
        )


def test_a_token_without_the_scope_learns_which_it_needs(
    simulator: SimulatorHandle, connect: Connect
) -> None:
    with pytest.raises(Forbidden) as caught:
        connect(
            simulator.base_url, auth=TokenAuth(simulator.token("no-scope"))
        ).get_hosted_runner_limits(ACME)
    assert caught.value.scopes == ("repo",)
    assert caught.value.accepted_scopes
    assert "manage_runners:org" in caught.value.accepted_scopes


def test_a_token_without_the_permission_learns_which_it_needs(
    simulator: SimulatorHandle, connect: Connect
) -> None:
    auth = TokenAuth(simulator.token("fine-grained-read-only"))
    with pytest.raises(Forbidden) as caught:
        connect(simulator.base_url, auth=auth).create_hosted_runner(ACME, new_runner())
    assert caught.value.accepted_permissions == "organization_administration=write"


def test_a_token_without_sso_learns_where_to_get_it(
    simulator: SimulatorHandle, connect: Connect
) -> None:
    with pytest.raises(Forbidden) as caught:
        connect(
            simulator.base_url, auth=TokenAuth(simulator.token("sso-missing"))
        ).get_hosted_runner_limits(ACME)
    assert caught.value.sso_url
    assert caught.value.sso_url.startswith("https://github.com/orgs/acme/sso")


def test_the_end_of_a_token_is_told(simulator: SimulatorHandle, connect: Connect) -> None:
    client = connect(simulator.base_url, auth=TokenAuth(simulator.token("expiring")))
    assert client.get_hosted_runner_limits(ACME).meta.token_expires_at


def test_another_accounts_things_are_not_found(
    simulator: SimulatorHandle, connect: Connect
) -> None:
    client = connect(simulator.base_url, auth=TokenAuth(simulator.account("globex").token))
    with pytest.raises(NotFound):
        client.get_hosted_runner_limits(ACME)
