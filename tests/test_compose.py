"""`docker compose up` without Docker: commands, environment and order as local processes.

Only what a container gives is put in its place: folders for volumes, ports of this machine for host
names. Where Compose is installed, it reads the file as well; no engine is needed.
"""

import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import requests
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from dashboard import web_server
from dashboard.database_role import RoleMissing, grant_rights
from dashboard.make_secrets import add_keys, drop_old_keys, make_secrets
from runners_app.security.keys import new_key, public_half
from tests.processes import (
    ROOT,
    Process,
    find_binary,
    free_port,
    make_cluster,
    postgres_binary,
    run,
    server_folder,
    server_user,
    wait_for,
)

pytestmark = pytest.mark.processes

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "TRACKSIDE_IMAGE" in service["image"]]
LAST_STAGE = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2].replace("\\\n", " ")
OPERATING = (ROOT / "docs/operating.md").read_text()
# What a variable is without a .env, but for the profile `demo`.
VARIABLE = re.compile(r"\$\{(\w+):[-+]([^}]*)\}")
BIN = Path(sys.executable).parent
CONDITIONS = {"service_healthy": "healthcheck", "service_completed_successfully": "command"}


# The first test to need it waits for seven processes, on a busy machine for minutes.
pytestmark = pytest.mark.timeout(400)


