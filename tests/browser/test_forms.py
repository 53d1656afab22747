"""Forms: what a choice does to the others while it is made."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn, Trackside

pytestmark = pytest.mark.browser


def enter_here(page: Page, password: str) -> None:
    """Sign in as the administrator on the page that is open."""
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_narrowing_a_form_chooses_the_narrower_meaning(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.open("/people/2/groups/1/")
    whole, some = page.get_by_label("The whole account"), page.get_by_label("Only some runner")
    whole.check()
    tick = page.locator("[name=groups]").first
    tick.check()
    expect(some).to_be_checked()
    whole.check()
    expect(tick).not_to_be_checked()

    page = visit.open("/groups/new/?account=1")
    page.get_by_label("Selected workflows").last.fill("acme/web/.github/workflows/ci.yml@main")
    expect(page.get_by_label("Only selected workflows")).to_be_checked()


def test_a_repository_is_picked_from_suggestions(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.open("/groups/new/")
    page.get_by_role("link", name="acme").click()
    page.get_by_label("Find repositories").press_sequentially("ap")
    options = page.locator("#picks option")
    expect(options.first).to_be_attached()
    name = options.first.get_attribute("value") or ""
    page.get_by_label("Find repositories").fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Add repositories")).to_have_value(name)
    expect(page.get_by_label("Find repositories")).to_have_value("")
    visit.screenshot("group-new-light-1280")


def test_a_new_runner_starts_in_the_account_that_the_list_is_filtered_by(sign_in: SignIn) -> None:
    page = sign_in("admin").open("/runners/")
    page.locator("#search").fill("org:globex")
    link = page.get_by_role("link", name="New runner")
    expect(link).to_have_attribute("href", re.compile(r"\?account=\d+$"))
    link.click()
    expect(page.get_by_role("heading", name="New runner in globex")).to_be_visible()


def test_what_was_typed_is_there_again_after_a_session_ended(
    sign_in: SignIn, trackside: Trackside
) -> None:
    visit = sign_in("admin")
    page = visit.open("/runners/")
    name = page.locator("tbody a.row-link").first.get_attribute("href") or ""
    page = visit.open(f"{name}edit/")
    page.get_by_label("Maximum runners").fill("17")
    page.context.clear_cookies()
    page.get_by_label("Maximum runners").press("Tab")  # asks for the cost
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    enter_here(page, trackside.passwords["admin"])
    expect(page).to_have_url(re.compile(rf"{name}edit/$"))
    expect(page.get_by_label("Maximum runners")).to_have_value("17")
    expect(page.get_by_text("is here again")).to_be_visible()

    page.get_by_label("Maximum runners").fill("18")
    page.context.clear_cookies()
    page.get_by_role("button", name="Save changes").click()
    page.get_by_role("button", name="Sign in", exact=True).click()
    enter_here(page, trackside.passwords["admin"])
    expect(page.get_by_label("Maximum runners")).to_have_value("18")
