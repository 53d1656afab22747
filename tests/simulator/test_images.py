"""Custom images, their versions, and when they cannot be deleted."""

from tests.simulator.conftest import NEW_RUNNER, RUNNERS, Caller
from tests.simulator_handle import SimulatorHandle

IMAGES = f"{RUNNERS}/images/custom"


def test_the_latest_version_is_the_newest_built_even_on_an_older_major(acme: Caller) -> None:
    image = acme("GET", f"{IMAGES}/2").json()
    assert (image["latest_version"], image["versions_count"]) == ("1.1.0", 3)
    versions = acme("GET", f"{IMAGES}/2/versions").json()["image_versions"]
    assert [version["version"] for version in versions] == ["1.1.0", "2.0.0", "1.0.0"]


def test_deleting_the_latest_version_makes_the_one_before_it_the_latest(acme: Caller) -> None:
    assert acme("DELETE", f"{IMAGES}/2/versions/1.1.0").status_code == 204
    image = acme("GET", f"{IMAGES}/2").json()
    assert (image["latest_version"], image["versions_count"]) == ("2.0.0", 2)
    assert acme("GET", f"{IMAGES}/2/versions/1.1.0").status_code == 404


def test_an_image_in_use_is_not_deleted(simulator: SimulatorHandle, acme: Caller) -> None:
    refused = acme("DELETE", f"{IMAGES}/1")
    assert refused.status_code == 409
    assert "golden-linux-16core" in refused.json()["message"]
    for runner_id in (7, 8):
        acme("DELETE", f"{RUNNERS}/{runner_id}")
    simulator.advance(61)
    assert acme("DELETE", f"{IMAGES}/1").status_code == 204
    assert acme("GET", f"{IMAGES}/1").status_code == 404


def test_a_version_in_use_is_not_deleted_but_another_is(acme: Caller) -> None:
    assert acme("DELETE", f"{IMAGES}/1/versions/1.2.0").status_code == 409
    assert acme("DELETE", f"{IMAGES}/1/versions/1.1.0").status_code == 204


def test_the_last_version_is_not_deleted_while_a_runner_follows_latest(
    acme: Caller,
) -> None:
    acme(
        "PATCH",
        f"{RUNNERS}/7",
        json={"image_id": "1", "image_source": "custom", "image_version": None},
    )
    for version in ("1.3.0", "1.2.0", "1.1.0"):
        assert acme("DELETE", f"{IMAGES}/1/versions/{version}").status_code == 204
    assert acme("DELETE", f"{IMAGES}/1/versions/1.0.0").status_code == 409


def test_some_images_are_not_ready(acme: Caller) -> None:
    states = {image["state"] for image in acme("GET", IMAGES).json()["images"]}
    assert {"Ready", "Provisioning"} <= states


def test_an_image_belongs_to_the_account_that_built_it(acme: Caller, umbrella: Caller) -> None:
    assert acme("DELETE", f"{IMAGES}/3").status_code == 204
    assert (
        umbrella("GET", "/enterprises/umbrella/actions/hosted-runners/images/custom/3").status_code
        == 200
    )


def test_a_runner_can_be_made_of_a_fixed_version(acme: Caller) -> None:
    body = {
        **NEW_RUNNER,
        "image": {"id": "1", "source": "custom", "version": "1.0.0"},
        "size": "8-core",
    }
    assert acme("POST", RUNNERS, json=body).json()["image_details"]["version"] == "1.0.0"