class Stack:
    """The compose file's services as processes; `started` is the order they came up in."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.ports = {
            name: free_port()
            for name in ("postgres", "redis", "simulator", "web-1", "web-2", "probe-1", "probe-2")
        }
        self.started: list[str] = []
        self.processes: dict[tuple[str, int], Process] = {}
        for name in ("run-keys", "run-passwords", "run-owner", "run-worker-keys", "data"):
            (folder / name).mkdir()

    def address(self, number: int) -> str:
        return f"http://127.0.0.1:{self.ports[f'web-{number}']}"

    def up(self, service: str, number: int = 1) -> Process:
        """Start a service once all it depends on is there, and wait until it is healthy."""
        process = self.started_process(service, number)
        process.wait_until(lambda: self.is_healthy(service, number), 120)
        self.started.append(service)
        return process

    def once(self, service: str, command: str = "") -> str:
        """Run a one-shot service to its end, or this command in its place; what it printed."""
        self._check_dependencies(service)
        words = [
            str(BIN / word) if word == "python" else word for word in command.split()
        ] or self.command(service)
        done = subprocess.run(
            words,
            env=self.environment(service),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.started.append(service)
        return done.stdout

    def started_process(self, service: str, number: int) -> Process:
        self._check_dependencies(service)
        log = self.folder / f"{service}-{number}.log"
        process = Process(
            self.command(service, number), environment=self.environment(service, number), log=log
        )
        self.processes[service, number] = process
        return self.stack.enter_context(run(process))

    def _check_dependencies(self, service: str) -> None:
        assert set(SERVICES[service].get("depends_on", ())) <= set(self.started)

    def here(self, text: str, service: str, number: int = 1) -> str:
        """Text of the compose file as it reads on this machine."""
        text = VARIABLE.sub(r"\2", text).replace("$$", "$")
        own_tmp = f"{self.folder}/{service}-{number}/"
        text = text.replace("/tmp/", own_tmp)  # noqa: S108 - each container has its own
        for inside in ("/run/keys", "/run/passwords", "/run/owner", "/run/worker-keys", "/data"):
            outside = self.folder / inside.strip("/").replace("/", "-")
            text = re.sub(rf"(?<![\w/.-]){inside}\b", str(outside), text)
        text = text.replace("/app/.venv/bin", str(BIN)).replace(
            "/app/collected", str(self.folder / "collected")
        )
        text = text.replace("simulator:8001", f"127.0.0.1:{self.ports['simulator']}")
        text = text.replace("web:8000", f"127.0.0.1:{self.ports['web-1']}")
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - everything stays on loopback
        own = {"simulator": "simulator", "web": f"probe-{number}"}.get(service)
        return re.sub(r"\b8001\b", str(self.ports[own]), text) if own else text

    def environment(self, service: str, number: int = 1) -> dict[str, str]:
        """What the Dockerfile sets, and over it what the service does."""
        (self.folder / f"{service}-{number}").mkdir(
            exist_ok=True
        )  # the empty /tmp of each container
        given = {**image_environment(), **SERVICES[service].get("environment", {})}
        mapped = {name: self.here(str(value), service, number) for name, value in given.items()}
        if service == "web":
            mapped["PAGES_ADDRESS"] = "127.0.0.1"
            mapped["PAGES_PORT"] = str(self.ports[f"web-{number}"])
            mapped["PROBES_PORT"] = str(self.ports[f"probe-{number}"])
        return {
            **mapped,
            "HOSTNAME": f"{service}-{number}",
            "HOME": str(self.folder / "nonexistent"),
        }

    def command(self, service: str, number: int = 1) -> list[str]:
        given = SERVICES[service].get("command") or image_command()
        words = [self.here(word, service, number) for word in given]
        if service in OURS and words[0] != "sh":
            words[0] = str(BIN / words[0])
        if service == "worker":
            words += ["--hostname", f"celery@{service}-{number}"]
        if service == "redis":
            words[0] = find_binary(words[0])
            words += ["--port", str(self.ports["redis"]), "--bind", "127.0.0.1"]
        return words

    def is_healthy(self, service: str, number: int = 1) -> bool:
        """Asked by the service's own health check."""
        kind, *words = SERVICES[service]["healthcheck"]["test"]
        words = [self.here(word, service, number) for word in words]
        environment = self.environment(service, number)
        if service == "postgres":
            words[0] = postgres_binary(words[0])
            environment["PGPORT"] = str(self.ports["postgres"])
        if service == "redis":
            words = [
                word.replace("redis-cli", f"redis-cli -p {self.ports['redis']}") for word in words
            ]
        command = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words
        return (
            subprocess.run(
                command, env=environment, cwd=ROOT, capture_output=True, timeout=60
            ).returncode
            == 0
        )

    def up_postgres(self) -> None:
        """What the image's entry point does on an empty volume, and then its command."""
        self._check_dependencies("postgres")
        given = self.environment("postgres")
        folder = self.stack.enter_context(server_folder())
        password = folder / "password"
        shutil.copy(given["POSTGRES_PASSWORD_FILE"], password)
        make_cluster(folder, "-A", "scram-sha-256", "--pwfile", str(password))
        options = ["-D", str(folder / "data"), "-k", str(folder), "-p", str(self.ports["postgres"])]
        command = [postgres_binary("postgres"), *self.command("postgres")[1:], *options]
        server = Process(command, log=folder / "log", user=server_user(), folder=folder)
        self.stack.enter_context(run(server)).wait_until(lambda: self.is_healthy("postgres"))
        at = ["-h", "127.0.0.1", "-p", str(self.ports["postgres"]), "-U", given["POSTGRES_USER"]]
        secret = {**os.environ, "PGPASSWORD": password.read_text()}
        subprocess.run(
            [postgres_binary("createdb"), *at, given["POSTGRES_DB"]], env=secret, check=True
        )
        self.started.append("postgres")

    def ask_simulator(self, method: str, control: str) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                f"http://127.0.0.1:{self.ports['simulator']}/_simulator/{control}",
                timeout=15,
            )
            return answer.json() if answer.content else None

    def find_servers_here(self) -> None:
        """In the addresses made by `secrets`, ports of this machine replace the servers' names."""
        for name, server, port in (
            ("run-keys/database_url", "postgres", 5432),
            ("run-owner/database_url", "postgres", 5432),
            ("run-keys/redis_url", "redis", 6379),
        ):
            path = self.folder / name
            text = path.read_text()
            assert f"@{server}:{port}/" in text
            path.chmod(0o600)
            path.write_text(text.replace(f"@{server}:{port}", f"@127.0.0.1:{self.ports[server]}"))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """`docker compose up --scale web=2 --scale worker=3` with the demo, in the order asked for."""
    find_binary("redis-server")
    postgres_binary("postgres")
    with server_folder() as folder, ExitStack() as processes:
        folder.chmod(0o755)
        stack = Stack(folder, processes)
        stack.once("secrets")
        stack.find_servers_here()
        collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
        subprocess.run(
            collect, env=stack.environment("secrets"), cwd=ROOT, check=True, timeout=180
        )  # as the Dockerfile
        stack.up_postgres()
        stack.up("redis")
        stack.once("migrate")
        starting = [
            stack.started_process(*each) for each in (("web", 2), ("worker", 2), ("worker", 3))
        ]
        for service in ("web", "worker", "beat", "simulator"):
            stack.up(service)
        starting[0].wait_until(lambda: stack.is_healthy("web", 2), 120)
        yield stack


