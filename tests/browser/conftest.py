"""A whole Trackside as `make run` starts it (web, worker with beat, simulator), and a real
Chromium.
"""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.processes import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUT = ROOT / "test-output" / "screenshots"
START_SECONDS = 150
expect.set_options(timeout=20_000)  # two cores run two of these installations
ADD_UP_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const moved = entry.sources.map(
      ({ node }) => node?.parentElement?.outerHTML?.slice(0, 80) ?? 'gone'
    );
    window.shifts.push([entry.value, ...moved]);
  }
}).observe({ type: 'layout-shift', buffered: true });
"""
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True)
class Trackside:
    """A running installation: its URL, and the passwords by username and setup code that it
    printed.
    """

    url: str
    passwords: dict[str, str]
    setup_code: str
    pid: int


@contextmanager
def start_trackside(data_dir: Path, *arguments: str, **settings: str) -> Iterator[Trackside]:
    """Run the real `serve` command with all its processes on a free port; stopped with SIGTERM at
    the end.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = data_dir / "serve.log"
    data_dir.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port), *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "TRACKSIDE_DATA_DIR": str(data_dir),
                "STATUS_PAGES": "",
                "PYTHONUNBUFFERED": "1",
                **settings,
            },
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C stops it" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        found = re.findall(
            r"^  (?:administrator|team lead) +(\S+) +(\S+)$", log.read_text(), re.MULTILINE
        )
        code = re.search(r"setup code (\w+)", log.read_text())
        yield Trackside(
            f"http://127.0.0.1:{port}", dict(found), code[1] if code else "", process.pid
        )
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def trackside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trackside]:
    data_dir = tmp_path_factory.mktemp("trackside")
    with start_trackside(data_dir, "--demo-speed", "30") as running:
        wait_for(lambda: everything_was_read(data_dir), START_SECONDS)
        yield running


def everything_was_read(data_dir: Path) -> bool:
    """Whether each reading has been tried, successfully or not, so that forms offer images, sizes
    and groups. Thirty days of jobs take longer, and no page waits for them.
    """
    with closing(sqlite3.connect(data_dir / "trackside.sqlite3")) as database:
        unread = "last_good_at IS NULL AND error = ''"
        known = database.execute(
            f"SELECT COUNT(*), SUM({unread}) FROM runners_app_reading"  # noqa: S608 - our own names
            " WHERE resource <> 'job_history'"
        ).fetchone()
    return bool(known[0]) and known[1] == 0


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing; .ci/run installs it.")
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium).")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield launched
        launched.close()


@dataclass
class Visit:
    """A page with a signed-in person, and all errors and foreign requests of the browser."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def screenshot(self, name: str) -> None:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=OUTPUT / f"{name}.png", full_page=True)


SignIn = Callable[..., Visit]


@pytest.fixture
def sign_in(browser: Browser, trackside: Trackside) -> Iterator[SignIn]:
    """Sign a person in: `sign_in("admin", width=1280, theme="light")`. The test fails at its end if
    the browser reported errors or requested another host.
    """
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def start(
        username: str, *, width: int = 1280, theme: str = "light", javascript: bool = True
    ) -> Visit:
        context = new_context(browser, width=width, theme=theme, javascript=javascript)
        contexts.append(context)
        visit = Visit(context.new_page(), trackside.url)
        visits.append(visit)
        listen(visit)
        enter(visit, username, trackside.passwords[username])
        return visit

    yield start
    for context in contexts:
        context.close()
    assert [complaint for visit in visits for complaint in visit.complaints] == []
    assert [request for visit in visits for request in visit.foreign] == []


def new_context(
    browser: Browser, *, width: int, theme: str, javascript: bool = True
) -> BrowserContext:
    """Open a browser window. Themes are light, dark, high-contrast and high-contrast-dark; layout
    shifts are added up.
    """
    context = browser.new_context(
        color_scheme="dark" if theme.endswith("dark") else "light",
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
        java_script_enabled=javascript,
    )
    context.add_init_script(ADD_UP_SHIFTS)
    if theme.startswith("high-contrast"):
        context.add_init_script("localStorage.setItem('theme', 'high-contrast')")
    return context


def enter(visit: Visit, username: str, password: str) -> None:
    visit.open("/sign-in/")
    visit.page.get_by_label("Username").fill(username)
    visit.page.get_by_label("Password").fill(password)
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url(f"{visit.url}/")


def listen(visit: Visit) -> None:
    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith((visit.url, "data:")):
            visit.foreign.append(request.url)

    visit.page.on("console", on_console)
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("request", on_request)
