"""From an empty database to the first synced organization through pages alone, and back to an empty
database.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Trackside, Visit, listen, new_context, start_trackside
from tests.browser.world import confirm
from tests.simulator_handle import SimulatorHandle, start_simulator

pytestmark = pytest.mark.browser
SLOW_MS = 30_000
PASSWORD = "a long enough password"


@pytest.fixture
def github() -> Iterator[SimulatorHandle]:
    with start_simulator(
        "--organizations", "1", "--enterprises", "0", "--runners", "12", "--latency-ms", "60"
    ) as handle:
        yield handle


@pytest.fixture
def empty(tmp_path: Path, github: SimulatorHandle) -> Iterator[Trackside]:
    with start_trackside(
        tmp_path / "trackside", "--no-demo", GITHUB_API_ORIGINS=github.base_url
    ) as running:
        yield running


def test_an_empty_dashboard_leads_to_the_first_synced_organization_and_explains_errors(
    browser: Browser, empty: Trackside, github: SimulatorHandle
) -> None:
    context = new_context(browser, width=1280, theme="light")
    visit = Visit(context.new_page(), empty.url)
    listen(visit)
    page = visit.open("/")
    page.get_by_role("link", name="Add the first administrator").click()
    visit.screenshot("onboarding-1-setup")
    page.get_by_label("Setup code").fill(empty.setup_code)
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Add administrator").click()

    expect(page.get_by_role("heading", name="Connect an organization")).to_be_visible()
    visit.screenshot("onboarding-2-empty")
    page.get_by_role("link", name="Connect an organization or enterprise").click()
    expect(page.get_by_role("heading", name="Connect an organization")).to_be_visible()
    assert "/you/confirm/" not in page.url, "the password was typed a minute ago"
    fine_grained = page.get_by_role("link", name="Make a fine-grained token")
    page.get_by_label("Name").fill("acme")
    page.get_by_label("Address of the API").fill(github.base_url)
    expect(fine_grained).to_have_attribute("href", re.compile("target_name=acme"))
    page.locator("#id_token").fill("not a token")
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("Nothing was connected yet")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("acme")
    assert "organization_administration=read" in (fine_grained.get_attribute("href") or "")
    visit.screenshot("onboarding-3-refused")

    page.locator("#id_token").fill(github.account("acme").token)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("heading", name="acme")).to_be_visible()
    visit.screenshot("onboarding-4-first-sync")
    expect(page.get_by_role("heading", name="Being read for the first time")).to_have_count(
        0, timeout=SLOW_MS
    )
    expect(page.get_by_role("link", name="12 runners").first).to_be_visible()
    account = page.url
    visit.screenshot("onboarding-5-read")
    page.get_by_role("link", name="12 runners").first.click()
    expect(page.get_by_text("12 runners")).to_be_visible()

    github.add_fault("GET", "/", "status", status=502, body="down", times=100)
    page.goto(account)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Failing").first).to_be_visible(timeout=SLOW_MS)
    visit.screenshot("github-down")
    page.goto(empty.url + "/runners/")
    expect(page.locator("tbody tr")).to_have_count(12)
    expect(page.get_by_role("heading", name="acme: Runners cannot be read")).to_be_visible()

    github.clear_faults()
    github.add_fault(
        "GET", "/", "status", status=401, body={"message": "Bad credentials"}, times=100
    )
    page.goto(account)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("heading", name="The token has been disabled")).to_be_visible(
        timeout=SLOW_MS
    )
    visit.screenshot("credential-broken")
    github.clear_faults()
    page.get_by_role("link", name="Replace the token").click()
    page.wait_for_url(re.compile("/(token|confirm)/"))
    confirm(page, PASSWORD)
    page.locator("#id_token").fill(github.account("acme").token)
    page.get_by_role("button", name="Replace the token").click()
    expect(page.get_by_role("heading", name="The token has been disabled")).to_have_count(0)
    expect(page.get_by_text("Failing")).to_have_count(0, timeout=SLOW_MS)

    page.get_by_role("navigation", name="Pages", exact=True).get_by_role(
        "link", name="Accounts"
    ).click()
    page.get_by_role("link", name="acme").click()
    page.get_by_role("link", name="Disconnect").click()
    page.wait_for_url(re.compile("/(disconnect|confirm)/"))
    confirm(page, PASSWORD)
    expect(page.get_by_role("heading", name="Nothing is deleted at GitHub")).to_be_visible()
    page.get_by_label("Type acme to confirm").fill("acme")
    page.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_text("acme is disconnected. Nothing was deleted at GitHub.")).to_be_visible()
    assert [call["method"] for call in github.requests() if call["method"] != "GET"] == []
    context.close()
    assert [each for each in visit.complaints if "422" not in each] == []
    assert visit.foreign == []
