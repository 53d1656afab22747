"""Shared by all tests: a real simulator over HTTP, people, and accounts connected to it."""

import logging
import os
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connections
from django.test import Client
from pytest_django import Settings

from dashboard import celery_app
from dashboard.logs import Formatter
from runners_app.credentials import credentials
from runners_app.models import Account
from runners_app.security.audit_guard import remove_guard
from runners_app.worker.work import work_credential
from tests.connected import connect
from tests.simulator_handle import SimulatorHandle, start_simulator


def pytest_configure() -> None:
    # pytest-django's database and Playwright's event loop share a thread, but never run at once.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    celery_app.conf.update(broker_url="memory://")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that talk to a simulator: it is a server process."""
    for item in items:
        if {"simulator", "simulator_process"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("processes")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, as in production: in memory, a server's threads would share the test's one
    connection, and with it its transactions. Nothing needs to survive a power cut.
    """
    database = connections["default"].settings_dict
    if database["ENGINE"] == "django.db.backends.sqlite3":
        folder = tmp_path_factory.mktemp("database")
        database["TEST"]["NAME"] = str(folder / "test.sqlite3")
        pragmas = database["OPTIONS"]["init_command"].replace("=FULL", "=OFF")
        database["OPTIONS"] = {**database["OPTIONS"], "init_command": pragmas}


@pytest.fixture(scope="session", autouse=True)
def _static_folder() -> None:
    """Servers in tests serve static files from their source: `collectstatic` has not run."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def _quick_settings(settings: Settings, tmp_path: Path) -> None:
    """Fast password hashes, plain static files, no pause between writes, and a mark of its own."""
    settings.SENT_MARK = tmp_path / "sent-mark"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    settings.WHITENOISE_AUTOREFRESH = True  # collectstatic has not run
    settings.WRITE_SPACING_SECONDS = 0


@pytest.fixture(autouse=True)
def _empty_caches() -> None:
    """Each test has a new database, in which the versions that cached pages are keyed by start
    over, and settings of its own, which kept clients would not know.
    """
    for cache in caches.all():
        cache.clear()
    while credentials._clients:
        credentials._clients.popitem()[1].close()


@pytest.fixture(autouse=True)
def _clean_up_past_the_audit_guard(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let tests with real transactions empty every table at their end: the guard refuses that until
    it is removed, and migrating installs it again.
    """
    marker = request.node.get_closest_marker("django_db")
    if not (
        "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction"))
    ):
        yield
        return
    request.getfixturevalue("transactional_db")
    yield
    remove_guard()


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[SimulatorHandle]:
    with start_simulator("--organizations", "2", "--enterprises", "1", "--runners", "12") as handle:
        yield handle


@pytest.fixture
def simulator(simulator_process: SimulatorHandle, settings: Settings) -> SimulatorHandle:
    """GitHub for this test: the seeded world, no faults, an empty ledger."""
    simulator_process.reset()
    settings.DEMO_API_ORIGINS = [simulator_process.base_url]
    return simulator_process


@pytest.fixture
def in_earnest(simulator: SimulatorHandle) -> None:
    """Read the accounts of this test over HTTP, although another test already did."""
    simulator.was_changed = True


@pytest.fixture
def log_lines() -> Iterator[StringIO]:
    """The log as the settings' handler writes it, as JSON, from DEBUG on."""
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(Formatter(as_json=True))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def work() -> Callable[[Account], None]:
    """Run all due work of an account in this process, as a worker does."""

    def run(account: Account) -> None:
        work_credential(account.credential_id, holder="a worker in a test")

    return run


@pytest.fixture
def acme(db: None, simulator: SimulatorHandle, work: Callable[[Account], None]) -> Account:
    """The organization acme, connected and read."""
    return connect(simulator, "acme", work)


@pytest.fixture
def globex(db: None, simulator: SimulatorHandle, work: Callable[[Account], None]) -> Account:
    return connect(simulator, "globex", work)


@pytest.fixture
def umbrella(db: None, simulator: SimulatorHandle, work: Callable[[Account], None]) -> Account:
    """The enterprise umbrella, connected and read."""
    return connect(simulator, "umbrella", work)


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("ada", password="a password for tests")


@pytest.fixture
def lead(db: None) -> User:
    """A team lead without access to any account."""
    return User.objects.create_user("lin", password="a password for tests")


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    """A client with a signed-in administrator."""
    client.force_login(admin)
    return client


@pytest.fixture
def confirmed(client: Client, admin: User) -> Client:
    """A client with an administrator who has just proved who they are, for changes of trust."""
    client.force_login(admin)
    client.post("/you/confirm/?next=/you/", {"password": "a password for tests"})
    return client


@pytest.fixture
def as_lead(client: Client, lead: User) -> Client:
    """A client with a signed-in team lead, who sees no account yet."""
    client.force_login(lead)
    return client
