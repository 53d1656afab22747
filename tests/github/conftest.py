from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runners_app.github import GitHubClient, Owner, TokenAuth
from tests.certificates import Authority
from tests.simulator_handle import SimulatorHandle, start_simulator

TOKEN = "ghp_canaryCANARYcanaryCANARYcanary012345"
ORG = Owner("organization", "octo-org")
ENTERPRISE = Owner("enterprise", "octo-corp")

CONTRACT = Path(__file__).parents[2] / ".." / "shared" / "github-api"


@pytest.fixture
def connect() -> Iterator[Callable[..., GitHubClient]]:
    """Make clients, closed when the test ends."""
    clients: list[GitHubClient] = []

    def make(url: str, **options: Any) -> GitHubClient:
        auth = options.pop("auth", None) or TokenAuth(TOKEN)
        clients.append(GitHubClient(url, auth, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def examples() -> dict[str, Any]:
    """GitHub's examples, corrected, from the contract pack beside the repository."""
    file = CONTRACT / "examples.json"
    if not file.exists():
        pytest.skip("the contract pack ../shared/github-api is not there")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[SimulatorHandle]:
    with start_simulator("--runners", "30", "--speed", "0") as handle:
        yield handle


@pytest.fixture
def simulator(running_simulator: SimulatorHandle) -> SimulatorHandle:
    """GitHub's API over HTTP, with its seeded world untouched by other tests; its time stands
    still.
    """
    running_simulator.clear_faults()
    running_simulator.reset()
    running_simulator.set_speed(0)
    running_simulator.clear_requests()
    return running_simulator


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody but a test trusts, in one PEM file."""
    return authority.issue("127.0.0.1")


@pytest.fixture(scope="session")
def server_context(certificate: Path) -> ssl.SSLContext:
    """TLS as a server that shows the certificate does it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
