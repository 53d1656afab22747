"""The commands that scripts rely on: connect_account, sync, serve, clean_demo."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from runners_app.accounts.demo import demo_sign_ins, write_state
from runners_app.models import Account, AuditEntry, Credential
from tests.browser.conftest import ROOT, Trackside, start_trackside
from tests.processes import free_port
from tests.simulator_handle import SimulatorHandle, start_simulator

pytestmark = pytest.mark.processes


class Installation:
    """A Trackside of its own in a folder, used from the command line as by a script."""

    def __init__(self, data_dir: Path, api_url: str) -> None:
        self.environment = {
            **os.environ,
            "TRACKSIDE_DATA_DIR": str(data_dir),
            "GITHUB_API_ORIGINS": api_url,
        }
        assert self.manage("migrate", "-v0").returncode == 0

    def manage(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def connect_all(self, simulator: SimulatorHandle) -> None:
        url = simulator.base_url
        calls = [
            f"connect_with_token({account.slug!r}, kind={account.kind!r}, api_url={url!r}, "
            f"token={account.token!r}, by=None)"
            for account in simulator.accounts
        ]
        script = "\n".join(["from runners_app.accounts.accounts import connect_with_token", *calls])
        assert self.manage("shell", given=script).returncode == 0


def connect(monkeypatch: pytest.MonkeyPatch, slug: str, *options: str, token: str = "") -> str:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{token}\n"))
    out = io.StringIO()
    call_command("connect_account", slug, "--kind", "organization", *options, stdout=out)
    return out.getvalue()


class TestConnectAccount:
    def test_a_token_is_read_from_standard_input_and_kept_encrypted(
        self, db: None, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = simulator.account("acme").token
        said = connect(
            monkeypatch, "acme", "--api-url", simulator.base_url, "--token-stdin", token=token
        )
        assert "Connected the organization acme" in said
        assert token not in Credential.objects.get().sealed_secret
        assert token not in str(list(AuditEntry.objects.values()))

    @pytest.mark.parametrize(
        ("slug", "options", "token", "words"),
        [
            (
                "acme",
                ["--api-url", "https://evil.example", "--token-stdin"],
                "ghp_" + "x" * 36,
                "not among the addresses",
            ),
            ("acme", ["--api-url", "SIMULATOR", "--token-stdin"], "", "does not look like a token"),
            ("acme", ["--api-url", "SIMULATOR", "--token-stdin"], "ghu_" + "x" * 36, "user token"),
            ("a/b", ["--api-url", "SIMULATOR", "--token-stdin"], "ghp_" + "x" * 36, "is no"),
        ],
    )
    def test_invalid_input_is_refused_with_a_reason_and_stores_nothing(
        self,
        db: None,
        simulator: SimulatorHandle,
        monkeypatch: pytest.MonkeyPatch,
        slug: str,
        options: list[str],
        token: str,
        words: str,
    ) -> None:
        options = [simulator.base_url if option == "SIMULATOR" else option for option in options]
        with pytest.raises(CommandError, match="was not connected"):
            connect(monkeypatch, slug, *options, token=token)
        assert not Account.objects.exists()
        assert not Credential.objects.exists()


class TestSync:
    def test_fifty_organizations_of_two_hundred_runners_cost_a_hundred_list_requests(
        self, tmp_path: Path
    ) -> None:
        with start_simulator(
            "--organizations", "50", "--enterprises", "0", "--runners", "200"
        ) as simulator:
            installation = Installation(tmp_path, simulator.base_url)
            installation.connect_all(simulator)
            simulator.clear_requests()
            first = installation.manage("sync", "--resource", "runners")
            lists = [each for each in simulator.requests() if "hosted-runners" in each["path"]]
            assert len(lists) == 100
            assert first.stdout.count(" runners: 2 requests, 0 not modified, 200 added") == 50
            again = installation.manage("sync", "--resource", "runners")
            assert again.returncode == 0
            lists = [each for each in simulator.requests() if "hosted-runners" in each["path"]]
            assert len(lists) == 200

    def test_a_failure_is_named_and_ends_with_exit_code_1(
        self, tmp_path: Path, simulator: SimulatorHandle
    ) -> None:
        installation = Installation(tmp_path, simulator.base_url)
        installation.connect_all(simulator)
        simulator.add_fault("GET", "/orgs/acme/.*/limits", "status", status=502)
        ended = installation.manage("sync", "--resource", "limits")
        assert ended.returncode == 1
        assert "acme limits: failed" in ended.stdout
        assert "globex limits: 1 requests" in ended.stdout

    def test_a_github_app_is_connected_by_its_key(
        self, tmp_path: Path, simulator: SimulatorHandle
    ) -> None:
        app = simulator.app()
        key = tmp_path / "app.pem"
        key.write_text(app["pem"])
        installation = Installation(tmp_path, simulator.base_url)
        secret = ("--app-id", str(app["app_id"]), "--key-file", str(key))
        kind = ("--kind", "organization", "--api-url", simulator.base_url)
        assert installation.manage("connect_account", "acme", *kind, *secret).returncode == 0
        assert (
            " runners: 1 requests, 0 not modified, 12 added"
            in installation.manage("sync", "acme").stdout
        )

    def test_a_file_without_a_key_is_refused_and_the_apps_key_stays(
        self, tmp_path: Path, simulator: SimulatorHandle
    ) -> None:
        app = simulator.app()
        good, wrong = tmp_path / "app.pem", tmp_path / "wrong.pem"
        good.write_text(app["pem"])
        wrong.write_text("no key")
        installation = Installation(tmp_path, simulator.base_url)
        address = (
            "--kind",
            "organization",
            "--api-url",
            simulator.base_url,
            "--app-id",
            str(app["app_id"]),
        )
        assert (
            installation.manage(
                "connect_account", "acme", *address, "--key-file", str(good)
            ).returncode
            == 0
        )
        refused = installation.manage(
            "connect_account", "globex", *address, "--key-file", str(wrong)
        )
        assert "not an unencrypted RSA private key" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert " 12 added" in installation.manage("sync", "acme", "--resource", "runners").stdout

    def test_an_account_that_is_not_connected_is_named(self, db: None) -> None:
        with pytest.raises(CommandError, match="Not connected: nobody"):
            call_command("sync", "nobody")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[Trackside]:
    with start_trackside(
        tmp_path_factory.mktemp("serve"), HOME=str(home), XDG_RUNTIME_DIR=str(home)
    ) as trackside:
        yield trackside


class TestServe:
    def test_it_serves_pages_and_its_worker_reads_the_demo(self, running: Trackside) -> None:
        assert requests.get(f"{running.url}/livez", timeout=5).status_code == 200
        wait_for(lambda: "ok" in requests.get(f"{running.url}/readyz", timeout=5).text)

    def test_it_writes_nothing_to_the_home_folder(self, running: Trackside, home: Path) -> None:
        wait_for(lambda: _answers(f"{running.url}/livez"))
        assert list(home.iterdir()) == []

    def test_a_killed_child_is_restarted(self, running: Trackside) -> None:
        children = children_of(running.pid)
        web = next(pid for pid in children if "gunicorn" in command_of(pid))
        os.killpg(web, signal.SIGKILL)  # with its workers, which would hold the port for a moment
        wait_for(
            lambda: (
                web not in children_of(running.pid)
                and len(children_of(running.pid)) == len(children)
            )
        )
        wait_for(lambda: _answers(f"{running.url}/livez"))

    def test_a_port_in_use_is_reported_in_one_sentence(
        self, running: Trackside, tmp_path: Path
    ) -> None:
        port = running.url.rpartition(":")[2]
        ended = subprocess.run(
            [sys.executable, "manage.py", "serve", "--port", port],
            cwd=ROOT,
            env={**os.environ, "TRACKSIDE_DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 1
        assert f"Port {port} is in use" in ended.stderr

    def test_a_second_serve_on_the_same_data_folder_is_refused_in_one_sentence(
        self, running: Trackside
    ) -> None:
        folder = Path(f"/proc/{running.pid}/environ").read_text().partition("TRACKSIDE_DATA_DIR=")
        before = command_of(running.pid)
        ended = subprocess.run(
            [sys.executable, "manage.py", "serve", "--port", str(free_port())],
            cwd=ROOT,
            env={**os.environ, "TRACKSIDE_DATA_DIR": folder[2].partition("\0")[0]},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 1
        assert f"(process {running.pid}): stop that one" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
        assert command_of(running.pid) == before

    def test_it_keeps_its_data_and_leaves_no_process_behind(self, tmp_path: Path) -> None:
        with start_trackside(tmp_path) as first:
            children = children_of(first.pid)
            assert len(children) == 3
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
        with start_trackside(tmp_path) as second:
            assert second.passwords == first.passwords


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.1)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


@pytest.fixture
def demo_passwords(db: None, settings: Settings, tmp_path: Path) -> dict[str, str]:
    """The passwords of the demo's administrator and team lead."""
    settings.DATA_DIR = tmp_path
    return {sign_in.username: sign_in.password for sign_in in demo_sign_ins()}


