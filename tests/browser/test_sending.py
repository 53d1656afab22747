"""A form inside a polled part of a page: a poll does not replace it while it is being sent."""

import re
import secrets

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import SignIn, Trackside, Visit
from tests.browser.world import add_channel, confirm

pytestmark = pytest.mark.browser
ANOTHER = (
    '<div class="stack" id="notices" data-poll="/notices/" data-poll-seconds="3">'
    "No channel any more</div>"
)


def send_and_hold(visit: Visit, password: str) -> tuple[Page, Route, list[str]]:
    """Press a button in a polled part and hold its request: the page, the held route, and the
    requests sent.
    """
    confirm(visit.open("/notices/new/"), password)
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


def test_no_poll_replaces_a_form_while_it_is_being_sent(
    sign_in: SignIn, trackside: Trackside
) -> None:
    page, question, sent = send_and_hold(sign_in("admin"), trackside.passwords["admin"])
    page.route(re.compile(r"/notices/\?version="), lambda route: route.fulfill(body=ANOTHER))
    page.clock.run_for(8_000)  # polled every 3 s; the request itself waits 10 s
    expect(button_of(page)).to_be_visible()
    question.continue_()
    expect(page.get_by_text("Sent", exact=True)).to_be_visible()
    assert len(sent) == 1


def test_a_form_that_a_poll_removed_is_reported(sign_in: SignIn, trackside: Trackside) -> None:
    page, question, sent = send_and_hold(sign_in("admin"), trackside.passwords["admin"])
    page.locator("#notices").evaluate("(part, html) => { part.outerHTML = html }", ANOTHER)
    question.continue_()
    expect(page.get_by_text("Nothing was sent")).to_be_visible()
    assert sent == []
