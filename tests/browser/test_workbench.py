"""The runners list as a workbench: rows, keys, the side panel, and what a phone shows."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser
ROWS_IN_SIGHT = """
[...document.querySelectorAll('tbody tr')].filter(
  (row) => row.getBoundingClientRect().bottom <= innerHeight
).length
"""
CUT_OFF = """
[...document.querySelectorAll('.table-list :is(td, th)')]
  .filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent)
"""


def test_sixteen_rows_of_32_pixels_are_in_sight_and_nothing_is_cut_off(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.page
    page.set_viewport_size({"width": 1280, "height": 800})
    visit.open("/runners/")
    assert page.evaluate(ROWS_IN_SIGHT) >= 16
    boxes = [row.bounding_box() for row in page.locator("tbody tr").all()]
    assert {box["height"] for box in boxes if box} == {32}
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_the_selection_bar_covers_the_header_and_moves_no_row(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.open("/runners/")
    row = page.locator("tbody tr").nth(2)
    before = row.bounding_box()
    row.locator("input").click()
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_visible()
    assert row.bounding_box() == before
    visit.screenshot("runners-selected-light-1280")


def test_keys_move_select_open_and_close(sign_in: SignIn) -> None:
    visit = sign_in("admin", theme="dark")
    page = visit.open("/runners/")
    for key in "jjx":
        page.keyboard.press(key)
    second = page.locator("tbody tr").nth(1)
    expect(second.locator("input")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator("#panel h2")).to_be_focused()
    expect(page).to_have_url(re.compile(r"\?open=\d+$"))
    visit.screenshot("runners-panel-dark-1280")
    first = page.locator("#panel [data-panel]").get_attribute("data-panel")
    page.keyboard.press("j")
    expect(page.locator("#panel [data-panel]")).not_to_have_attribute("data-panel", first or "")
    page.keyboard.press("Escape")
    expect(page.locator("#panel h2")).to_have_count(0)
    expect(page.locator("tbody tr").nth(2).locator(".row-link")).to_be_focused()
    page.keyboard.press("o")
    expect(page).to_have_url(re.compile(r"/runners/\d+/$"))


def test_a_click_opens_the_panel_and_an_address_with_it_works_without_javascript(
    sign_in: SignIn,
) -> None:
    page = sign_in("lead").open("/runners/")
    page.locator("a.row-link").first.click()
    name = page.locator("#panel h2").inner_text()
    plain = sign_in("lead", javascript=False).open(
        page.url.partition("/runners/")[1] + page.url.partition("/runners/")[2]
    )
    expect(plain.locator("#panel h2")).to_have_text(name)
    plain.get_by_role("link", name="Close").click()
    expect(plain.locator("#panel h2")).to_have_count(0)
    expect(plain.locator("tbody tr").first).to_be_visible()


def test_a_phone_shows_cards_of_at_most_96_pixels_and_sorts(sign_in: SignIn) -> None:
    visit = sign_in("admin", width=360)
    page = visit.open("/runners/")
    heights = [
        box["height"] for row in page.locator("tbody tr").all() if (box := row.bounding_box())
    ]
    assert max(heights) <= 96
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#view summary").click()
    page.locator("#view").get_by_label("Sort by").select_option("maximum")
    page.locator("#view").get_by_label("Descending").check()
    page.locator("#view").get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("sort=-maximum"))
    visit.screenshot("runners-cards-light-360")


def test_the_confirm_button_of_a_long_preview_is_always_in_sight(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.open("/runners/bulk/edit/?matching=&maximum_runners=21")
    button = page.get_by_role("button", name=re.compile("^Change 1[0-9]+ runners"))
    expect(button).to_be_in_viewport()
    page.mouse.wheel(0, 30_000)
    expect(button).to_be_in_viewport()
    visit.screenshot("runners-bulk-preview-light-1280")
