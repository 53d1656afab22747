#!/usr/bin/env python3
"""Walk through the life of the compose file in a real engine, and say what was done.

`python3 deploy/walk.py`, in a clone without a .env, where Docker Engine 25 and Compose 2.24 run, or
newer ones. It builds an image of its own, starts a project of its own on free ports of this
machine, and removes both at the end, also when a step fails. Commands that docs/operating.md names
are taken from there. It needs about ten minutes and 4 GB. `--list` prints the steps, `--keep`
leaves everything running, `--report FILE` writes the report as Markdown.

Python's standard library is enough. Exit status: 0 all steps passed, 1 some failed, 2 nothing could
be tried.
"""

import argparse
import http.client
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPERATING = (ROOT / "docs/operating.md").read_text()
PROJECT = "trackside-walk"
STEP_SECONDS = 900
SERVERS = ("postgres", "redis", "proxy", "web", "worker", "beat")
Step = Callable[["Walk"], str]
STEPS: list[Step] = []


class Failed(Exception):
    """A step did not do what it should; its words are the report's."""


def step(function: Step) -> Step:
    """In the order of this file. The first line of the docstring is the step's name."""
    STEPS.append(function)
    return function


def documented(start: str) -> str:
    """The first line of a code block in docs/operating.md that begins so, as it would be pasted."""
    blocks = re.findall(r"^```\n(.*?)^```", OPERATING, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith(start)]
    if not lines:
        raise Failed(f"docs/operating.md has no command that begins with: {start}")
    return str(lines[0])


