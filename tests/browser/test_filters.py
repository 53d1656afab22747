"""The filters of a list: one button on a phone, with how many are set; open where there is room."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser
LISTS = ("/runners/", "/images/", "/groups/", "/operations/", "/audit/")


def height_of_toolbar(page: Page) -> float:
    box = page.locator("form.toolbar").bounding_box()
    assert box is not None
    return box["height"]


@pytest.mark.parametrize("address", LISTS)
def test_a_phone_shows_the_search_and_one_button(sign_in: SignIn, address: str) -> None:
    page = sign_in("admin", width=360).open(address)
    assert height_of_toolbar(page) < 60
    expect(page.locator(".filters select").first).to_be_hidden()
    page.locator(".filters summary").click()
    expect(page.locator(".filters select").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("address", LISTS)
def test_a_wide_screen_shows_them_all_without_a_button(sign_in: SignIn, address: str) -> None:
    page = sign_in("admin", javascript=False).open(address)
    expect(page.locator(".filters summary")).to_be_hidden()
    for select in page.locator(".filters select").all():
        expect(select).to_be_visible()


def test_the_button_counts_what_is_set_as_it_changes(sign_in: SignIn) -> None:
    visit = sign_in("lead", width=360)
    page = visit.open("/runners/?status=Ready")
    counter = page.locator("[data-filters]")
    expect(counter).to_have_text("1")
    page.locator(".filters summary").click()
    page.get_by_label("Platform", exact=True).select_option("linux-x64")
    expect(counter).to_have_text("2")
    expect(page.locator("#runners .chip")).to_have_count(2)
    visit.screenshot("runners-filters-open-light-360")
    page.get_by_label("Platform", exact=True).select_option("")
    page.get_by_label("Status", exact=True).select_option("")
    expect(counter).to_be_hidden()


def test_a_phone_filters_without_javascript(sign_in: SignIn) -> None:
    page = sign_in("lead", width=360, javascript=False).open("/runners/")
    page.locator(".filters summary").click()
    page.get_by_label("Status", exact=True).select_option("Stuck")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator("[data-filters]")).to_have_text("1")
    expect(page.locator("#runners .chip")).to_contain_text("Stuck")
