"""Runner groups in a real browser: who may use a runner, why not, and how to change it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn, Visit

pytestmark = pytest.mark.browser
SLOW_MS = 30_000  # enough for the simulated GitHub


def open_group(visit: Visit, name: str) -> Page:
    page = visit.open(f"/groups/?account=acme&q={name}")
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    return page


def wait_for_confirmation(page: Page) -> None:
    expect(page.get_by_role("heading", name="Confirmed")).to_be_visible(timeout=SLOW_MS)


def explain(visit: Visit, repository: str) -> Page:
    page = visit.open("/groups/explain/")
    page.get_by_label("Organization").select_option("acme")
    page.get_by_label("Repository").press_sequentially(repository)
    expect(page.locator(f"#repositories option[value='{repository}']")).to_be_attached()
    page.get_by_role("button", name="Show answers").click()
    return page


def test_an_explanation_leads_to_the_change_that_reverses_it(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.open("/groups/")
    expect(page.get_by_role("link", name="gpu-research").first).to_be_visible(timeout=SLOW_MS)
    page = open_group(visit, "gpu-research")
    expect(page.get_by_text("data-pipeline")).to_be_visible(timeout=SLOW_MS)

    page = explain(visit, "mobile")
    page.get_by_role("link", name=re.compile("^No ")).click()
    row = (
        page.get_by_role("listitem").filter(has_text="gpu-train-t4").filter(has_text="gpu-research")
    )
    expect(row).to_contain_text("mobile is not on the access list of the group gpu-research")
    row.get_by_text("All steps").click()
    expect(
        row.get_by_role("row").filter(has_text="Is the repository on its access list?")
    ).to_contain_text("No")
    visit.screenshot("groups-explain-light-1280")
    row.get_by_role("link", name="Add the repository").click()

    page.get_by_label("mobile", exact=True).check()
    page.get_by_role("button", name="Add to the group").click()
    wait_for_confirmation(page)
    page.get_by_role("link", name="Show the group").click()
    expect(page.locator("#group")).to_contain_text("mobile")
    expect(page.locator(".timeline")).to_contain_text("Repositories added")

    page = explain(visit, "mobile")
    row = (
        page.get_by_role("listitem").filter(has_text="gpu-train-t4").filter(has_text="gpu-research")
    )
    expect(row).to_contain_text("Yes")
    page.get_by_role("button", name="Check with GitHub now").click()
    expect(page.get_by_text(re.compile(r"mobile may use \d+ groups"))).to_be_visible(
        timeout=SLOW_MS
    )
    expect(page.get_by_text("GitHub disagrees")).to_have_count(0)


def test_a_group_is_created_filled_emptied_and_deleted(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = visit.open("/groups/new/")
    page.get_by_role("link", name="Choose acme").click()
    page.get_by_label("Name").fill("browser-group")
    page.get_by_label("Private repositories").check()
    page.get_by_role("button", name="Create group").click()
    wait_for_confirmation(page)
    page.get_by_role("link", name="Show the group").click()
    address = page.url

    page = open_group(visit, "Default")
    page.locator("#move-machines").get_by_label("onprem-rack-02").check()
    page.get_by_label("Group to move self-hosted runners to").select_option("browser-group")
    page.locator("#move-machines").get_by_role("button", name="Move runners").click()
    expect(page.get_by_role("heading", name="1 of 1 confirmed")).to_be_visible(timeout=SLOW_MS)
    page.goto(address)
    expect(page.locator("#group")).to_contain_text("onprem-rack-02")

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Selected repositories").check()
    page.get_by_label("Add repositories").fill("api\nsearch")
    page.get_by_role("button", name="Save changes").click()
    wait_for_confirmation(page)
    page.goto(address)
    expect(page.locator("#group")).to_contain_text("search")

    page.locator("#move-machines").get_by_label("onprem-rack-02").check()
    page.get_by_label("Group to move self-hosted runners to").select_option("Default")
    page.locator("#move-machines").get_by_role("button", name="Move runners").click()
    expect(page.get_by_role("heading", name="1 of 1 confirmed")).to_be_visible(timeout=SLOW_MS)
    page.goto(address)
    page.get_by_role("link", name="Delete", exact=True).click()
    page.get_by_label("Type browser-group to confirm").fill("browser-group")
    page.get_by_role("button", name="Delete this group").click()
    wait_for_confirmation(page)


def test_the_searchable_list_follows_typing_without_losing_the_place(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    page = open_group(visit, "production-deploys")
    page.get_by_role("link", name="Add or remove").click()
    page.get_by_label("Search by name").press_sequentially("sdk")
    expect(page.locator("#rows tbody tr")).to_have_count(2)
    expect(page.get_by_label("Search by name")).to_be_focused()


def test_a_chosen_group_stays_chosen_when_a_poll_replaces_the_page(sign_in: SignIn) -> None:
    visit = sign_in("admin")
    open_group(visit, "Default")
    page = visit.page
    page.clock.install()
    page.reload()
    machines = page.locator("#move-machines")
    machines.get_by_label("onprem-rack-01").check()
    to = page.get_by_label("Group to move self-hosted runners to")
    expect(to).to_have_value("")
    machines.get_by_role("button", name="Move runners").click()
    assert to.evaluate("select => select.validity.valueMissing")
    to.select_option("sandbox")
    machines.get_by_label("onprem-rack-02").check()
    page.locator("#group").evaluate(
        "part => { part.dataset.version = 'older'; part.classList.add('older') }"
    )
    page.clock.run_for(40_000)
    expect(page.locator("#group:not(.older)")).to_be_visible()
    expect(to.locator("option:checked")).to_have_text("sandbox")
    expect(machines.get_by_label("onprem-rack-02")).to_be_checked()