class Walk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "COMPOSE_PROFILES": "",
            "TRACKSIDE_IMAGE": PROJECT,
            "PORT": str(self.port),
            "HTTP_PORT": f"127.0.0.1:{_free_port()}",
            "HTTPS_PORT": f"127.0.0.1:{_free_port()}",
        }

    def run(self, command: str, *, fails: bool = False, given: str = "") -> str:
        """What a command of the shell printed. Raises Failed if it ends otherwise than expected."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            env=self.environment, cwd=ROOT, input=given, text=True, timeout=STEP_SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if (done.returncode != 0) != fails:
            end = "\n".join(done.stdout.splitlines()[-15:])
            raise Failed(f"`{command}` ended with {done.returncode}:\n{end}")
        return done.stdout

    def python(self, service: str, code: str) -> str:
        """What Django's shell in a running container printed."""
        return self.run(
            f"docker compose exec -T {service} python manage.py shell --verbosity 0", given=code
        )

    def containers(self) -> list[dict[str, str]]:
        lines = self.run("docker compose ps --all --format json").splitlines()
        listed = [json.loads(line) for line in lines if line.startswith(("{", "["))]
        return [each for part in listed for each in (part if isinstance(part, list) else [part])]

    def get(self, path: str) -> int:
        """The status of a page through the proxy; 0 when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={"Host": "localhost"})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def wait_for(self, path: str, status: int, seconds: float = 90) -> float:
        """Seconds until a page has this status. Raises Failed."""
        started = time.monotonic()
        while (last := self.get(path)) != status:
            if time.monotonic() - started > seconds:
                raise Failed(f"{path} answered {last} for {seconds:.0f} s, not {status}")
            time.sleep(0.5)
        return time.monotonic() - started

    @contextmanager
    def polled(self, path: str) -> Iterator[list[int]]:
        """Asks for a page ten times a second meanwhile; the statuses."""
        statuses: list[int] = []
        over = threading.Event()

        def poll() -> None:
            while not over.is_set():
                statuses.append(self.get(path))
                time.sleep(0.1)

        poller = threading.Thread(target=poll)
        poller.start()
        try:
            yield statuses
        finally:
            over.set()
            poller.join()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _expect(condition: bool, words: str) -> None:
    if not condition:
        raise Failed(words)


@step
def build(walk: Walk) -> str:
    """Build the image"""
    walk.run("docker compose build")
    size = walk.run(f"docker image inspect --format '{{{{.Size}}}}' {PROJECT}").strip()
    return f"{int(size) // 1_000_000} MB"


@step
def image(walk: Walk) -> str:
    """The image runs as 10001:10001, without pip, with its standard library compiled"""
    inside = f"docker run --rm --network none --entrypoint sh {PROJECT} -c "
    _expect(walk.run(inside + "'id -u; id -g'").split() == ["10001", "10001"], "another user")
    walk.run(inside + '\'python -c "import pip" || python3 -c "import pip"\'', fails=True)
    compiled = walk.run(
        inside + "'python -c \"import http; print(http.__cached__)\" | xargs ls'"
    ).strip()
    return f"found {compiled}"


@step
def first_up(walk: Walk) -> str:
    """The first `up --wait`, without a registry being asked for the image"""
    walk.run("docker compose up --detach --wait")
    states = {each["Service"]: each.get("Health", "") for each in walk.containers()}
    sick = [name for name in SERVERS if states.get(name) != "healthy"]
    _expect(not sick, f"not healthy: {', '.join(sick)}")
    return "all healthy"


@step
def digests(walk: Walk) -> str:
    """The digests of what runs, to pin them"""
    images = sorted({each["Image"] for each in walk.containers()} - {PROJECT})
    found = [
        walk.run(f"docker image inspect --format '{{{{join .RepoDigests \" \"}}}}' {each}").strip()
        for each in images
    ]
    return ", ".join(
        digest or f"{name} (has none)" for name, digest in zip(images, found, strict=True)
    )


@step
def listens_here_alone(walk: Walk) -> str:
    """Pages answer on this machine, and only there"""
    _expect(walk.get("/sign-in/") == 200, "the sign-in page does not answer")
    published = walk.run("docker compose port proxy 8080").strip()
    _expect(published.startswith("127.0.0.1:"), f"published on {published}")
    return published


@step
def no_rights(walk: Walk) -> str:
    """Containers cannot write to their file systems, and have no capabilities"""
    for service in SERVERS:
        walk.run(f"docker compose exec -T {service} sh -c 'echo a > /written'", fails=True)
        bound = walk.run(f"docker compose exec -T {service} grep CapBnd /proc/1/status").split()[1]
        allowed = 1 << 10 if service == "proxy" else 0  # CAP_NET_BIND_SERVICE
        _expect(int(bound, 16) & ~allowed == 0, f"{service} may have {bound}")
    return ", ".join(SERVERS)


@step
def separate_networks(walk: Walk) -> str:
    """The proxy cannot reach PostgreSQL and Redis, and beat nothing outside"""
    for server in ("postgres", "redis"):
        walk.run(f"docker compose exec -T proxy nslookup {server}", fails=True)
    code = """
import socket
try:
    socket.create_connection(("192.0.2.1", 443), 3)
except OSError as error:
    print(error)
"""
    answer = walk.python("beat", code + "\n")
    _expect("unreachable" in answer, f"beat has a way out: {answer or 'connected'}")
    return answer.strip()


@step
def no_ddl(walk: Walk) -> str:
    """Web's role in the database cannot make a table"""
    answer = walk.python(
        "web",
        "from django.db import connection\n"
        "try:\n    connection.cursor().execute('CREATE TABLE mine (id int)')\n"
        "except Exception as error:\n    print(error)\n\n",
    )
    _expect("permission denied" in answer, f"it said: {answer or 'nothing'}")
    return answer.strip().splitlines()[0]


@step
def administrator(walk: Walk) -> str:
    """Make an administrator, as documented"""
    command = documented("docker compose exec web python manage.py createsuperuser")
    made = command.replace("exec web", "exec -T -e DJANGO_SUPERUSER_PASSWORD=walk-about-here web")
    return walk.run(f"{made} --noinput --username walker --email walker@example.com").strip()


@step
def demo(walk: Walk) -> str:
    """Add the demo, whose log says how to sign in though somebody exists already"""
    walk.environment["COMPOSE_PROFILES"] = "demo"
    walk.run("docker compose up --detach --wait")
    said = walk.run(documented("docker compose logs connect-demo"))
    _expect("no sign-in was made" in said, f"it said: {said}")
    started = time.monotonic()
    ask = "from runners_app.models import Runner\nprint(Runner.objects.count())\n\n"
    while int(walk.python("worker", ask).split()[-1]) == 0:
        _expect(time.monotonic() - started < 60, "no runner was read within a minute")
        time.sleep(1)
    return f"runners after {time.monotonic() - started:.0f} s"