@pytest.fixture(scope="module")
def person(stack: Stack) -> Iterator[requests.Session]:
    """The administrator of the demo, signed in at the first web container."""
    printed = stack.once("connect-demo")
    name, password = found(r"^administrator +(\S+) +(\S+)$", printed).groups()
    with requests.Session() as session:
        session.trust_env = False
        token = found(
            r'name="csrfmiddlewaretoken" value="(\w+)"',
            session.get(f"{stack.address(1)}/sign-in/").text,
        )
        form = {"csrfmiddlewaretoken": token[1], "username": name, "password": password}
        assert session.post(f"{stack.address(1)}/sign-in/", form).url == f"{stack.address(1)}/"
        yield session


def image_environment() -> dict[str, str]:
    """What ENV of the Dockerfile's last stage says."""
    words = shlex.split(
        " ".join(line[4:] for line in LAST_STAGE.splitlines() if line.startswith("ENV "))
    )
    given = dict(word.split("=", 1) for word in words)
    return {name: value.replace("$PATH", os.environ["PATH"]) for name, value in given.items()}


def image_command() -> list[str]:
    """CMD of the Dockerfile."""
    words: list[str] = json.loads(found(r"^CMD (.*)$", LAST_STAGE)[1])
    return words


def found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text, re.M)
    assert match, f"{pattern} is not in: {text[:2000]}"
    return match


def fields_of(page: str) -> dict[str, str]:
    """Inputs and selects of a page's last form as a browser sends them, without buttons."""
    form = re.findall(r'<form[^>]* method="post".*?</form>', page, re.S)[-1]
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        given = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if given.get("type") != "checkbox":
            fields[given["name"]] = html.unescape(given.get("value", ""))
    for name, options in re.findall(r'<select[^>]* name="(\w+)".*?>(.*?)</select>', form, re.S):
        chosen = re.findall(r'<option value="([^"]*)" selected', options) or re.findall(
            r'value="([^"]+)"', options
        )
        fields[name] = html.unescape(chosen[0]) if chosen else ""
    return fields


def test_every_service_that_stays_up_has_a_health_check_a_restart_policy_and_limits() -> None:
    for name, service in SERVICES.items():
        if service["restart"] == "no":
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name
        assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys(), name


def test_every_container_runs_without_rights_on_a_file_system_it_cannot_write_to() -> None:
    assert "\nUSER 10001:10001\n" in LAST_STAGE
    for name, service in SERVICES.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all("size=" in each for each in service["tmpfs"]), name
    assert {name: each["cap_add"] for name, each in SERVICES.items() if "cap_add" in each} == {
        "proxy": ["NET_BIND_SERVICE"]  # the image's program cannot be started without it
    }
    assert {name: each["user"] for name, each in SERVICES.items() if "user" in each} == {
        "postgres": "postgres",
        "redis": "redis",
    }


def test_no_log_grows_without_limit() -> None:
    for name, service in SERVICES.items():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name


def test_a_busy_machine_has_two_minutes_to_start_and_a_quiet_one_waits_a_second() -> None:
    for name, service in SERVICES.items():
        if probe := service.get("healthcheck"):
            given = {key: probe[key] for key in ("start_period", "timeout", "start_interval")}
            assert given == {"start_period": "120s", "timeout": "10s", "start_interval": "1s"}, name


def test_probes_start_no_python() -> None:
    for name in OURS:
        words = SERVICES[name].get("healthcheck", {}).get("test", [])
        assert not re.search("python|celery", " ".join(words)), name


