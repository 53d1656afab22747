"""Jobs of the guide, one after the other as a new user does them, by mouse and keyboard alone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser


def confirmed(page: Page) -> None:
    expect(page.locator("main")).to_contain_text("Confirmed")


def test_an_administrator_goes_through_the_jobs_of_the_guide(sign_in: SignIn) -> None:
    page = sign_in("admin").page

    # What needs attention: each line leads to the filtered list.
    page.get_by_role("link", name=re.compile("Stuck")).first.click()
    expect(page).to_have_url(re.compile(r"/runners/\?.*Stuck"))

    # Find runners while typing, and open one beside the list.
    page.keyboard.press("/")
    page.keyboard.press("Control+A")
    page.keyboard.type("legacy status:ready org:acme")
    expect(page.locator("#runners .chip")).to_have_count(3)
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("Tab")
    page.locator("tbody .row-link").focus()
    page.keyboard.press("Enter")
    panel = page.locator("#panel")
    expect(panel.get_by_role("heading", name="legacy-ubuntu-20")).to_be_visible()

    # Edit it, and see that GitHub did.
    panel.get_by_role("link", name="Edit").click()
    page.get_by_label("Maximum runners").fill("8")
    page.get_by_role("button", name="Save changes").click()
    confirmed(page)

    # Undo that.
    page.get_by_role("link", name="Undo").click()
    page.get_by_role("button", name="Undo 1 edit").click()
    expect(page).to_have_url(re.compile(r"/operations/"))
    confirmed(page)

    # Follow what was requested, and who did it.
    page.get_by_role("link", name="Operations").first.click()
    expect(page).to_have_url(re.compile(r"/operations/$"))
    expect(page.locator("tbody tr").first).to_contain_text("legacy-ubuntu-20")
    page.get_by_role("link", name="Audit").click()
    expect(page.locator("tbody tr").first).to_contain_text("Requested: edit runner")

    # Ranges for the firewall team.
    page.get_by_role("link", name="Static IPs").first.click()
    expect(page.get_by_role("link", name="As plain text")).to_be_visible()

    # May my repository use it?
    page.get_by_role("link", name="Groups").first.click()
    page.get_by_role("link", name="Why can't my repository use a runner?").click()
    expect(page).to_have_url(re.compile(r"/groups/explain/"))
