"""One simulator per test process, reset to its seeded world before each test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.simulator_handle import SimulatorHandle, start_simulator

Caller = Callable[..., requests.Response]
ANSWER_SECONDS = 15


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatorHandle]:
    with start_simulator() as handle:
        yield handle


@pytest.fixture(autouse=True)
def _seeded_world(request: pytest.FixtureRequest) -> None:
    if "simulator" in request.fixturenames:
        request.getfixturevalue("simulator").reset()


def caller_of(handle: SimulatorHandle, token: str | None) -> Caller:
    """A function that calls the API with a token: `call("GET", "/orgs/acme", json=…, params=…,
    headers=…)`.
    """
    session = requests.Session()
    session.trust_env = False
    if token:
        session.headers["Authorization"] = f"Bearer {token}"

    def call(method: str, path: str, **options: Any) -> requests.Response:
        return session.request(
            method, handle.base_url + path, timeout=ANSWER_SECONDS, allow_redirects=False, **options
        )

    return call


@pytest.fixture
def acme(simulator: SimulatorHandle) -> Caller:
    """Calls with all rights on the organization acme."""
    return caller_of(simulator, simulator.account("acme").token)


@pytest.fixture
def umbrella(simulator: SimulatorHandle) -> Caller:
    """Calls with all rights on the enterprise umbrella, to which acme and globex belong."""
    return caller_of(simulator, simulator.account("umbrella").token)


RUNNERS = "/orgs/acme/actions/hosted-runners"
GROUPS = "/orgs/acme/actions/runner-groups"
NEW_RUNNER = {
    "name": "new-runner",
    "image": {"id": "2306", "source": "github"},
    "size": "4-core",
    "runner_group_id": 1,
}


def problems(answer: requests.Response) -> set[tuple[str, str]]:
    """Field and code of each error in a 422."""
    assert answer.status_code == 422, answer.text
    return {(error["field"], error["code"]) for error in answer.json()["errors"]}