def test_only_trackside_reaches_the_servers_that_hold_its_data() -> None:
    networks = COMPOSE["networks"]
    inside = {name for name, network in networks.items() if (network or {}).get("internal")}
    assert inside == {"pages", "data"}
    joined = {name: set(service.get("networks", ())) for name, service in SERVICES.items()}
    assert set().union(*joined.values()) == set(networks)
    assert joined["postgres"] == joined["redis"] == joined["beat"] == joined["migrate"] == {"data"}
    assert joined["proxy"] & joined["web"] == {"pages"}
    assert not joined["proxy"] & joined["worker"]
    assert not joined["simulator"] & {"data", "pages"}
    assert SERVICES["secrets"]["network_mode"] == "none"


def test_without_tls_it_listens_on_this_machine_alone() -> None:
    published = [VARIABLE.sub(r"\2", port) for port in SERVICES["proxy"]["ports"]]
    assert {port.partition(":")[0] for port in published} == {"127.0.0.1"}


def test_the_simulator_may_be_called_only_with_the_profile_demo() -> None:
    for name in OURS:
        given = SERVICES[name]["environment"].get("DEMO_API_ORIGINS")
        assert given in (None, "${COMPOSE_PROFILES:+http://simulator:8001}"), name
    demo = [name for name, service in SERVICES.items() if service.get("profiles") == ["demo"]]
    assert demo == ["simulator", "connect-demo"]


def test_an_image_that_is_built_here_is_asked_of_no_registry() -> None:
    assert {SERVICES[name]["pull_policy"] for name in OURS} == {"${TRACKSIDE_PULL_POLICY:-never}"}


def test_a_build_takes_certificates_and_an_index_as_secrets() -> None:
    assert set(SERVICES["secrets"]["build"]["secrets"]) == set(COMPOSE["secrets"])
    for name, secret in COMPOSE["secrets"].items():
        assert f"--mount=type=secret,id={name}," in (ROOT / "Dockerfile").read_text()
        assert (ROOT / VARIABLE.sub(r"\2", secret["file"])).is_file()


def test_the_file_follows_the_compose_specification() -> None:
    text = VARIABLE.sub(r"\2", (ROOT / "docker-compose.yml").read_text())
    jsonschema.validate(yaml.safe_load(text), get_builtin_schema("vendor.compose-spec"))


@pytest.mark.parametrize("profile", ["", "demo"])
def test_compose_itself_takes_the_file(profile: str) -> None:
    """Skipped where Compose is missing, also in CI: no test needs the engine it comes with."""
    command = compose_command()
    if not command:
        pytest.skip("neither `docker compose` nor docker-compose is installed on this machine")
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        env={**os.environ, "COMPOSE_PROFILES": profile},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert ("simulator" in services) == bool(profile)
    assert bool(services["worker"]["environment"]["DEMO_API_ORIGINS"]) == bool(profile)


def compose_command() -> list[str]:
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]):
            version = subprocess.run([*words, "version"], capture_output=True, timeout=60)
            if version.returncode == 0:
                return words
    return []


def test_an_upgrade_replaces_what_serves_and_nothing_that_holds_data() -> None:
    words = found(r"^docker compose up --detach --wait --no-deps (.*)$", OPERATING)[1].split()
    assert words == ["web", "worker", "beat"]
    migrate = OPERATING.index("docker compose run --rm --no-deps migrate")
    assert migrate < OPERATING.index("docker compose up --detach --wait --no-deps")
    # Longer than web needs to answer what it has begun, so that it is asked and not killed.
    assert int(SERVICES["web"]["stop_grace_period"].rstrip("s")) > web_server.graceful_timeout


def test_services_wait_for_what_they_need() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert CONDITIONS[how["condition"]] in SERVICES[needed], f"{name} needs {needed}"
    for name in ("web", "worker", "beat"):
        assert {"migrate", "postgres", "redis"} <= SERVICES[name]["depends_on"].keys()


def test_the_image_is_built_once_and_by_what_all_others_wait_for() -> None:
    assert [name for name, service in SERVICES.items() if "build" in service] == ["secrets"]
    assert [name for name in OURS if name != "secrets" and "secrets" not in waited_for(name)] == []


def waited_for(name: str) -> set[str]:
    direct = set(SERVICES[name].get("depends_on", ()))
    return direct.union(*(waited_for(each) for each in direct))


