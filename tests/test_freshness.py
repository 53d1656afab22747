"""Every page that shows what GitHub said tells how old that is, offers to read it again, and what budget is left."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runners_app.models import Account, Credential, Image, Reading, Runner, RunnerGroup
from runners_app.services.people import give_account

LISTS = {
    "/": "runners", "/runners/": "runners", "/images/": "custom_images", "/images/?source=github": "catalog",
    "/images/sizes/": "catalog", "/groups/": "groups", "/static-ips/": "limits",
}  # fmt: skip
Open = Callable[[str], str]


def line_of(page: str) -> str:
    """The words of the line under the heading."""
    line = re.search(r'<div class="freshness.*?</div>', page, re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", line[0]).split())) if line else ""


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
    Credential.objects.filter(pk=account.credential_id).update(rate_limit=5000, rate_remaining=50 * share, **fields)


@pytest.mark.parametrize("address", LISTS)
def test_a_list_tells_age_refresh_and_the_lowest_budget_with_a_link_to_the_accounts(
    open_page: Open, acme: Account, globex: Account, address: str
) -> None:
    leave(acme, 81, rate_reset_at=None)
    leave(globex, 37, rate_reset_at=None)
    page = open_page(address)
    assert line_of(page) == "Synced just now Rate budget: 37 % left Refresh"
    assert '<a href="/accounts/" title="Of the credential that has least left">Rate budget' in page


def test_the_page_of_one_thing_tells_its_own_accounts_budget(open_page: Open, acme: Account, globex: Account) -> None:
    leave(acme, 81, rate_reset_at=None)
    leave(globex, 12, rate_reset_at=None)
    for noun, model in (("runners", Runner), ("images", Image), ("groups", RunnerGroup)):
        page = open_page(f"/{noun}/{model.objects.filter(account=acme)[0].pk}/")
        assert line_of(page) == "Synced just now Rate budget: 81 % left Refresh"
        assert f'<a href="/accounts/{acme.pk}/">Rate budget' in page


def test_a_budget_is_whole_again_after_its_reset_and_that_of_a_broken_token_says_nothing(
    open_page: Open, acme: Account
) -> None:
    leave(acme, 3, rate_reset_at=timezone.now() - timedelta(seconds=1))
    assert "Rate budget: 100 % left" in line_of(open_page("/runners/"))
    leave(acme, 3, quarantined_at=timezone.now())
    assert "Rate budget" not in line_of(open_page("/runners/"))


def test_nobody_is_told_the_budget_of_accounts_they_were_not_given(
    client: Client, admin: User, lead: User, acme: Account, globex: Account
) -> None:
    leave(acme, 81, rate_reset_at=None)
    leave(globex, 12, rate_reset_at=None)
    give_account(lead, acme, "viewer", by=admin)
    client.force_login(lead)
    for address in LISTS:
        assert "Rate budget: 81 % left" in line_of(client.get(address).content.decode())


def test_a_kept_page_tells_the_budget_of_now(client: Client, admin: User, acme: Account) -> None:
    client.force_login(admin)
    client.get("/runners/")
    leave(acme, 44, rate_reset_at=None)
    caches["pages"].delete(f"budget:{hash((acme.pk,))}")
    with CaptureQueriesContext(connection) as asked:
        assert "Rate budget: 44 % left" in line_of(client.get("/runners/").content.decode())
    assert len(asked) == 4  # session, person, versions, budget


@pytest.mark.parametrize("address", LISTS)
def test_more_accounts_cost_no_more_queries(
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
def test_a_page_left_open_learns_that_nothing_new_was_read_again(
    client: Client, open_page: Open, acme: Account, address: str, resource: str
) -> None:
    version = open_page(address).partition('data-version="')[2].partition('"')[0]
    later = timezone.now() + timedelta(seconds=30)
    Reading.objects.filter(resource=resource).update(last_good_at=later)
    caches["pages"].clear()
    mark = "&" if "?" in address else "?"
    answer = client.get(f"{address}{mark}version={version}", headers={"HX-Request": "true"})
    assert answer.status_code in (200, 204)  # the overview is made anew every minute
    assert json.loads(answer.headers["HX-Trigger"])["freshness"]["at"] == later.isoformat()
