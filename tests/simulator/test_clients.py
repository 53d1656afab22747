"""Clients written for GitHub work against the simulator unchanged."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from githubkit import AppInstallationAuthStrategy, GitHub, TokenAuthStrategy
from githubkit.exception import RequestFailed

from tests.simulator_handle import SimulatorHandle

pytestmark = pytest.mark.processes

OCTOKIT = Path(__file__).parent / "octokit"
INSTALL_SECONDS = 60


def give_up(reason: str) -> None:
    """Skip the test on machines without node; under CI, where the suite must be whole, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def octokit() -> Path:
    """The folder of the script with GitHub's JavaScript client installed."""
    if not shutil.which("node") or not shutil.which("npm"):
        give_up("node and npm are needed for GitHub's JavaScript client")
    if not (OCTOKIT / "node_modules" / "@octokit" / "rest").exists():
        command = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
        try:
            subprocess.run(
                command, cwd=OCTOKIT, check=True, capture_output=True, timeout=INSTALL_SECONDS
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            give_up(f"npm could not install GitHub's JavaScript client: {error}")
    return OCTOKIT


def test_octokit_works_unchanged(simulator: SimulatorHandle, octokit: Path) -> None:
    given = {
        "baseUrl": simulator.base_url,
        "token": simulator.account("acme").token,
        "app": simulator.app(),
    }
    ran = subprocess.run(
        ["node", "exercise.mjs"],
        cwd=octokit,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    did = json.loads(ran.stdout)
    assert did["listed"] == list(range(1, 41))
    assert did["created"] == [201, "Provisioning", True]
    assert did["updated"] == 3
    assert did["deleted"] == [202, "Deleting"]
    assert did["images"][0] == "golden-linux"
    assert did["sizes"] == 9
    assert did["groups"][0] == "Default"
    assert len(did["groups"]) == 7
    assert did["repositories"] == 12
    assert did["refused"] == [422, "Invalid request."]
    assert did["missing"] == 404
    assert did["seenByApp"] == 41


@pytest.fixture
def github(simulator: SimulatorHandle) -> Iterator[GitHub[TokenAuthStrategy]]:
    auth = TokenAuthStrategy(simulator.account("acme").token)
    with GitHub(
        auth, base_url=simulator.base_url, http_cache=False, auto_retry=False, trust_env=False
    ) as client:
        yield client


def test_githubkit_lists_every_page_into_its_types(github: GitHub[TokenAuthStrategy]) -> None:
    actions = github.rest.actions
    runners = list(
        github.rest.paginate(
            actions.list_hosted_runners_for_org,
            lambda answer: answer.parsed_data.runners,
            org="acme",
            per_page=15,
        )
    )
    assert [runner.id for runner in runners] == list(range(1, 41))
    assert {runner.status for runner in runners} >= {"Ready", "Stuck", "Shutdown", "Provisioning"}
    assert runners[5].image_details is None


def test_githubkit_creates_reads_changes_and_deletes(github: GitHub[TokenAuthStrategy]) -> None:
    actions = github.rest.actions
    created = actions.create_hosted_runner_for_org(
        "acme",
        name="made-by-githubkit",
        image={"id": "2306", "source": "github"},
        size="4-core",
        runner_group_id=1,
    ).parsed_data
    assert (
        actions.get_hosted_runner_for_org("acme", created.id).parsed_data.status == "Provisioning"
    )
    changed = actions.update_hosted_runner_for_org(
        "acme", created.id, maximum_runners=5, size="8-core"
    ).parsed_data
    assert (changed.maximum_runners, changed.machine_size_details.id) == (5, "8-core")
    assert actions.delete_hosted_runner_for_org("acme", created.id).parsed_data.status == "Deleting"
    with pytest.raises(RequestFailed) as refused:
        actions.update_hosted_runner_for_org("acme", created.id, maximum_runners=6)
    assert refused.value.response.status_code == 409


def test_githubkit_reads_images_and_manages_groups(github: GitHub[TokenAuthStrategy]) -> None:
    actions = github.rest.actions
    images = actions.list_custom_images_for_org("acme").parsed_data.images
    versions = actions.list_custom_image_versions_for_org(
        images[0].id, "acme"
    ).parsed_data.image_versions
    assert [version.version for version in versions] == ["1.3.0", "1.2.0", "1.1.0", "1.0.0"]
    group = actions.create_self_hosted_runner_group_for_org(
        "acme", name="made-by-githubkit"
    ).parsed_data
    assert actions.list_self_hosted_runner_groups_for_org("acme").parsed_data.total_count == 8
    changed = actions.update_self_hosted_runner_group_for_org(
        "acme", int(group.id), name="renamed"
    ).parsed_data
    assert changed.name == "renamed"
    assert (
        actions.delete_self_hosted_runner_group_from_org("acme", int(group.id)).status_code == 204
    )


def test_githubkit_signs_in_as_an_app(simulator: SimulatorHandle) -> None:
    app = simulator.app()
    auth = AppInstallationAuthStrategy(app["app_id"], app["pem"], 90001)
    with GitHub(
        auth, base_url=simulator.base_url, http_cache=False, auto_retry=False, trust_env=False
    ) as client:
        assert client.rest.actions.list_hosted_runners_for_org("acme").parsed_data.total_count == 40
        assert client.rest.orgs.get("acme").parsed_data.plan
