"""While Trackside is down, open pages say so and stay readable, typed text stays, and all resumes
by itself.
"""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.conftest import SignIn, Trackside, Visit, enter, new_context, start_trackside
from tests.browser.world import confirm

pytestmark = pytest.mark.browser
SLOW_MS = 30_000
SLOW_NETWORK = {"offline": False, "latency": 1500, "downloadThroughput": -1, "uploadThroughput": -1}
PASSWORD = "a long enough password"
AWAY = "Trackside does not answer"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Trackside]:
    """A Trackside of its own, whose web process may be stopped."""
    with start_trackside(tmp_path / "trackside", "--demo-speed", "30") as running:
        yield running


@contextmanager
def without_web(trackside: Trackside) -> Iterator[None]:
    """Kill the web process while the supervisor is frozen, so that it cannot restart it."""
    os.kill(trackside.pid, signal.SIGSTOP)
    try:
        children = Path(f"/proc/{trackside.pid}/task/{trackside.pid}/children").read_text().split()
        web = [
            int(pid) for pid in children if "gunicorn" in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        os.killpg(web[0], signal.SIGKILL)
        yield
    finally:
        os.kill(trackside.pid, signal.SIGCONT)


def forgive(visit: Visit, *words: str) -> None:
    """Drop the browser's own messages about failed requests."""
    visit.complaints[:] = [
        each for each in visit.complaints if not any(word in each for word in words)
    ]


def poll_once(page: Page, event: Literal["requestfinished", "requestfailed"]) -> None:
    """Wait until the page has polled once more, successfully or not."""
    seen: list[Request] = []

    def note(request: Request) -> None:
        if "version=" in request.url:
            seen.append(request)

    page.on(event, note)
    for _ in range(40):
        page.clock.run_for(2_500)
        page.wait_for_timeout(50)  # real time, for the response and the swap
        if seen:
            break
    page.remove_listener(event, note)
    assert seen


def test_a_page_stays_readable_while_the_server_is_down_and_resumes_by_itself(
    browser: Browser, own: Trackside
) -> None:
    context = new_context(browser, width=1280, theme="light")
    visit = Visit(context.new_page(), own.url)
    enter(visit, "admin", own.passwords["admin"])
    page = visit.open("/accounts/1/")
    rows = page.locator("tbody tr")
    expect(rows.first).to_be_visible()
    before = rows.count()
    form = context.new_page()
    form.goto(f"{own.url}/people/new/")
    confirm(form, own.passwords["admin"])
    form.get_by_label("Username").fill("typed-while-away")
    form.get_by_label("Password", exact=True).fill(PASSWORD)
    form.get_by_label("Password again").fill(PASSWORD)
    with without_web(own):
        expect(page.locator("#away")).to_contain_text(AWAY, timeout=SLOW_MS)
        assert rows.count() >= before  # the demo still reads jobs: lines are added
        add = form.get_by_role("button", name="Add", exact=True)
        add.click()
        expect(form.get_by_text("Nothing was sent and nothing was changed")).to_be_visible()
        expect(form.get_by_label("Username")).to_have_value("typed-while-away")
        expect(add).to_be_focused()
        visit.screenshot("away-light-1280")
    expect(page.get_by_text("Trackside answers again.")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#away")).to_have_count(0)
    add.click()
    expect(form.get_by_role("heading", name="typed-while-away")).to_be_visible()
    context.close()


def test_the_note_says_since_when_the_server_is_down(sign_in: SignIn) -> None:
    visit = sign_in("lead", width=360)
    page = visit.page
    page.clock.install()
    visit.open("/accounts/1/")
    poll_once(page, "requestfinished")
    page.context.set_offline(True)
    poll_once(page, "requestfailed")
    poll_once(page, "requestfailed")
    expect(page.locator("#away")).to_contain_text(AWAY)
    page.clock.run_for(5 * 60_000 + 40_000)
    expect(page.locator("#away time")).to_have_text("5 minutes ago")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    visit.screenshot("away-light-360")
    page.context.set_offline(False)
    poll_once(page, "requestfinished")
    expect(page.get_by_text("Trackside answers again.")).to_be_visible()
    forgive(visit, "ERR_INTERNET_DISCONNECTED")


def test_a_server_that_is_not_ready_is_announced_once_and_the_note_can_be_dismissed(
    sign_in: SignIn,
) -> None:
    visit = sign_in("lead")
    page = visit.page
    page.clock.install()
    visit.open("/accounts/1/")
    page.route(
        "**/accounts/1/?version=*", lambda route: route.fulfill(status=503, body="not ready")
    )
    poll_once(page, "requestfinished")
    poll_once(page, "requestfinished")
    page.locator("#away").get_by_role("button", name="Dismiss").click()
    poll_once(page, "requestfinished")
    expect(page.locator("#away")).to_have_count(0)
    page.unroute("**/accounts/1/?version=*")
    poll_once(page, "requestfinished")
    expect(page.get_by_text("Trackside answers again.")).to_be_visible()
    forgive(visit, "503")


def test_a_single_failed_poll_is_not_announced(sign_in: SignIn) -> None:
    visit = sign_in("lead")
    page = visit.page
    page.clock.install()
    visit.open("/accounts/1/")
    page.route("**/accounts/1/?version=*", lambda route: route.abort("connectionreset"), times=1)
    poll_once(page, "requestfailed")
    poll_once(page, "requestfinished")
    expect(page.locator("#away")).to_have_count(0)
    forgive(visit, "ERR_CONNECTION_RESET")


def test_leaving_a_page_while_a_filter_loads_causes_no_error(sign_in: SignIn) -> None:
    visit = sign_in("lead")
    page = visit.open("/runners/")
    page.wait_for_load_state("networkidle")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", SLOW_NETWORK)
    with page.expect_request("**/runners/?q=platform*"):
        page.get_by_label("Search runners").fill("platform:linux-x64")
    page.get_by_role("navigation", name="Pages", exact=True).get_by_role(
        "link", name="Images"
    ).click()
    expect(page.get_by_role("heading", name="Images")).to_be_visible(timeout=SLOW_MS)
    assert visit.complaints == []


def test_typed_text_survives_the_session_and_is_sent_after_signing_in_again(
    sign_in: SignIn, trackside: Trackside
) -> None:
    visit = sign_in("admin")
    form, name = visit.open("/people/new/"), f"typed-{secrets.token_hex(4)}"
    confirm(form, trackside.passwords["admin"])
    form.get_by_label("Username").fill(name)
    form.get_by_label("Password", exact=True).fill(PASSWORD)
    form.get_by_label("Password again").fill(PASSWORD)
    other = Visit(form.context.new_page(), visit.url)
    other.open("/").locator(".menu summary").last.click()
    other.page.get_by_role("button", name="Sign out").click()
    expect(other.page.get_by_role("heading", name="Sign in to Trackside")).to_be_visible()

    add = form.get_by_role("button", name="Add", exact=True)
    add.click()
    expect(form.get_by_text("You are signed out. Nothing was sent")).to_be_visible()
    expect(form.get_by_label("Username")).to_have_value(name)
    expect(add).to_be_focused()
    visit.screenshot("signed-out-light-1280")
    enter(other, "admin", trackside.passwords["admin"])
    confirm(
        other.open("/people/new/"), trackside.passwords["admin"]
    )  # so that the page does not ask now
    add.click()
    expect(form.get_by_role("heading", name=name)).to_be_visible()