def test_how_many_stands_in_settings_so_that_the_next_up_keeps_it() -> None:
    scaled = {name: service["scale"] for name, service in SERVICES.items() if "scale" in service}
    assert scaled == {"web": "${WEB_SCALE:-1}", "worker": "${WORKER_SCALE:-1}"}


def test_what_is_scaled_has_no_port_of_the_host() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]


def test_the_proxy_gives_an_idle_connection_up_before_web_does() -> None:
    given_up = re.findall(r"^\s*keepalive (\d+)s$", (ROOT / "deploy/Caddyfile").read_text(), re.M)
    assert {int(seconds) < web_server.keepalive for seconds in given_up} == {True}


def test_no_secret_stands_in_the_compose_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("SECRET|KEY|PASSWORD|TOKEN|(DATABASE|REDIS)_URL", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}={value}"


Folders = tuple[Path, Path, Path, Path]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """For keys, passwords, the owner's address, and the keys of workers."""
    made = tmp_path / "keys", tmp_path / "passwords", tmp_path / "owner", tmp_path / "worker"
    for folder in made:
        folder.mkdir()
    return made


def texts(folders: tuple[Path, ...]) -> dict[str, str]:
    return {
        f"{path.parent.name}/{path.name}": path.read_text()
        for folder in folders
        for path in folder.iterdir()
    }


def test_secrets_are_made_once(folders: Folders) -> None:
    assert "secret_key" in make_secrets(*folders)
    first = texts(folders)
    assert make_secrets(*folders) == []
    assert first == texts(folders)
    keys, _, owner, worker = folders
    for path in (*keys.iterdir(), *owner.iterdir(), *worker.iterdir()):
        assert path.stat().st_mode & 0o777 == 0o400


def test_only_migrations_see_the_password_of_the_databases_owner(
    folders: Folders,
) -> None:
    make_secrets(*folders)
    made = texts(folders)
    assert made["passwords/postgres_password"] in made["owner/database_url"]
    assert made["passwords/postgres_password"] not in made["keys/database_url"]
    with_it = [name for name, each in SERVICES.items() if "owner:/run/owner:ro" in each["volumes"]]
    assert with_it == ["migrate"]


def test_an_upgrade_takes_the_owners_address_from_web_and_workers(
    folders: Folders,
) -> None:
    make_secrets(*folders)
    keys, _, owner, _ = folders
    (owner / "database_url").replace(keys / "database_url")  # as version 0.1 left it
    before = texts(folders)
    assert make_secrets(*folders) == ["database_url", "database_url"]
    made = texts(folders)
    assert made["owner/database_url"] == before["keys/database_url"]
    assert made["keys/database_url"].startswith("postgresql://trackside_app:")
    shutil.copy(owner / "database_url", keys / "database_url")  # as going back to 0.1 asks for
    make_secrets(*folders)
    assert texts(folders)["keys/database_url"].startswith("postgresql://trackside_app:")


def test_an_address_of_another_database_is_left_as_it_is(folders: Folders) -> None:
    keys, _, owner, _ = folders
    (keys / "database_url").write_text("postgresql://somebody:secret@elsewhere/trackside")
    make_secrets(*folders)
    make_secrets(*folders)
    assert (keys / "database_url").read_text() == (owner / "database_url").read_text()
    assert "elsewhere" in (owner / "database_url").read_text()


def test_only_workers_see_the_keys_that_open_tokens(folders: Folders) -> None:
    make_secrets(*folders)
    made = texts(folders)
    assert made["keys/credential_keys"] == public_half(made["worker/credential_keys"])
    assert made["worker/credential_keys"] not in str({**made, "worker/credential_keys": ""})
    mounts = [name for name, each in SERVICES.items() if "worker-keys" in str(each["volumes"])]
    assert mounts == ["secrets", "worker"]


