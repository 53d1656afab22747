"""The line under the heading of an open page shows what the polls report."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import SignIn
from tests.browser.test_away import poll_once

pytestmark = pytest.mark.browser
NOTE = "Of the credential that has least left"
BUDGET = {"words": "Rate budget: 7 % left", "address": "/accounts/", "is_low": True, "note": NOTE}


def poll_reports(page: Page, **told: Any) -> None:
    """Let the next poll report this and nothing else."""
    line = {
        "at": "2026-01-02T10:00:00+00:00",
        "failing": False,
        "reason": "",
        "budget": None,
        **told,
    }

    def answer(route: Route) -> None:
        route.fulfill(status=204, headers={"HX-Trigger": json.dumps({"freshness": line})})

    page.route(re.compile(r"version="), answer)
    poll_once(page, "requestfinished")
    page.unroute(re.compile(r"version="))


def test_a_list_shows_failing_readings_and_a_low_budget(
    sign_in: SignIn,
) -> None:
    visit = sign_in("lead")
    page = visit.page
    page.clock.install()
    visit.open("/runners/")
    line, low = page.locator("[data-freshness]"), page.locator("[data-part=low]")
    poll_reports(page, failing=True, budget=BUDGET)
    expect(line).to_have_class(re.compile("freshness-failing"))
    expect(page.locator("[data-part=failing]")).to_be_visible()
    expect(low).to_be_visible()
    expect(line.get_by_role("link", name="Rate budget: 7 % left")).to_have_attribute("title", NOTE)
    visit.screenshot("freshness-failing-light-1280")
    poll_reports(page, budget={**BUDGET, "words": "Rate budget: 90 % left", "is_low": False})
    expect(line).not_to_have_class(re.compile("freshness-failing"))
    expect(low).to_be_hidden()
    expect(line).to_contain_text("Rate budget: 90 % left")
    poll_reports(page, at=None)
    expect(line).to_contain_text("Never synced")
    expect(page.locator("[data-part=budget]")).to_be_hidden()


def test_the_page_of_a_runner_shows_why_readings_fail(sign_in: SignIn) -> None:
    visit = sign_in("lead", width=360)
    page = visit.open("/runners/")
    address = page.locator("a.row-link").first.get_attribute("href") or ""
    page.clock.install()
    visit.open(address)
    poll_reports(page, failing=True, reason="GitHub said no.", budget=BUDGET)
    expect(page.locator("[data-freshness]")).to_contain_text("GitHub said no.")
    visit.screenshot("freshness-failing-light-360")
    poll_reports(page)
    expect(page.locator("[data-freshness]")).not_to_contain_text("GitHub said no.")
