"""Every flow with the keyboard alone; the focus stays where work continues."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser
SLOW_MS = 30_000
MOST_TABS = 120


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus, which must be visible."""
    for _ in range(MOST_TABS):
        if target.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(target).to_be_focused()
    outline = target.evaluate(
        "element => getComputedStyle(element).outlineStyle + getComputedStyle(element).boxShadow"
    )
    assert outline != "nonenone", "the focus is not to be seen"


def test_shortcuts_lead_to_every_page_and_are_listed(sign_in: SignIn) -> None:
    page = sign_in("admin").page
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    keys = dialog.locator("dt").all_inner_texts()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    listed = {text.split()[1] for text in keys if text.startswith("g")}
    links = page.locator("[data-go]")
    assert listed == {links.nth(number).get_attribute("data-go") for number in range(links.count())}
    for key, heading in (
        ("r", "Runners"),
        ("i", "Images"),
        ("u", "Runner groups"),
        ("s", "Static IPs"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()


def test_the_first_tab_skips_to_the_content(sign_in: SignIn) -> None:
    page = sign_in("lead").open("/runners/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_runner_is_created_edited_and_deleted(sign_in: SignIn) -> None:
    page = sign_in("admin").open("/runners/new/?account=1")
    tab_to(page, page.get_by_label("Name"))
    page.keyboard.type("made-with-keys")
    image = page.get_by_label("Image", exact=True)
    tab_to(page, image)
    page.keyboard.type("Ubuntu 24.04")
    page.keyboard.press("Tab")
    size = page.get_by_label("Size")
    tab_to(page, size)
    page.keyboard.type("4-core")
    page.keyboard.press("Enter")
    if page.url.endswith("/new/?account=1"):
        tab_to(page, page.get_by_role("button", name="Create runner"))
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Create runner made-with-keys")).to_be_visible()
    expect(page.get_by_role("heading", name="Confirmed")).to_be_visible(timeout=SLOW_MS)
    tab_to(page, page.get_by_role("link", name="Show the runner"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Edit", exact=True))
    page.keyboard.press("Enter")
    maximum = page.get_by_label("Maximum runners")
    tab_to(page, maximum)
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Confirmed")).to_be_visible(timeout=SLOW_MS)
    tab_to(page, page.get_by_role("link", name="Show the runner"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Delete", exact=True))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Type made-with-keys to confirm"))
    page.keyboard.type("made-with-keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Delete runner made-with-keys")).to_be_visible()


def test_a_range_of_runners_is_selected_and_changed(sign_in: SignIn) -> None:
    page = sign_in("admin").open("/runners/?q=image-builder")
    ticks = page.locator("tbody .tick input")
    tab_to(page, ticks.nth(0))
    page.keyboard.press("Space")
    tab_to(page, ticks.nth(1))
    page.keyboard.press("Space")
    expect(page.locator("[data-ticked]")).to_have_text("2")
    edit = page.get_by_role("button", name="Edit", exact=True)
    for _ in range(MOST_TABS):  # the toolbar is above the rows
        if edit.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Maximum runners"))
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name="Change 2 runners")
    tab_to(page, button)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="2 of 2 confirmed")).to_be_visible(timeout=SLOW_MS)


def test_the_focus_stays_while_a_filter_changes_the_list(sign_in: SignIn) -> None:
    page = sign_in("lead").open("/runners/")
    search = page.get_by_label("Search runners")
    tab_to(page, search)
    page.keyboard.type("status:Stuck")
    expect(page).to_have_url(re.compile(r"\?q=status%3AStuck$"))
    expect(page.locator("#runners .chip")).to_contain_text("Stuck")
    expect(search).to_be_focused()
    expect(page.locator("#announcer")).to_contain_text("runner")


def test_menus_and_dialogs_return_the_focus(sign_in: SignIn) -> None:
    page = sign_in("lead").open("/runners/")
    export = page.locator("#export summary")
    tab_to(page, export)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="CSV, for spreadsheets")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="CSV, for spreadsheets")).to_be_hidden()
    expect(export).to_be_focused()
    shortcuts = page.get_by_role("contentinfo").get_by_role("button", name="Keyboard shortcuts")
    tab_to(page, shortcuts)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(shortcuts).to_be_focused()