@step
def scale(walk: Walk) -> str:
    """Two web and two worker containers"""
    walk.environment |= {"WEB_SCALE": "2", "WORKER_SCALE": "2"}
    walk.run("docker compose up --detach --wait")
    names = [each["Service"] for each in walk.containers() if each["State"] == "running"]
    _expect(names.count("web") == names.count("worker") == 2, f"running: {names}")
    walk.environment |= {"WEB_SCALE": "1", "WORKER_SCALE": "1"}
    walk.run("docker compose up --detach --wait")
    return "and back to one"


@step
def upgrade(walk: Walk) -> str:
    """An upgrade, with pages asked for ten times a second"""
    before = {each["Service"]: each["ID"] for each in walk.containers()}
    walk.run(documented("docker compose run --rm --no-deps migrate"))
    command = documented("docker compose up --detach --wait --no-deps web worker beat")
    with walk.polled("/sign-in/") as statuses:
        walk.run(command.replace("--wait", "--wait --force-recreate"))
        time.sleep(2)
    after = {each["Service"]: each["ID"] for each in walk.containers()}
    replaced = {name for name, id_ in after.items() if before.get(name) != id_}
    _expect(replaced == {"web", "worker", "beat"}, f"replaced: {sorted(replaced)}")
    failures = [status for status in statuses if status != 200]
    _expect(not failures, f"{len(failures)} of {len(statuses)} failed: {failures[:10]}")
    return f"0 of {len(statuses)} polls failed"


@step
def rotate(walk: Walk) -> str:
    """Rotate the keys of stored tokens, as documented"""
    section = OPERATING.partition("## Rotating the keys")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```\n(.*?)^```", section, re.M | re.S)[:1]
    said = "\n".join(walk.run(line) for line in block.splitlines())
    _expect("0 unreadable" in said, said[-500:])
    walk.wait_for("/readyz", 200)
    return "0 unreadable"


@step
def redis_down(walk: Walk) -> str:
    """Redis is killed: pages go on, and it comes back"""
    walk.run("docker compose kill redis")
    _expect(walk.get("/sign-in/") == 200, "pages do not answer without Redis")
    walk.run("docker compose up --detach --wait --no-deps redis")
    return "pages answered"


@step
def postgres_down(walk: Walk) -> str:
    """PostgreSQL is stopped: 503, and back by itself"""
    walk.run("docker compose stop postgres")
    down = walk.wait_for("/readyz", 503, 30)
    walk.run("docker compose up --detach --wait --no-deps postgres")
    return f"503 after {down:.0f} s, back after {walk.wait_for('/readyz', 200):.0f} s"


@step
def backup_and_restore(walk: Walk) -> str:
    """Copy database and keys, lose everything, restore: as documented"""
    database, keys = walk.folder / "trackside.dump", walk.folder / "trackside-keys.tar"

    def here(command: str) -> str:
        moved = command.replace("/srv/backup/trackside.dump", str(database))
        return moved.replace("/srv/keys/trackside-keys.tar", str(keys))

    walk.run(here(documented("(umask 077; docker compose exec -T postgres pg_dump")))
    walk.run(here(documented("(umask 077; docker compose run --rm --no-deps -T worker tar")))
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (database, keys)}
    _expect(set(modes.values()) == {"0o600"}, f"modes: {modes}")
    walk.run("docker compose down --volumes")
    walk.environment["COMPOSE_PROFILES"] = ""
    walk.run("docker compose up --detach --wait")
    section = OPERATING.partition("Restoring into an installation")[2]
    (block,) = re.findall(r"^```\n(.*?)^```", section, re.M | re.S)[:1]
    for line in block.splitlines():
        walk.run(here(line))
    ask = (
        "from django.contrib.auth.models import User\n"
        "from django.contrib.sessions.models import Session\n"
        "print(User.objects.filter(username='walker').count(), Session.objects.count())\n\n"
    )
    people, sessions = walk.python("web", ask).split()[-2:]
    _expect((people, sessions) == ("1", "0"), f"{people} administrator, {sessions} sessions")
    _expect(walk.get("/sign-in/") == 200, "pages do not answer after the restore")
    return "the administrator is back, no session is"


