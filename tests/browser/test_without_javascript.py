"""Without JavaScript: lists, filters, paging, sorting, details, and submitting a form."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser


def test_lists_are_filtered_sorted_and_paged(sign_in: SignIn) -> None:
    visit = sign_in("lead", javascript=False)
    page = visit.open("/runners/?size_of_page=25")
    expect(page.locator("tbody tr")).to_have_count(25)
    first = page.locator("a.row-link").first.inner_text()
    page.get_by_role("link", name="Next").click()
    assert page.locator("a.row-link").first.inner_text() != first
    page.get_by_role("link", name="Previous").click()
    assert page.locator("a.row-link").first.inner_text() == first
    page.get_by_role("link", name="Max", exact=True).click()
    expect(page).to_have_url(re.compile("sort=maximum"))
    page.locator("#filters summary").click()
    page.get_by_role("link", name="All filters").click()
    page.get_by_role("link", name="Stuck", exact=True).click()
    expect(page.locator(".chip").first).to_contain_text("Stuck")
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator(".chip")).to_have_count(0)
    visit.screenshot("runners-without-javascript")


def test_details_are_readable_and_offer_only_what_works(sign_in: SignIn) -> None:
    visit = sign_in("lead", javascript=False)
    page = visit.open("/runners/")
    page.locator("a.row-link").first.click()
    expect(page.get_by_role("heading", name="Runner", exact=True)).to_be_visible()
    expect(page.get_by_text("UTC").first).to_be_visible()
    assert page.locator(".needs-js:visible").count() == 0
    visit.screenshot("runner-without-javascript")


@pytest.mark.parametrize(
    "path", ["/", "/images/", "/groups/", "/static-ips/", "/operations/", "/accounts/"]
)
def test_every_list_opens(sign_in: SignIn, path: str) -> None:
    page = sign_in("admin", javascript=False).open(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("main table, main .empty").first).to_be_visible()


def test_a_runner_is_edited(sign_in: SignIn) -> None:
    page = sign_in("admin", javascript=False).open("/runners/?q=org:initech mystery")
    page.locator("a.row-link").first.click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Maximum runners").fill("4")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("heading", name=re.compile("^Edit runner"))).to_be_visible()
