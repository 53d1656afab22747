"""The rules and the life cycle of larger runners."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.simulator.conftest import NEW_RUNNER, RUNNERS, Caller, problems
from tests.simulator_handle import SimulatorHandle

UMBRELLA_RUNNERS = "/enterprises/umbrella/actions/hosted-runners"


def new(**fields: Any) -> dict[str, Any]:
    return {**NEW_RUNNER, **fields}


def test_a_created_runner_provisions_and_becomes_ready(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    created = acme("POST", RUNNERS, json=new(maximum_runners=7))
    assert created.status_code == 201
    assert created.json() | {"id": 0} == {
        "id": 0,
        "name": "new-runner",
        "runner_group_id": 1,
        "platform": "linux-x64",
        "image_details": {
            "id": "2306",
            "size_gb": 86,
            "display_name": "Ubuntu Latest (24.04)",
            "source": "github",
            "version": "latest",
        },
        "machine_size_details": {
            "id": "4-core",
            "cpu_cores": 4,
            "memory_gb": 16,
            "storage_gb": 150,
        },
        "status": "Provisioning",
        "maximum_runners": 7,
        "public_ip_enabled": False,
        "public_ips": [],
        "last_active_on": None,
        "image_gen": False,
    }
    path = f"{RUNNERS}/{created.json()['id']}"
    simulator.advance(38)
    assert acme("GET", path).json()["status"] == "Provisioning"
    simulator.advance(83)
    assert acme("GET", path).json()["status"] == "Ready"


def test_a_deleted_runner_stays_readable_until_it_is_gone(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    answer = acme("DELETE", f"{RUNNERS}/1")
    assert (answer.status_code, answer.json()["status"]) == (202, "Deleting")
    simulator.advance(25)
    assert acme("GET", f"{RUNNERS}/1").json()["status"] == "Deleting"
    assert acme("DELETE", f"{RUNNERS}/1").status_code == 202
    simulator.advance(36)
    assert acme("GET", f"{RUNNERS}/1").status_code == 404
    assert acme("DELETE", f"{RUNNERS}/1").status_code == 404
    assert acme("GET", RUNNERS).json()["total_count"] == 39


def test_a_runner_being_deleted_is_not_changed(acme: Caller) -> None:
    acme("DELETE", f"{RUNNERS}/1")
    assert acme("PATCH", f"{RUNNERS}/1", json={"maximum_runners": 2}).status_code == 409


def test_ids_are_not_used_again(simulator: SimulatorHandle, acme: Caller) -> None:
    first = acme("POST", RUNNERS, json=new()).json()["id"]
    simulator.delete_runner("organization", "acme", first)
    assert acme("POST", RUNNERS, json=new()).json()["id"] > first


def test_an_update_changes_the_given_fields_and_no_others(acme: Caller) -> None:
    before = acme("GET", f"{RUNNERS}/2").json()
    changed = acme(
        "PATCH",
        f"{RUNNERS}/2",
        json={"name": "win-build-32", "size": "32-core", "runner_group_id": 2},
    )
    assert changed.status_code == 200
    after = acme("GET", f"{RUNNERS}/2").json()
    assert after["machine_size_details"]["id"] == "32-core"
    assert {name for name in after if after[name] != before[name]} - {"last_active_on"} == {
        "name",
        "machine_size_details",
        "runner_group_id",
    }


def test_an_update_changes_the_image_and_with_it_the_platform(acme: Caller) -> None:
    body = {"image_id": "3", "image_source": "custom", "image_version": "1.1.0"}
    changed = acme("PATCH", f"{RUNNERS}/1", json=body).json()
    assert changed["platform"] == "linux-arm64"
    assert {name: changed["image_details"][name] for name in ("id", "source", "version")} == {
        "id": "3",
        "source": "custom",
        "version": "1.1.0",
    }


def test_a_runner_whose_image_is_gone_can_be_renamed(acme: Caller) -> None:
    assert (
        acme("PATCH", f"{RUNNERS}/5", json={"name": "legacy", "size": "8-core"}).status_code == 200
    )


@pytest.mark.parametrize("alias", ["ubuntu-latest", "ubuntu-24.04"])
def test_label_like_image_ids_mean_the_numeric_ones(acme: Caller, alias: str) -> None:
    created = acme("POST", RUNNERS, json=new(image={"id": alias}))
    assert created.json()["image_details"]["id"] == "2306"


@pytest.mark.parametrize(
    "name", ["", "with space", "x" * 65, "ümlaut", "slash/ed", "tab\t", "line\n"]
)
def test_it_refuses_a_name_that_breaks_the_rule(acme: Caller, name: str) -> None:
    assert problems(acme("POST", RUNNERS, json=new(name=name))) == {("name", "invalid")}


def test_it_takes_every_allowed_character_and_64_of_them(acme: Caller) -> None:
    assert acme("POST", RUNNERS, json=new(name=("aZ09._-" * 10)[:64])).status_code == 201


@pytest.mark.parametrize("name", ["linux-8core-ci", "Linux-8Core-CI"])
def test_it_refuses_a_name_that_is_taken(acme: Caller, name: str) -> None:
    assert problems(acme("POST", RUNNERS, json=new(name=name))) == {("name", "already_exists")}
    assert problems(acme("PATCH", f"{RUNNERS}/2", json={"name": name})) == {
        ("name", "already_exists")
    }


def test_a_runner_keeps_its_own_name(acme: Caller) -> None:
    assert acme("PATCH", f"{RUNNERS}/4", json={"name": "Old Ubuntu Builder"}).status_code == 200


@pytest.mark.parametrize("group_id", [99, 6], ids=["unknown", "inherited"])
def test_it_refuses_a_group_that_cannot_take_runners(acme: Caller, group_id: int) -> None:
    assert problems(acme("POST", RUNNERS, json=new(runner_group_id=group_id))) == {
        ("runner_group_id", "missing")
    }
    assert problems(acme("PATCH", f"{RUNNERS}/1", json={"runner_group_id": group_id})) == {
        ("runner_group_id", "missing")
    }


@pytest.mark.parametrize("maximum", [0, -1, 1001])
def test_it_refuses_a_maximum_out_of_range(acme: Caller, maximum: int) -> None:
    assert problems(acme("POST", RUNNERS, json=new(maximum_runners=maximum))) == {
        ("maximum_runners", "custom")
    }


IMAGE_PROBLEMS: list[tuple[str, dict[str, Any], set[tuple[str, str]]]] = [
    ("no id", {}, {("image", "missing_field")}),
    ("unknown", {"id": "9999"}, {("image", "invalid")}),
    ("of another source", {"id": "2306", "source": "partner"}, {("image", "invalid")}),
    (
        "version of a github image",
        {"id": "2306", "version": "1.0.0"},
        {("image.version", "invalid")},
    ),
    ("unknown custom", {"id": "77", "source": "custom"}, {("image", "invalid")}),
    (
        "unknown version",
        {"id": "1", "source": "custom", "version": "9.9.0"},
        {("image.version", "invalid")},
    ),
    ("not ready", {"id": "4", "source": "custom"}, {("image", "unprocessable")}),
    (
        "version not ready",
        {"id": "3", "source": "custom", "version": "1.0.0"},
        {("image.version", "unprocessable")},
    ),
]


@pytest.mark.parametrize(
    ("image", "expected"),
    [each[1:] for each in IMAGE_PROBLEMS],
    ids=[each[0] for each in IMAGE_PROBLEMS],
)
def test_it_refuses_an_image(
    acme: Caller, image: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert problems(acme("POST", RUNNERS, json=new(image=image))) == expected


@pytest.mark.parametrize(
    ("image_id", "source", "size", "code"),
    [
        ("2306", "github", "3-core", "invalid"),
        ("1001", "github", "2-core", "unprocessable"),
        ("1001", "github", "4-core", "unprocessable"),
        ("2411", "github", "96-core", "unprocessable"),
        ("2411", "github", "4-core-gpu", "unprocessable"),
    ],
)
def test_it_refuses_a_size_that_does_not_fit_the_image(
    acme: Caller, image_id: str, source: str, size: str, code: str
) -> None:
    body = new(image={"id": image_id, "source": source}, size=size)
    assert problems(acme("POST", RUNNERS, json=body)) == {("size", code)}


@pytest.mark.parametrize(
    "image", [{"id": "1301", "source": "partner"}, {"id": "1002"}, {"id": "2306"}]
)
def test_four_cores_are_available_for_some_windows_images(
    acme: Caller, image: dict[str, str]
) -> None:
    assert acme("POST", RUNNERS, json=new(image=image)).status_code == 201


def test_the_disk_must_hold_a_custom_image(acme: Caller) -> None:
    images = acme("GET", f"{RUNNERS}/images/custom/1/versions").json()["image_versions"]
    large = next(version for version in images if version["size_gb"] > 75)
    body = new(image={"id": "1", "source": "custom", "version": large["version"]}, size="2-core")
    assert problems(acme("POST", RUNNERS, json=body)) == {("size", "unprocessable")}
    assert acme("POST", RUNNERS, json={**body, "size": "4-core"}).status_code == 201


def test_a_refusal_names_every_broken_rule(acme: Caller) -> None:
    answer = acme(
        "POST", RUNNERS, json=new(name="a b", runner_group_id=99, maximum_runners=0, size="3-core")
    )
    assert {field for field, _ in problems(answer)} == {
        "name",
        "runner_group_id",
        "maximum_runners",
        "size",
    }
    assert acme("GET", RUNNERS).json()["total_count"] == 40


@pytest.mark.parametrize(
    "fields",
    [
        {"name": None},
        {"name": 5},
        {"maximum_runners": "5"},
        {"maximum_runners": True},
        {"enable_static_ip": 1},
        {"image": "2306"},
        {"image": {"id": 2306}},
        {"image": {"id": "2306", "source": "elsewhere"}},
    ],
)
def test_it_refuses_a_wrong_type_without_an_errors_list(
    acme: Caller, fields: dict[str, Any]
) -> None:
    answer = acme("POST", RUNNERS, json=new(**fields))
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("Invalid request.")
    assert "errors" not in answer.json()


@pytest.mark.parametrize("field", ["name", "image", "size", "runner_group_id"])
def test_it_names_the_field_that_is_missing(acme: Caller, field: str) -> None:
    body = new()
    del body[field]
    answer = acme("POST", RUNNERS, json=body)
    assert answer.status_code == 422
    assert f'"{field}"' in answer.json()["message"]


def test_static_ranges_are_assigned_some_time_after_enabling_them(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    changed = acme("PATCH", f"{RUNNERS}/2", json={"enable_static_ip": True}).json()
    assert (changed["public_ip_enabled"], changed["public_ips"]) == (True, [])
    simulator.advance(61)
    ranges = acme("GET", f"{RUNNERS}/2").json()["public_ips"]
    assert [(each["enabled"], each["length"]) for each in ranges] == [(True, 28)]
    assert (
        acme("PATCH", f"{RUNNERS}/2", json={"enable_static_ip": False}).json()["public_ips"] == []
    )


def test_static_ips_run_out(simulator: SimulatorHandle, acme: Caller) -> None:
    limits = {"public_ips": {"maximum": 10, "current_usage": 3}}
    assert acme("GET", f"{RUNNERS}/limits").json() == limits
    for number in range(7):
        body = new(name=f"static-{number}", enable_static_ip=True)
        assert acme("POST", RUNNERS, json=body).status_code == 201
    refused = acme("POST", RUNNERS, json=new(enable_static_ip=True))
    assert (refused.status_code, refused.json()["errors"]) == (422, ["Static IP limit reached"])
    assert (
        acme(
            "PATCH", f"{RUNNERS}/1", json={"enable_static_ip": True, "maximum_runners": 2}
        ).status_code
        == 200
    )
    acme("DELETE", f"{RUNNERS}/1")
    simulator.advance(61)
    assert acme("POST", RUNNERS, json=new(enable_static_ip=True)).status_code == 201


def test_a_busy_runner_is_active_again_and_an_idle_one_is_not(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.set_speed(0)
    busy, idle = (acme("GET", f"{RUNNERS}/{number}").json()["last_active_on"] for number in (1, 4))
    simulator.advance(1800)
    assert acme("GET", f"{RUNNERS}/4").json()["last_active_on"] == idle
    active = datetime.fromisoformat(acme("GET", f"{RUNNERS}/1").json()["last_active_on"])
    assert active != datetime.fromisoformat(busy)
    assert active <= datetime.now(UTC)


def test_the_last_activity_has_seven_decimals(acme: Caller) -> None:
    active = acme("GET", f"{RUNNERS}/4").json()["last_active_on"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,7}Z", active)


def test_nothing_changes_while_simulated_time_is_stopped(
    simulator: SimulatorHandle, acme: Caller
) -> None:
    simulator.set_speed(0)
    assert acme("GET", RUNNERS).json() == acme("GET", RUNNERS).json()


def test_enterprises_have_runners_of_their_own(
    simulator: SimulatorHandle, umbrella: Caller, acme: Caller
) -> None:
    created = umbrella("POST", UMBRELLA_RUNNERS, json=NEW_RUNNER)
    assert created.status_code == 201
    path = f"{UMBRELLA_RUNNERS}/{created.json()['id']}"
    assert umbrella("PATCH", path, json={"maximum_runners": 2}).json()["maximum_runners"] == 2
    assert umbrella("DELETE", path).status_code == 202
    assert acme("GET", RUNNERS).json()["total_count"] == 40
