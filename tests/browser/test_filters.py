"""The filters of a list: behind a button with their count on a phone, open on a wide screen."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser
POLL = re.compile(r"/runners/\?(.*&)?version=")
FILTERED = re.compile(r"/runners/\?q=platform%3Alinux-x64$")
LISTS = ("/audit/",)


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
def test_a_wide_screen_shows_all_filters_without_a_button(sign_in: SignIn, address: str) -> None:
    page = sign_in("admin", javascript=False).open(address)
    expect(page.locator(".filters summary")).to_be_hidden()
    for select in page.locator(".filters select").all():
        expect(select).to_be_visible()


BARS = {
    "/images/?source=github": ("platform:linux-x64", "platform:linxu-x64"),
    "/groups/": ("public:no", "publci:no"),
    "/operations/": ("kind:delete_runner", "kind:delete_runer"),
    "/static-ips/": ("org:acme", "ogr:acme"),
    "/accounts/": ("kind:organization", "kind:organisation"),
}


@pytest.mark.parametrize("width", [1280, 360])
def test_every_list_has_the_same_search_box(sign_in: SignIn, width: int) -> None:
    """It filters while one types, corrects what it does not know, and has a menu of filters."""
    visit = sign_in("admin", width=width)
    for address, (term, misspelt) in BARS.items():
        page = visit.open(address)
        search = page.locator("#search")
        search.fill(term)
        expect(page.locator(".chip")).to_have_count(1)
        page.locator("#filters summary").click()
        expect(page.locator("#filters [aria-current]").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        page.locator("#filters [aria-current]").first.click()
        expect(page.locator(".chip")).to_have_count(0)
        search.fill(misspelt)
        page.locator(".filter-problems a").click()
        expect(page.locator("#search")).to_have_value(term)
        page.locator("#search").press("Escape")
        expect(page.locator(".chip")).to_have_count(0)


def test_filters_work_on_a_phone_without_javascript(sign_in: SignIn) -> None:
    page = sign_in("lead", width=360, javascript=False).open("/runners/")
    page.get_by_label("Search runners").fill("status:stuck")
    page.get_by_label("Search runners").press("Enter")
    expect(page.locator("#runners .chip")).to_contain_text("stuck")


def make_older(page: Page) -> None:
    """Mark the list as outdated, so that the next poll replaces it."""
    page.locator("#runners").evaluate(
        "part => { part.dataset.version = 'older'; part.classList.add('older') }"
    )


def test_a_pending_poll_does_not_replace_the_response_to_a_filter(sign_in: SignIn) -> None:
    visit = sign_in("lead")
    page, polls, filters = visit.page, list[Route](), list[Route]()
    page.clock.install()
    visit.open("/runners/")
    make_older(page)
    page.route(POLL, lambda route: polls.append(route))
    page.route(FILTERED, lambda route: filters.append(route))
    with page.expect_request(POLL):
        page.clock.run_for(40_000)
    with page.expect_request(FILTERED):
        page.get_by_label("Search runners").fill("platform:linux-x64")
        page.clock.run_for(200)
    with page.expect_response(POLL):
        polls[0].continue_()
    page.clock.run_for(70_000)
    assert len(polls) == 1, "it is asked again while the filter is asked for"
    filters[0].continue_()
    expect(page.locator("#runners .chip")).to_contain_text("linux-x64")
    with page.expect_request(POLL):
        page.clock.run_for(40_000)


def test_the_list_is_announced_only_after_a_filter_has_changed(sign_in: SignIn) -> None:
    visit = sign_in("lead")
    page = visit.page
    page.clock.install()
    visit.open("/runners/")
    make_older(page)
    page.clock.run_for(40_000)
    expect(page.locator("#runners:not(.older)")).to_be_visible()
    page.clock.run_for(1_000)
    expect(page.locator("#announcer")).to_be_empty()
    page.get_by_label("Search runners").fill("platform:linux-x64")
    page.clock.run_for(200)
    expect(page.locator("#runners .chip")).to_contain_text("linux-x64")
    page.clock.run_for(1_000)
    expect(page.locator("#announcer")).to_contain_text(re.compile(r"\d+ runners?"))


def test_a_filter_shows_results_while_typing_and_escape_clears_it(sign_in: SignIn) -> None:
    page = sign_in("admin").open("/runners/")
    search = page.get_by_label("Search runners")
    search.press_sequentially("golden-* status:ready,stuck")
    expect(page.locator("#runners .chip")).to_have_count(2)
    expect(page.locator("tbody tr").first).to_contain_text("golden-")
    search.press("Escape")
    expect(search).to_have_value("")
    expect(page.locator("#runners .chip")).to_have_count(0)
    page.go_back()
    expect(page.locator("#runners .chip")).to_have_count(2)


def test_an_unknown_word_is_explained_with_a_link_to_the_nearest_one(sign_in: SignIn) -> None:
    page = sign_in("admin").open("/runners/")
    page.get_by_label("Search runners").fill("stauts:ready")
    expect(page.locator(".filter-problems")).to_contain_text("“stauts:” is not a filter.")
    page.get_by_role("link", name="status:ready").click()
    expect(page.get_by_label("Search runners")).to_have_value("status:ready")
    expect(page.locator(".filter-problems")).to_have_count(0)


def test_the_menu_of_filters_adds_and_removes_values(sign_in: SignIn) -> None:
    page = sign_in("admin").open("/runners/")
    page.locator("#filters summary").click()
    page.locator("#filters").get_by_role("link", name="Stuck", exact=True).click()
    expect(page.get_by_label("Search runners")).to_have_value("status:Stuck")
    page.locator("#filters summary").click()
    page.locator("#filters").get_by_role("link", name="Stuck", exact=True).click()
    expect(page.locator("#runners .chip")).to_have_count(0)