@step
def quiet_logs(walk: Walk) -> str:
    """Probes leave no line in the log of web"""
    log = walk.run("docker compose logs --no-log-prefix web")
    probes = [line for line in log.splitlines() if "GET /livez" in line or "GET /readyz" in line]
    # Those that this walk itself asked for through the proxy stand there.
    _expect(len(probes) < 20, f"{len(probes)} lines, such as {probes[-1:]}")
    return f"{len(log.splitlines())} lines in all"


@step
def down(walk: Walk) -> str:
    """`down` leaves nothing behind"""
    walk.environment["COMPOSE_PROFILES"] = "demo"
    walk.run("docker compose down --volumes")
    _expect(not walk.containers(), "containers are left")
    return "no container is left"


def missing() -> str:
    """Why nothing can be tried here; empty if it can."""
    if (ROOT / ".env").exists():
        return (
            "this clone has a .env, whose settings would change what is tried: take a fresh clone."
        )
    if not shutil.which("docker"):
        return "there is no docker command."
    for command, words in (
        ("docker compose version", "the compose plugin is not installed"),
        ("docker info", "no engine answers"),
    ):
        done = subprocess.run(command.split(), capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            return f"{words}: {(done.stderr or done.stdout).strip().splitlines()[-1]}"
    return ""


def report(rows: list[tuple[str, str, float, str]]) -> str:
    """What was done, where, and how it ended, as Markdown."""
    versions = [
        subprocess.run(command.split(), capture_output=True, text=True, timeout=60).stdout.strip()
        for command in (
            "docker version --format {{.Server.Version}}",
            "docker compose version --short",
            "git rev-parse --short HEAD",
        )
    ]
    head = "Docker {}, Compose {}, commit {}".format(*versions)
    lines = [
        "# A walk through docker-compose.yml\n",
        f"{time.strftime('%d %B %Y')}, {platform.platform()}, {head}.\n",
        "| step | ended | seconds | what was seen |",
        "|---|---|---|---|",
    ]
    for name, ended, seconds, seen in rows:
        lines.append(f"| {name} | {ended} | {seconds:.1f} | {' '.join(seen.split())[:300]} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="print the steps and do nothing")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end")
    parser.add_argument("--report", type=Path, help="write the report to this file, too")
    options = parser.parse_args()
    names = [(each.__doc__ or "").partition("\n")[0] for each in STEPS]
    if options.list:
        sys.stdout.write("\n".join(names) + "\n")
        return 0
    if reason := missing():
        sys.stderr.write(f"Nothing was tried: {reason}\n")
        return 2
    rows: list[tuple[str, str, float, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        walk = Walk(Path(folder))
        try:
            for each, name in zip(STEPS, names, strict=True):
                started = time.monotonic()
                try:
                    ended, seen = "passed", each(walk)
                except (Failed, subprocess.TimeoutExpired, OSError, ValueError) as error:
                    ended, seen = "FAILED", str(error)
                rows.append((name, ended, time.monotonic() - started, seen))
                sys.stdout.write(f"{ended:<7} {rows[-1][2]:6.1f} s  {name}: {seen}\n")
                sys.stdout.flush()
                if ended == "FAILED" and each in (build, first_up):
                    break  # all others need these
        finally:
            if not options.keep:
                walk.environment["COMPOSE_PROFILES"] = "demo"
                subprocess.run(
                    ["docker", "compose", "down", "--volumes", "--rmi", "local"],
                    env=walk.environment, cwd=ROOT, capture_output=True, timeout=STEP_SECONDS,
                )  # fmt: skip
    text = report(rows)
    if options.report:
        options.report.write_text(text)
    sys.stdout.write(f"\n{text}")
    return int(any(ended == "FAILED" for _, ended, _, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