def test_an_upgrade_makes_new_keys_and_leaves_the_one_that_web_had_to_open_what_it_sealed(
    folders: Folders,
) -> None:
    keys, _, _, worker = folders
    old = new_key()
    (keys / "credential_keys").write_text(f"{old}\n")  # as version 0.1 left it
    make_secrets(*folders)
    private, before = (worker / "credential_keys").read_text().split(",")
    assert before == old != private
    assert (keys / "credential_keys").read_text() == public_half(private)
    assert (keys / "web_keys").read_text().split(",")[1:] == [old]
    assert make_secrets(*folders) == []
    drop_old_keys(keys, worker)
    assert old not in str(texts(folders))
    assert (worker / "credential_keys").read_text() == private


def test_new_keys_come_first_and_web_seals_with_the_newest(folders: Folders) -> None:
    make_secrets(*folders)
    keys, _, _, worker = folders
    before = texts(folders)
    add_keys(keys, worker)
    private, *older = (worker / "credential_keys").read_text().split(",")
    assert older == [before["worker/credential_keys"]]
    assert (keys / "credential_keys").read_text() == public_half(private)
    assert (keys / "web_keys").read_text().split(",")[1:] == [before["keys/web_keys"]]


def test_two_web_and_three_worker_containers_and_a_second_beat_carry_out_one_create(
    stack: Stack, person: requests.Session
) -> None:
    stack.started_process("beat", 2)
    first, second = stack.address(1), stack.address(2)
    choice = found(
        r'href="(\?account=\d+)">Choose<[^>]*> acme<', person.get(f"{first}/runners/new/").text
    )
    address = f"{first}/runners/new/{choice[1]}"
    wait_for(lambda: "8-core" in person.get(address).text, 60)
    stack.ask_simulator("DELETE", "requests")
    page = person.get(address).text
    image = found(r'value="(github:[^"]+)"[^>]*>Ubuntu', page)[1]
    chosen = {"name": "made-by-compose", "image": image, "size": "8-core", "maximum_runners": "5"}
    form = {**fields_of(page), **chosen}
    asked = person.post(address, form)
    assert "/operations/" in asked.url, re.findall(r"field-error.*<li>([^<]*)", asked.text)
    wait_for(lambda: "<h2>Confirmed</h2>" in person.get(asked.url.replace(first, second)).text, 60)
    assert "made-by-compose" in person.get(f"{second}/runners/?q=made-by-compose").text
    creates = [each for each in stack.ask_simulator("GET", "requests") if each["method"] == "POST"]
    assert [each["body"]["name"] for each in creates] == ["made-by-compose"]


def test_metrics_ask_for_the_made_token_and_count_the_pages_of_both_processes_of_web(
    stack: Stack,
) -> None:
    token = (stack.folder / "run-keys/metrics_token").read_text().strip()
    folder = Path(stack.environment("web")["PROMETHEUS_MULTIPROC_DIR"])
    address, asked = stack.address(1), 0

    def ask(path: str, **headers: str) -> requests.Response:
        """On a connection of its own, so that either process may take it."""
        with requests.Session() as session:
            session.trust_env = False
            return session.get(address + path, headers=headers, timeout=10)

    def have_both_answered() -> bool:
        nonlocal asked
        asked += 1
        assert ask("/livez").ok
        return sum(b'"livez"' in path.read_bytes() for path in folder.glob("histogram_*.db")) == 2

    wait_for(have_both_answered)
    assert [
        ask("/metrics", **sent).status_code for sent in ({}, {"Authorization": "Bearer wrong"})
    ] == [401, 401]
    lines = ask("/metrics", Authorization=f"Bearer {token}").text
    assert re.findall(r'^trackside_page_seconds_count\{.*page="livez".*\} (\S+)$', lines, re.M) == [
        f"{asked}.0"
    ]
    assert re.search(r"^trackside_runners\{", lines, re.M)


