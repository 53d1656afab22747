"""Forms: what a choice does to the others while it is made."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser


def test_narrowing_a_form_chooses_the_narrower_meaning(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.open("/people/2/groups/1/")
    whole, some = page.get_by_label("The whole account"), page.get_by_label("Only some runner")
    whole.check()
    tick = page.locator("[name=groups]").first
    tick.check()
    expect(some).to_be_checked()
    whole.check()
    expect(tick).not_to_be_checked()

    page = visit.open("/groups/new/?account=1")
    page.get_by_label("Selected workflows").last.fill("acme/web/.github/workflows/ci.yml@main")
    expect(page.get_by_label("Only selected workflows")).to_be_checked()
