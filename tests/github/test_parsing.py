"""GitHub's things from its JSON, in every shape it ever had."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from runners_app.github import (
    CuratedImage,
    CustomImage,
    HostedRunner,
    ImageVersion,
    Limits,
    MachineSize,
    NewHostedRunner,
    Owner,
    PublicIP,
    RunnerImage,
    parsing,
)
from runners_app.github.values import Unreadable

RUNNER = {"id": 5, "name": "linux-4core"}


def test_a_runner_is_read_whole(examples: dict[str, Any]) -> None:
    sent = examples["operations"]["GET /orgs/{org}/actions/hosted-runners/{hosted_runner_id}"][
        "response"
    ]
    assert parsing.hosted_runner(sent) == HostedRunner(
        id=5,
        name="linux-4core",
        group_id=2,
        image=RunnerImage("2306", "Ubuntu Latest (24.04)", "github", 86, "latest"),
        size=MachineSize("4-core", 4, 16, 150),
        status="Ready",
        platform="linux-x64",
        maximum_runners=10,
        static_ip=True,
        public_ips=(PublicIP(enabled=True, prefix="203.0.113.16", length=28),),
        last_active_on=datetime(2026, 10, 9, 23, 39, 1, tzinfo=UTC),
        image_gen=False,
    )


@pytest.mark.parametrize(
    ("fields", "image"),
    [
        ({"image_details": None}, None),
        ({}, None),
        ({"image_details": None, "image": None}, None),
        (
            {"image": {"id": "ubuntu-20.04", "size": 86}},
            RunnerImage("ubuntu-20.04", "ubuntu-20.04", "", 86),
        ),
        (
            {"image": {"id": "7", "source": "custom", "version": "1.3.0"}},
            RunnerImage("7", "7", "custom", None, "1.3.0"),
        ),
        ({"image_details": {"id": 2306, "display_name": 24.04}}, RunnerImage("2306", "24.04")),
        ({"image_details": {"display_name": "Nameless"}}, RunnerImage("", "Nameless")),
        ({"image_details": "ubuntu"}, None),
    ],
)
def test_a_runners_image_is_read_in_every_shape(
    fields: dict[str, object], image: RunnerImage | None
) -> None:
    assert parsing.hosted_runner(RUNNER | fields).image == image


def test_a_runner_with_nothing_but_an_id_is_a_runner() -> None:
    runner = parsing.hosted_runner({"id": 2**53 + 1})
    assert runner.id == 2**53 + 1
    assert (runner.name, runner.status, runner.platform) == ("", "", "")
    assert (runner.group_id, runner.image, runner.maximum_runners, runner.last_active_on) == (
        None,
        None,
        None,
        None,
    )
    assert runner.size == MachineSize("")
    assert not runner.static_ip
    assert runner.public_ips == ()


def test_an_unknown_status_is_kept_as_it_is() -> None:
    assert parsing.hosted_runner(RUNNER | {"status": "Hibernating"}).status == "Hibernating"


def test_wrong_types_become_defaults() -> None:
    runner = parsing.hosted_runner(
        {
            "id": 5,
            "name": 404,
            "runner_group_id": "2",
            "machine_size_details": [],
            "status": None,
            "maximum_runners": "10",
            "public_ip_enabled": "yes",
            "public_ips": [None, 7, {"enabled": 1, "prefix": None, "length": "28"}],
            "last_active_on": 1_700_000_000,
            "image_gen": 1,
            "something_new": {"deep": [1]},
        }
    )
    assert runner.name == "404"
    assert (runner.group_id, runner.maximum_runners, runner.last_active_on) == (None, None, None)
    assert (runner.static_ip, runner.image_gen) == (False, False)
    assert runner.public_ips == (PublicIP(enabled=False, prefix="", length=None),)


@pytest.mark.parametrize(
    "parse",
    [parsing.hosted_runner, parsing.custom_image, parsing.runner_group, parsing.organization],
)
@pytest.mark.parametrize(
    "sent", [None, [], "x", 5, {}, {"id": None}, {"id": "5"}, {"id": True}, {"id": 2**63}]
)
def test_what_has_no_usable_id_is_unreadable(
    parse: Callable[[object], object], sent: object
) -> None:
    with pytest.raises(Unreadable):
        parse(sent)


@pytest.mark.parametrize(
    "parse", [parsing.curated_image, parsing.machine_size, parsing.image_version]
)
@pytest.mark.parametrize("sent", [None, {}, {"id": "", "version": ""}, {"id": [], "version": {}}])
def test_what_has_no_usable_name_is_unreadable(
    parse: Callable[[object], object], sent: object
) -> None:
    with pytest.raises(Unreadable):
        parse(sent)


def test_images_sizes_and_limits_are_read() -> None:
    assert parsing.curated_image(
        {
            "id": "1101",
            "platform": "linux-arm64",
            "size_gb": 64,
            "display_name": "Ubuntu by Arm",
            "source": "partner",
        }
    ) == CuratedImage("1101", "linux-arm64", 64, "Ubuntu by Arm", "partner")
    assert parsing.custom_image(
        {
            "id": 1,
            "platform": "linux-x64",
            "name": "CustomImage",
            "source": "custom",
            "versions_count": 4,
            "total_versions_size": 200,
            "latest_version": "1.3.0",
            "state": "Ready",
        }
    ) == CustomImage(1, "linux-x64", "CustomImage", "custom", 4, 200, "1.3.0", "Ready")
    assert parsing.image_version(
        {"version": "1.1.0", "state": "Ready", "size_gb": 75, "created_on": "2024-11-09T23:39:01Z"}
    ) == ImageVersion("1.1.0", "Ready", 75, datetime(2024, 11, 9, 23, 39, 1, tzinfo=UTC), "")
    assert parsing.limits({"public_ips": {"maximum": 10, "current_usage": 2}}) == Limits(10, 2)
    assert parsing.limits({}) == Limits(None, None)


def test_the_workflows_of_a_group_come_in_one_order() -> None:
    flows = ["o/r/.github/workflows/b.yaml@main", "o/r/.github/workflows/a.yaml@main", None, 7]
    one = parsing.runner_group({"id": 1, "selected_workflows": flows})
    other = parsing.runner_group({"id": 1, "selected_workflows": flows[::-1]})
    assert one == other
    assert one.selected_workflows == ("7", flows[1], flows[0])


def test_a_group_of_an_enterprise_is_not_inherited() -> None:
    group = parsing.runner_group(
        {"id": 1.0, "name": "Default", "visibility": "all", "default": True}
    )
    assert (
        group.id,
        group.default,
        group.inherited,
        group.inherited_allows_public_repositories,
    ) == (
        1,
        True,
        False,
        None,
    )


def test_an_enterprise_is_named_by_its_slug_in_an_installation() -> None:
    installation = parsing.installation(
        {"id": 3, "account": {"slug": "octo-corp"}, "target_type": "Enterprise"}
    )
    assert (installation.account, installation.target_type) == ("octo-corp", "Enterprise")


def test_a_long_installation_token_is_not_cut_and_not_shown() -> None:
    sent = {"token": "ghs_" + "x" * 520, "expires_at": "2026-10-21T12:00:00Z"}
    token = parsing.installation_token(sent)
    assert token.token == sent["token"]
    assert "xxx" not in f"{token!r} {token}"


@pytest.mark.parametrize("token", [None, "", 7, "with space", "line\nbreak", "nul\x00", "ümlaut"])
def test_an_installation_token_that_could_not_be_sent_is_unreadable(token: object) -> None:
    with pytest.raises(Unreadable):
        parsing.installation_token({"token": token})


PARSERS: dict[str, Callable[[object], object]] = {
    "runners": parsing.hosted_runner,
    "runner_groups": parsing.runner_group,
    "image_versions": parsing.image_version,
    "machine_specs": parsing.machine_size,
    "platforms": parsing.platform,
}


def test_every_example_of_ours_is_read(examples: dict[str, Any]) -> None:
    read = 0
    for operation, sent in examples["operations"].items():
        response = sent["response"]
        if "hosted-runners" not in operation and not operation.endswith("actions/runner-groups"):
            continue
        for key, listed in (response if isinstance(response, dict) else {}).items():
            images = (
                parsing.custom_image if operation.endswith("/custom") else parsing.curated_image
            )
            if isinstance(listed, list) and key != "public_ips":
                for item in listed:
                    assert PARSERS.get(key, images)(item)
                    read += 1
        if isinstance(response, dict) and "machine_size_details" in response:
            assert parsing.hosted_runner(response).image
            read += 1
    assert read >= 40


# What is asked for


def test_a_new_runner_is_written_as_github_describes_it(examples: dict[str, Any]) -> None:
    new = NewHostedRunner(
        name="linux-4core",
        image_id="2306",
        size="4-core",
        runner_group_id=2,
        maximum_runners=10,
        enable_static_ip=True,
    )
    assert (
        new.body()
        == examples["operations"]["POST /orgs/{org}/actions/hosted-runners"]["request_body"]
    )


def test_a_custom_image_is_asked_for_with_its_version() -> None:
    new = NewHostedRunner(
        name="x",
        image_id="1",
        image_source="custom",
        image_version="1.3.0",
        size="4-core",
        runner_group_id=1,
        image_gen=True,
    )
    assert new.body()["image"] == {"id": "1", "source": "custom", "version": "1.3.0"}
    assert new.body()["image_gen"] is True
    assert "maximum_runners" not in new.body()


@pytest.mark.parametrize(
    ("owner", "path"),
    [
        (Owner("organization", "octo-org"), "/orgs/octo-org"),
        (Owner("enterprise", "octo-corp"), "/enterprises/octo-corp"),
        (Owner("organization", "a/../b?c#d"), "/orgs/a%2F..%2Fb%3Fc%23d"),
    ],
)
def test_an_owner_knows_its_path(owner: Owner, path: str) -> None:
    assert owner.path == path


@pytest.mark.parametrize("slug", ["", ".", ".."])
def test_a_slug_that_would_be_another_path_is_refused(slug: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Owner("organization", slug)


def test_an_owner_is_of_one_of_two_kinds() -> None:
    with pytest.raises(ValueError, match="neither"):
        Owner("user", "octocat")  # type: ignore[arg-type]
