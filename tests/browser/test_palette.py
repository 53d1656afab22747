"""The palette: Ctrl K goes anywhere, with the keyboard alone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser


def test_ctrl_k_finds_a_runner_and_enter_opens_it(sign_in: SignIn) -> None:
    visit = sign_in("lead")
    page = visit.open("/images/")
    page.keyboard.press("Control+k")
    text = page.get_by_role("searchbox", name="Go to")
    expect(text).to_be_focused()
    expect(page.locator("#palette-found").get_by_role("link", name="Runners")).to_be_visible()
    text.press_sequentially("golden")
    found = page.locator("#palette-found").get_by_role("link", name=re.compile("golden"))
    expect(found.first).to_be_visible()
    visit.screenshot("palette-light-1280")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#palette-found a").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(text).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/(runners|images)/\d+/$"))


def test_escape_closes_it_and_keeps_the_page(sign_in: SignIn) -> None:
    visit = sign_in("admin", width=360, theme="dark")
    page = visit.open("/runners/?q=golden")
    page.get_by_role("link", name="Go to").click()
    expect(page.get_by_role("searchbox", name="Go to")).to_be_focused()
    expect(page.locator("#palette-found a").first).to_be_visible()
    visit.screenshot("palette-dark-360")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).not_to_be_visible()
    expect(page.locator("#search")).to_have_value("golden")
