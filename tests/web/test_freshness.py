"""The freshness line: when GitHub was last read, what fails, and the rate budget left."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runners_app.models import Account, Credential, Image, Reading, Runner, RunnerGroup
from runners_app.people.people import give_account

LISTS = {
    "/": "runners",
    "/runners/": "runners",
    "/images/": "custom_images",
    "/images/?source=github": "catalog",
    "/images/sizes/": "catalog",
    "/groups/": "groups",
    "/static-ips/": "limits",
}
Open = Callable[[str], str]


def line_of(page: str) -> str:
    """The visible words of the freshness line."""
    line = re.search(r'<div class="freshness.*?</div>', page, re.DOTALL)
    shown = line[0] if line else ""
    for _ in range(2):  # nested elements, innermost first
        shown = re.sub(r"<span[^>]* hidden>(?:(?!<span).)*?</span>", "", shown, flags=re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", shown).split()))


def freshness_sent_to(client: Client, address: str, page: str) -> dict[str, Any]:
    """The freshness line that a poll of the page carries."""
    version = page.partition('data-version="')[2].partition('"')[0]
    mark = "&" if "?" in address else "?"
    answer = client.get(f"{address}{mark}version={version}", headers={"HX-Request": "true"})
    assert answer.status_code in (200, 204)  # the overview is new every minute
    line: dict[str, Any] = json.loads(answer.headers["HX-Trigger"])["freshness"]
    return line


@pytest.fixture
def open_page(client: Client, admin: User) -> Open:
    client.force_login(admin)

    def get(address: str) -> str:
        caches["pages"].clear()
        answer = client.get(address)
        assert answer.status_code == 200
        return answer.content.decode()

    return get


def leave(account: Account, share: int, **fields: object) -> None:
    Credential.objects.filter(pk=account.credential_id).update(
        rate_limit=5000, rate_remaining=50 * share, **fields
    )


@pytest.mark.parametrize("address", LISTS)
def test_a_list_shows_age_refresh_and_the_lowest_budget(
    open_page: Open, acme: Account, globex: Account, address: str
) -> None:
    leave(acme, 81, rate_reset_at=None)
    leave(globex, 37, rate_reset_at=None)
    page = open_page(address)
    assert line_of(page) == "Synced just now Rate budget: 37 % left Refresh"
    assert '<a href="/accounts/" title="Of the credential that has least left">Rate budget' in page


def test_the_page_of_one_thing_shows_the_budget_of_its_account(
    open_page: Open, acme: Account, globex: Account
) -> None:
    leave(acme, 81, rate_reset_at=None)
    leave(globex, 12, rate_reset_at=None)
    for noun, model in (("runners", Runner), ("images", Image), ("groups", RunnerGroup)):
        page = open_page(f"/{noun}/{model.objects.filter(account=acme)[0].pk}/")
        assert line_of(page) == "Synced just now Rate budget: 81 % left Refresh"
        assert f'<a href="/accounts/{acme.pk}/">Rate budget' in page


def test_a_budget_is_full_after_its_reset_and_unknown_for_a_disabled_token(
    open_page: Open, acme: Account
) -> None:
    leave(acme, 3, rate_reset_at=timezone.now() - timedelta(seconds=1))
    assert "Rate budget: 100 % left" in line_of(open_page("/runners/"))
    leave(acme, 3, quarantined_at=timezone.now())
    assert "Rate budget" not in line_of(open_page("/runners/"))


def test_the_budget_of_accounts_the_user_may_not_see_is_not_shown(
    client: Client, admin: User, lead: User, acme: Account, globex: Account
) -> None:
    leave(acme, 81, rate_reset_at=None)
    leave(globex, 12, rate_reset_at=None)
    give_account(lead, acme, "viewer", by=admin)
    client.force_login(lead)
    for address in LISTS:
        assert "Rate budget: 81 % left" in line_of(client.get(address).content.decode())


def test_a_cached_page_shows_the_present_budget(as_admin: Client, acme: Account) -> None:
    as_admin.get("/runners/")
    leave(acme, 44, rate_reset_at=None)
    caches["pages"].delete(f"freshness:runners:{hash((acme.pk,))}")
    with CaptureQueriesContext(connection) as asked:
        assert "Rate budget: 44 % left" in line_of(as_admin.get("/runners/").content.decode())
    assert len(asked) == 4  # session, user, versions, readings with their credentials


@pytest.mark.parametrize("address", LISTS)
def test_the_number_of_queries_does_not_depend_on_accounts(
    open_page: Open, acme: Account, request: pytest.FixtureRequest, address: str
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            open_page(address)
        return len(asked)

    open_page(address)
    one = queries()
    request.getfixturevalue("globex")
    request.getfixturevalue("umbrella")
    open_page(address)
    assert queries() <= one


@pytest.mark.parametrize(("address", "resource"), LISTS.items())
def test_an_open_page_learns_of_a_new_reading_without_changes(
    client: Client, open_page: Open, acme: Account, address: str, resource: str
) -> None:
    page = open_page(address)
    later = timezone.now() + timedelta(seconds=30)
    Reading.objects.filter(resource=resource).update(last_good_at=later)
    caches["pages"].clear()
    assert freshness_sent_to(client, address, page)["at"] == later.isoformat()


@pytest.mark.parametrize(("address", "resource"), LISTS.items())
def test_an_open_page_learns_of_failing_readings_and_of_a_low_budget(
    client: Client, open_page: Open, acme: Account, address: str, resource: str
) -> None:
    leave(acme, 81, rate_reset_at=None)
    page = open_page(address)
    fine = freshness_sent_to(client, address, page)
    assert (fine["failing"], fine["budget"]["words"], fine["budget"]["is_low"]) == (
        False,
        "Rate budget: 81 % left",
        False,
    )
    leave(acme, 7, rate_reset_at=None)
    Reading.objects.filter(resource=resource).update(
        error="refused", error_message="GitHub said no."
    )
    caches["pages"].clear()
    line = freshness_sent_to(client, address, page)
    assert (line["failing"], line["budget"]["words"], line["budget"]["is_low"]) == (
        True,
        "Rate budget: 7 % left",
        True,
    )


def test_the_page_of_one_thing_learns_why_its_reading_fails(
    client: Client, open_page: Open, acme: Account
) -> None:
    leave(acme, 81, rate_reset_at=None)
    for noun, model in (("runners", Runner), ("images", Image), ("groups", RunnerGroup)):
        address = f"/{noun}/{model.objects.filter(account=acme)[0].pk}/"
        Reading.objects.update(error="", error_message="")
        page = open_page(address)
        Reading.objects.update(error="refused", error_message="GitHub said no.")
        caches["pages"].clear()
        line = freshness_sent_to(client, address, page)
        assert (line["failing"], line["reason"]) == (True, "GitHub said no.")
        assert line["budget"]["address"] == f"/accounts/{acme.pk}/"
        assert line_of(open_page(address)).startswith(
            "Synced just now GitHub said no. Rate budget: 81 % left"
        )


@pytest.mark.parametrize("address", LISTS)
def test_a_poll_and_the_page_show_the_same_freshness(
    client: Client, open_page: Open, acme: Account, address: str
) -> None:
    leave(acme, 12, rate_reset_at=None)
    Reading.objects.update(error="refused", error_message="GitHub said no.")
    page = open_page(address)
    caches["pages"].clear()
    line = freshness_sent_to(client, address, page)
    assert line["budget"]["words"] in line_of(page)
    assert f'<a href="{line["budget"]["address"]}">Rate budget' in page
    assert line["failing"]
    assert '"freshness freshness-failing"' in page


def test_a_poll_costs_one_query_for_the_freshness_line(
    client: Client, open_page: Open, acme: Account
) -> None:
    page = open_page("/runners/")
    caches["pages"].clear()
    with CaptureQueriesContext(connection) as asked:
        freshness_sent_to(client, "/runners/", page)
    assert len(asked) == 4  # session, user, versions, readings with their credentials
