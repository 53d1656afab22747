"""Lists that update themselves do not disturb what a person does in them."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser
POLL = re.compile(r"[?&]version=")


@pytest.mark.parametrize("path", ["/images/", "/groups/"])
def test_a_list_updates_while_a_link_in_it_keeps_the_focus(sign_in: SignIn, path: str) -> None:
    def answer_anew(route: Route) -> None:
        address = re.sub(r"[?&]version=\w+", "", route.request.url)
        text = route.fetch(url=address).text()
        route.fulfill(body=text.replace("data-announce>", "data-announce>Updated: ", 1))

    page = sign_in("admin").open(path)
    link = page.locator("[data-poll] table a.row-link").nth(1)
    page.route(POLL, answer_anew)
    page.wait_for_timeout(700)  # until the poll is planned, which the browser going online hastens
    link.focus()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_text("Updated:")).to_be_visible()
    expect(link).to_be_focused()


def test_the_menu_has_the_same_width_on_every_page(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    links = "[...document.querySelectorAll('.nav a')]"
    places = f"{links}.map((link) => link.getBoundingClientRect().x)"
    assert visit.open("/runners/").evaluate(places) == visit.open("/images/").evaluate(places)
