"""The list of runners is answered from versions and cached parts, never from another user's."""

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from runners_app.models import Account, Membership, Reading, Runner, RunnerGroup
from runners_app.people.people import give_account
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
POLL = {"HX-Request": "true"}


def queries(client: Client, address: str, **headers: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address, headers=headers).status_code in (200, 204)
    return [query["sql"] for query in captured]


def version(client: Client) -> str:
    page = client.get("/runners/").content.decode()
    return page.partition('data-version="')[2].partition('"')[0]


def test_an_unchanged_poll_takes_three_queries(as_admin: Client, acme: Account) -> None:
    address = f"/runners/?version={version(as_admin)}"
    assert as_admin.get(address, headers=POLL).status_code == 204
    assert len(queries(as_admin, address, **POLL)) == 3


def test_a_cached_page_takes_no_more_queries_than_an_unchanged_poll(
    as_admin: Client, acme: Account
) -> None:
    first = as_admin.get("/runners/").content
    assert len(queries(as_admin, "/runners/")) == 3
    again = as_admin.get("/runners/").content
    assert (
        first.partition(b'id="runners"')[2].partition(b"</table>")[0]
        == (again.partition(b'id="runners"')[2].partition(b"</table>")[0])
    )


def test_an_empty_poll_response_still_carries_the_freshness(
    as_admin: Client, acme: Account
) -> None:
    answer = as_admin.get(f"/runners/?version={version(as_admin)}", headers=POLL)
    told = json.loads(answer.headers["HX-Trigger"])["freshness"]["at"]
    assert told == Reading.objects.get(account=acme, resource="runners").last_good_at.isoformat()  # type: ignore[union-attr]


def test_cached_parts_hold_no_csrf_token_and_no_relative_time(
    as_admin: Client, acme: Account
) -> None:
    part = as_admin.get("/runners/", headers=POLL).content.decode()
    assert "csrf" not in part.lower()
    assert " ago" not in part
    assert "<time" in part


def test_cached_parts_are_not_shared_between_users(
    client: Client, admin: User, lead: User, acme: Account, globex: Account
) -> None:
    give_account(lead, acme, "viewer", by=admin)
    client.force_login(admin)
    assert "globex" in client.get("/runners/").content.decode()
    client.force_login(lead)
    page = client.get("/runners/").content.decode()
    assert "globex" not in page
    assert "data-tick-all" not in page


def test_a_changed_role_changes_the_page(
    as_lead: Client, admin: User, lead: User, acme: Account
) -> None:
    give_account(lead, acme, "viewer", by=admin)
    seen = version(as_lead)
    give_account(lead, acme, "manager", by=admin)
    answer = as_lead.get(f"/runners/?version={seen}", headers=POLL)
    assert answer.status_code == 200
    assert "data-tick-all" in answer.content.decode()


def test_a_viewer_of_some_groups_shares_no_cached_page_with_a_viewer_of_the_account(
    client: Client, admin: User, lead: User, acme: Account
) -> None:
    whole = User.objects.create_user("noor")
    give_account(whole, acme, "viewer", by=admin)
    group = RunnerGroup.objects.filter(account=acme, default=True).get()
    Runner.objects.filter(pk=Runner.objects.earliest("pk").pk).update(group_id=group.github_id)
    membership = Membership.objects.create(user=lead, account=acme, limited=True)
    membership.groups.set([group])
    client.force_login(whole)
    all_of_them = client.get("/runners/").context["total"]
    client.force_login(lead)
    page = client.get("/runners/")
    assert page.context["total"] < all_of_them
    assert f'value="group:{group.name}"' in client.get("/runners/?q=group:").content.decode()


def test_only_the_facets_of_a_changed_account_are_read_again(
    as_admin: Client,
    acme: Account,
    globex: Account,
    simulator: SimulatorHandle,
    work: Work,
) -> None:
    as_admin.get("/runners/")
    simulator.create_runner("organization", "acme", name="a-new-one", machine_size="64-core")
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    asked = [sql for sql in queries(as_admin, "/runners/") if "GROUP BY" in sql]
    assert len(asked) == 1
    assert f"IN ({acme.pk})" in asked[0]


@pytest.mark.parametrize("query", ["?status=Ready", "?q=linux", "?sort=-since&size_of_page=25"])
def test_each_filter_and_order_is_cached_separately(
    as_admin: Client, acme: Account, query: str
) -> None:
    as_admin.get("/runners/")
    kept = as_admin.get(f"/runners/{query}").content
    caches["pages"].clear()
    made = as_admin.get(f"/runners/{query}").content
    assert made.partition(b'id="runners"')[2] == kept.partition(b'id="runners"')[2]


def test_more_values_than_the_limit_are_refused_and_none_is_dropped(as_admin: Client) -> None:
    values = ",".join(f"tag{number}" for number in range(51))
    page = as_admin.get("/runners/", {"q": f"tag:{values}"}).content.decode()
    assert "each with at most 50 values" in page


@pytest.mark.parametrize(
    "path", ["/runners/", "/runners/export.csv", "/images/", "/groups/", "/static-ips/"]
)
def test_a_search_for_thousands_of_words_matches_nothing(
    as_admin: Client, acme: Account, path: str
) -> None:
    """Otherwise the database gives up after half a minute."""
    answer = as_admin.get(path, {"q": "1 " * 1900})
    assert answer.status_code == 200
    assert len(answer.getvalue()) < 500_000
    assert path.endswith("csv") or "A search has at most 20 terms" in answer.getvalue().decode()
    assert Runner.objects.all()[0].name not in answer.getvalue().decode()
