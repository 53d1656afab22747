"""The size of the runners page on the wire, as the browser counts it."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser
FIRST_LOAD_BYTES, FIRST_LOAD_REQUESTS = 60_000, 12
FILTER_BYTES = 8_000


@dataclass
class Wire:
    """Requests by address, and the bytes received for each."""

    addresses: dict[str, str] = field(default_factory=dict)
    bytes_of: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.bytes_of.values())


def watch(page: Page) -> Wire:
    wire = Wire()

    def on_request(event: dict[str, Any]) -> None:
        wire.addresses[event["requestId"]] = event["request"]["url"]

    def on_finished(event: dict[str, Any]) -> None:
        address = wire.addresses.get(event["requestId"], "")
        wire.bytes_of[address] = wire.bytes_of.get(address, 0) + int(event["encodedDataLength"])

    session = page.context.new_cdp_session(page)
    session.on("Network.requestWillBeSent", on_request)
    session.on("Network.loadingFinished", on_finished)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    return wire


def test_the_first_load_is_light(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    wire = watch(visit.page)
    page = visit.open("/runners/")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.wait_for_load_state("networkidle")
    print(wire.bytes_of)  # noqa: T201 -- shown when it fails
    assert wire.total <= FIRST_LOAD_BYTES
    assert len(wire.bytes_of) <= FIRST_LOAD_REQUESTS


def test_a_filter_loads_only_the_list_and_changes_the_address(sign_in: SignIn) -> None:
    page = sign_in("admin").open("/runners/")
    page.wait_for_load_state("networkidle")
    page.evaluate("document.body.dataset.kept = 'yes'")
    wire = watch(page)
    search = page.get_by_label("Search runners")
    search.fill("platform:linux-x64")
    expect(page).to_have_url(re.compile(r"/runners/\?q=platform%3Alinux-x64$"))
    expect(page.locator("tbody tr")).to_have_count(50)
    expect(page.locator("#runners .chip")).to_contain_text("linux-x64")
    filtered = {address: size for address, size in wire.bytes_of.items() if "q=platform" in address}
    print(wire.bytes_of)  # noqa: T201 -- shown when it fails
    assert len(filtered) == 1
    assert sum(filtered.values()) <= FILTER_BYTES
    page.locator("h1").click()
    search.fill("platform:linux-x64 org:acme")
    expect(page.locator("#runners .chip")).to_have_count(2)
    assert page.evaluate("document.body.dataset.kept") == "yes"

    page.go_back()
    expect(page).to_have_url(re.compile(r"/runners/\?q=platform%3Alinux-x64$"))
    expect(search).to_have_value("platform:linux-x64")
    expect(page.locator("#runners .chip")).to_have_count(1)
    page.go_back()
    expect(page.locator("#runners .chip")).to_have_count(0)
    expect(search).to_have_value("")
    page.go_forward()
    expect(search).to_have_value("platform:linux-x64")


def test_search_words_are_completed_while_typing(sign_in: SignIn) -> None:
    page = sign_in("admin").open("/runners/")
    page.get_by_label("Search runners").press_sequentially("org:acme status:st")
    expect(page.locator("#search-words option").first).to_have_attribute(
        "value", "org:acme status:Stuck"
    )