def clean_demo() -> str:
    out = io.StringIO()
    call_command("clean_demo", stdout=out)
    return out.getvalue()


def names() -> set[str]:
    return set(User.objects.values_list("username", flat=True))


class TestCleanDemo:
    def test_people_of_the_demo_are_removed_with_it(self, demo_passwords: dict[str, str]) -> None:
        assert demo_passwords.keys() == names() == {"admin", "lead"}
        assert "Left" not in clean_demo()
        assert names() == set()

    def test_a_person_who_changed_the_demos_password_stays(
        self, demo_passwords: dict[str, str]
    ) -> None:
        admin = User.objects.get(username="admin")
        admin.set_password("a password for tests")
        admin.save()
        assert "Kept admin: the password was changed" in clean_demo()
        assert names() == {"admin"}

    def test_people_from_before_the_demo_stay(
        self, db: None, settings: Settings, tmp_path: Path
    ) -> None:
        settings.DATA_DIR = tmp_path
        User.objects.create_superuser("admin", password="a password for tests")
        assert demo_sign_ins() == []
        write_state({"simulator_port": 1})
        assert "Kept admin" in clean_demo()
        assert names() == {"admin"}

    def test_the_last_administrator_stays_while_other_people_remain(
        self, demo_passwords: dict[str, str]
    ) -> None:
        User.objects.create_user("kim")
        User.objects.create_superuser("max", is_active=False)
        assert "Kept admin: the last administrator" in clean_demo()
        assert names() == {"admin", "kim", "max"}

    def test_the_last_administrator_stays_while_accounts_remain(
        self, demo_passwords: dict[str, str], acme: Account
    ) -> None:
        assert "Kept admin: the last administrator" in clean_demo()
        assert names() == {"admin"}
        assert Account.objects.get() == acme

    def test_the_demos_administrator_is_removed_if_another_one_exists(
        self, demo_passwords: dict[str, str], admin: User
    ) -> None:
        assert "Left" not in clean_demo()
        assert names() == {"ada"}

    def test_in_a_container_it_names_what_a_container_has(
        self, demo_passwords: dict[str, str], settings: Settings
    ) -> None:
        assert "`make run`" in clean_demo()
        settings.EMBEDDED = False
        assert "COMPOSE_PROFILES" in (said := clean_demo())
        assert "make run" not in said


def test_connecting_the_demo_says_that_no_sign_in_was_made_when_people_exist(
    admin: User, simulator: SimulatorHandle, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    out = io.StringIO()
    call_command("connect_demo", simulator.base_url, stdout=out)
    assert "no sign-in was made" in out.getvalue()
