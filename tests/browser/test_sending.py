"""A form inside a part of the page that asks for itself again: what somebody sends there is not
lost without a word.
"""

import re
import secrets

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import SignIn, Visit
from tests.browser.world import add_channel

pytestmark = pytest.mark.browser
ANOTHER = '<div class="stack" id="notices" data-poll="/notices/" data-poll-seconds="3">No channel any more</div>'


def send_and_hold(visit: Visit) -> tuple[Page, Route, list[str]]:
    """Press a button of a polled part: the page, its question whether somebody answers, and forms
    that were sent.
    """
    add_channel(visit, secrets.token_hex(4))
    page, held, sent = visit.page, list[Route](), list[str]()

    def take(route: Route) -> None:
        sent.append(route.request.url)
        route.fulfill(body="Sent", content_type="text/html")

    page.clock.install()
    visit.open("/notices/")
    page.route(re.compile(r"/you/$"), lambda route: held.append(route))
    page.route(re.compile(r"/test/$"), take)
    with page.expect_request(re.compile(r"/you/$")):
        button_of(page).click()
    expect(button_of(page)).to_be_disabled()
    return page, held[0], sent


def button_of(page: Page) -> Locator:
    return page.get_by_role("button", name="Send a test").first


def test_nothing_is_swapped_while_a_form_inside_is_being_sent(sign_in: SignIn) -> None:
    page, question, sent = send_and_hold(sign_in("admin"))
    page.route(re.compile(r"/notices/\?version="), lambda route: route.fulfill(body=ANOTHER))
    page.clock.run_for(8_000)  # polled every 3 s; the question itself waits 10 s
    expect(button_of(page)).to_be_visible()
    question.continue_()
    expect(page.get_by_text("Sent", exact=True)).to_be_visible()
    assert len(sent) == 1


def test_a_form_that_is_gone_meanwhile_is_told_of(sign_in: SignIn) -> None:
    page, question, sent = send_and_hold(sign_in("admin"))
    page.locator("#notices").evaluate("(part, html) => { part.outerHTML = html }", ANOTHER)
    question.continue_()
    expect(page.get_by_text("Nothing was sent")).to_be_visible()
    assert sent == []