def database_urls(stack: Stack) -> tuple[str, str]:
    """The owner's, and that of web and workers."""
    folder = stack.folder
    names = ("run-owner/database_url", "run-keys/database_url")
    owner, app = ((folder / name).read_text() for name in names)
    return owner, app


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "ALTER TABLE runners_app_runner ADD COLUMN mine int",
        "DROP TABLE runners_app_runner",
        "TRUNCATE runners_app_runner",
        "ALTER TABLE runners_app_auditentry DISABLE TRIGGER ALL",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "COPY runners_app_runner TO PROGRAM 'cat'",
        "CREATE ROLE mine",
    ],
)
def test_web_and_workers_cannot_change_tables_or_guards(stack: Stack, statement: str) -> None:
    _, app = database_urls(stack)
    with psycopg.connect(app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_web_and_workers_may_change_rows_of_tables_that_come_later(stack: Stack) -> None:
    owner, app = database_urls(stack)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE later (id serial, name text)")
    try:
        with psycopg.connect(app) as connection:
            connection.execute("INSERT INTO later (name) VALUES ('a')")
            connection.execute("UPDATE later SET name = 'b'")
            connection.execute("CREATE TEMPORARY TABLE staging (LIKE later)")
            connection.execute("DELETE FROM later")
    finally:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("DROP TABLE later")


def test_an_owner_who_may_not_make_roles_says_what_to_do_and_only_grants(stack: Stack) -> None:
    owner, app = database_urls(stack)
    named = {"user": "modest", "password": "modest"}
    modest = psycopg.conninfo.make_conninfo(owner, **named)
    missing = psycopg.conninfo.make_conninfo(app, user="nobody_yet")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE ROLE modest LOGIN PASSWORD 'modest'")
        connection.execute("CREATE SCHEMA modest AUTHORIZATION modest")
    try:
        with pytest.raises(RoleMissing, match="CREATE ROLE nobody_yet LOGIN PASSWORD"):
            grant_rights(modest, missing)
        assert grant_rights(modest, app).startswith("Kept the role trackside_app")
        assert "nothing to grant" in grant_rights(modest, modest)
    finally:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("DROP OWNED BY modest")
            connection.execute("DROP ROLE modest")


def test_the_documented_copy_is_readable_by_its_owner_alone_and_signs_nobody_in(
    stack: Stack, person: requests.Session, tmp_path: Path
) -> None:
    words = found(r"exec -T postgres (pg_dump .*) > \S*trackside.dump\)$", OPERATING)[1]
    assert f"(umask 077; docker compose exec -T postgres {words} >" in OPERATING
    keys = "docker compose run --rm --no-deps -T worker tar -C /run -cf - keys worker-keys >"
    assert f"(umask 077; {keys}" in OPERATING
    owner, _ = database_urls(stack)
    copy = tmp_path / "copy.sql"
    command = [postgres_binary("pg_dump"), "--dbname", owner, *words.split()[3:-1]]
    command[command.index("custom")] = "plain"
    subprocess.run([*command, "--file", str(copy)], check=True, timeout=60)
    with psycopg.connect(owner) as connection:
        sessions = connection.execute("SELECT session_key FROM runners_app_session").fetchall()
    assert sessions
    text = copy.read_text()
    assert "acme" in text
    assert not [key for (key,) in sessions if key in text]


def test_every_health_check_still_passes(stack: Stack, person: requests.Session) -> None:
    checked = [
        ("postgres", 1),
        ("redis", 1),
        ("web", 1),
        ("web", 2),
        ("beat", 1),
        ("beat", 2),
        ("simulator", 1),
    ]
    workers = [("worker", number) for number in (1, 2, 3)]
    wait_for(lambda: stack.is_healthy("beat", 2), 60)  # it was started last
    assert [each for each in (*checked, *workers) if not stack.is_healthy(*each)] == []


def test_nothing_is_written_to_the_home_folder_which_no_container_has(
    stack: Stack, person: requests.Session
) -> None:
    assert "--home-dir /nonexistent" in LAST_STAGE
    assert not (stack.folder / "nonexistent").exists()


def test_the_demo_goes_as_documented_with_its_simulated_github(
    stack: Stack, person: requests.Session
) -> None:
    assert (stack.folder / "data/demo.json").exists()
    assert "\ndocker compose stop simulator\n" in OPERATING
    stack.processes["simulator", 1].stop()
    command = found(r"^docker compose run --rm --no-deps connect-demo (.*)$", OPERATING)[1]
    assert "Removed 4 demo accounts" in stack.once("connect-demo", command)
    assert list((stack.folder / "data").iterdir()) == []
    assert person.get(f"{stack.address(1)}/").url.startswith(f"{stack.address(1)}/sign-in/")
