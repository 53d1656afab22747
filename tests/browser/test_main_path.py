"""The main path in a real browser: view, create, edit and delete a runner, and follow each
operation.
"""

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser
SLOW_MS = 30_000  # enough for the simulated GitHub


def test_an_administrator_creates_edits_and_deletes_a_runner_with_the_mouse(
    sign_in: SignIn,
) -> None:
    visit = sign_in("admin")
    page = visit.page
    page.get_by_role("navigation").get_by_role("link", name="Runners").click()
    expect(page.get_by_role("heading", name="Runners")).to_be_visible()
    expect(page.get_by_text("160 runners")).to_be_visible(timeout=SLOW_MS)
    visit.screenshot("runners-light-1280")
    page.get_by_role("link", name="New runner").click()
    page.get_by_role("link", name="Choose acme").click()
    page.get_by_label("Name").press_sequentially("browser made this")
    expect(page.get_by_text("GitHub allows 1 to 64 characters")).to_be_visible()
    page.get_by_label("Name").fill("")
    page.get_by_label("Name").press_sequentially("browser-made-this")
    expect(page.get_by_text("This name is available in acme")).to_be_visible()
    page.get_by_label("Image", exact=True).select_option(label="golden-linux (linux-x64)")
    expect(page.get_by_label("Image version")).to_be_visible()
    page.get_by_label("Size").select_option("8-core")
    page.get_by_label("Maximum runners").fill("7")
    visit.screenshot("runner-new-light-1280")
    page.get_by_role("button", name="Create runner").click()
    expect(page.get_by_role("heading", name="Create runner browser-made-this")).to_be_visible()
    expect(page.get_by_role("heading", name="Confirmed")).to_be_visible(timeout=SLOW_MS)
    visit.screenshot("operation-light-1280")
    page.get_by_role("link", name="Show the runner").click()
    expect(status_of(page)).to_contain_text("Ready", timeout=SLOW_MS)
    address = page.url

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Maximum runners").fill("9")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("heading", name="Confirmed")).to_be_visible(timeout=SLOW_MS)
    page.goto(address)
    expect(page.locator(".timeline")).to_contain_text("Maximum runners")
    visit.screenshot("runner-light-1280")

    page.get_by_role("link", name="Delete", exact=True).click()
    visit.screenshot("runner-delete-light-1280")
    page.get_by_label("Type browser-made-this to confirm").fill("browser-made-this")
    page.get_by_role("button", name="Delete this runner").click()
    expect(page.get_by_role("heading", name="Confirmed")).to_be_visible(timeout=SLOW_MS * 2)
    page.goto(address)
    expect(page.get_by_role("heading", name="Gone from GitHub")).to_be_visible()


def test_a_size_chosen_while_the_image_loads_stays_chosen(sign_in: SignIn) -> None:
    page = sign_in("admin").open("/runners/new/?account=1")
    held: list[Route] = []
    page.route(re.compile(r"/runners/new/.*image="), lambda route: held.append(route))
    page.get_by_label("Image", exact=True).select_option(label="golden-linux (linux-x64)")
    page.get_by_label("Size").select_option("8-core")
    expect(page.get_by_label("Image version")).to_have_count(0)
    held[0].continue_()
    expect(page.get_by_label("Image version")).to_be_visible()
    expect(page.get_by_label("Size")).to_have_value("8-core")


def test_a_failed_response_resets_no_field_later(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.open("/runners/new/?account=1")
    image = re.compile(r"/runners/new/.*image=")
    page.get_by_label("Size").select_option("4-core")
    page.route(image, lambda route: route.fulfill(status=500, body="down"))
    page.get_by_label("Image", exact=True).select_option(label="golden-linux (linux-x64)")
    expect(page.get_by_text("the server answered 500")).to_be_visible()
    page.get_by_label("Size").select_option("8-core")
    page.get_by_label("Name").press_sequentially("after-a-failure")
    expect(page.get_by_text("This name is available")).to_be_visible()
    expect(page.get_by_label("Size")).to_have_value("8-core")
    visit.complaints[:] = [
        each for each in visit.complaints if "500" not in each
    ]  # the browser reports every failure


def status_of(page: Page) -> Locator:
    return page.locator("#runner .box-header").first


def test_the_list_is_searched_with_the_keyboard_alone(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.open("/runners/")
    page.keyboard.press("/")
    page.keyboard.type("org:acme status:stuck")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="stuck-arm-4core")).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=org"))
    page.get_by_role("link", name="stuck-arm-4core").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("GitHub does not define this status")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Search runners")).to_have_value("org:acme status:stuck")


def test_a_team_lead_sees_the_same_pages_without_buttons(sign_in: SignIn) -> None:
    visit = sign_in("lead", width=360, theme="dark")
    page = visit.open("/runners/")
    expect(page.get_by_role("heading", name="Runners")).to_be_visible()
    expect(page.get_by_role("link", name="New runner")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    visit.screenshot("runners-dark-360")
    page.locator("a.row-link").first.click()
    expect(page.get_by_role("link", name="Edit", exact=True)).to_have_count(0)
    visit.screenshot("runner-dark-360")


def test_a_change_that_a_colleague_saved_is_shown_and_not_overwritten(sign_in: SignIn) -> None:
    mine, theirs = sign_in("admin"), sign_in("admin", width=360, theme="dark")
    mine.open("/runners/?q=org:globex gpu-train")
    mine.page.locator("a.row-link").first.click()
    mine.page.get_by_role("link", name="Edit", exact=True).click()
    theirs.page.goto(mine.page.url)
    theirs.page.get_by_label("Maximum runners").fill("9")
    theirs.page.get_by_role("button", name="Save changes").click()
    expect(theirs.page.get_by_role("heading", name="Confirmed")).to_be_visible(timeout=SLOW_MS)

    mine.page.get_by_label("Maximum runners").fill("5")
    mine.page.get_by_role("button", name="Save changes").click()
    expect(mine.page.get_by_role("heading", name="Nothing was sent")).to_be_visible()
    row = mine.page.locator("table.compare tbody tr")
    expect(row).to_have_count(1)
    assert row.locator("th, td").all_inner_texts() == ["Maximum runners", "9", "4", "5"]
    mine.screenshot("runner-conflict-light-1280")
    mine.page.get_by_role("link", name="Edit the new values").click()
    expect(mine.page.get_by_label("Maximum runners")).to_have_value("9")
    mine.complaints[:] = [
        each for each in mine.complaints if "409" not in each
    ]  # the browser reports every conflict
