"""The list of runners answers from versions and kept parts: little work, and nobody's page but
one's own.
"""

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


def test_an_unchanged_poll_asks_for_session_person_and_versions_and_nothing_else(
    client: Client, admin: User, acme: Account
) -> None:
    client.force_login(admin)
    address = f"/runners/?version={version(client)}"
    assert client.get(address, headers=POLL).status_code == 204
    assert len(queries(client, address, **POLL)) == 3


def test_a_page_that_was_shown_before_costs_no_more_than_an_unchanged_poll(
    client: Client, admin: User, acme: Account
) -> None:
    client.force_login(admin)
    first = client.get("/runners/").content
    assert len(queries(client, "/runners/")) == 3
    again = client.get("/runners/").content
    assert (
        first.partition(b'id="runners"')[2].partition(b"</table>")[0]
        == (again.partition(b'id="runners"')[2].partition(b"</table>")[0])
    )


def test_an_answer_without_content_still_tells_how_fresh_the_page_is(
    client: Client, admin: User, acme: Account
) -> None:
    client.force_login(admin)
    answer = client.get(f"/runners/?version={version(client)}", headers=POLL)
    told = json.loads(answer.headers["HX-Trigger"])["freshness"]["at"]
    assert told == Reading.objects.get(account=acme, resource="runners").last_good_at.isoformat()  # type: ignore[union-attr]


def test_what_is_kept_holds_no_token_and_no_relative_time(
    client: Client, admin: User, acme: Account
) -> None:
    client.force_login(admin)
    part = client.get("/runners/", headers=POLL).content.decode()
    assert "csrf" not in part.lower()
    assert " ago" not in part
    assert "<time" in part


def test_kept_parts_are_nobody_elses(
    client: Client, admin: User, lead: User, acme: Account, globex: Account
) -> None:
    give_account(lead, acme, "viewer", by=admin)
    client.force_login(admin)
    assert "globex" in client.get("/runners/").content.decode()
    client.force_login(lead)
    page = client.get("/runners/").content.decode()
    assert "globex" not in page
    assert "data-tick-all" not in page


def test_a_role_that_changes_changes_the_page(
    client: Client, admin: User, lead: User, acme: Account
) -> None:
    give_account(lead, acme, "viewer", by=admin)
    client.force_login(lead)
    seen = version(client)
    give_account(lead, acme, "manager", by=admin)
    answer = client.get(f"/runners/?version={seen}", headers=POLL)
    assert answer.status_code == 200
    assert "data-tick-all" in answer.content.decode()


def test_a_viewer_of_some_groups_shares_no_page_with_a_viewer_of_all(
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
    assert page.context["options"]["group"] == [group.name]


def test_one_changed_account_is_read_again_and_the_others_are_remembered(
    client: Client,
    admin: User,
    acme: Account,
    globex: Account,
    simulator: SimulatorHandle,
    work: Work,
) -> None:
    client.force_login(admin)
    client.get("/runners/")
    simulator.create_runner("organization", "acme", name="a-new-one", machine_size="64-core")
    Reading.objects.schedule_now(acme, "runners")
    work(acme)
    asked = [sql for sql in queries(client, "/runners/") if "GROUP BY" in sql]
    assert len(asked) == 1
    assert f"IN ({acme.pk})" in asked[0]


@pytest.mark.parametrize("query", ["?status=Ready", "?q=linux", "?sort=-since&size_of_page=25"])
def test_each_filter_and_order_is_kept_by_itself(
    client: Client, admin: User, acme: Account, query: str
) -> None:
    client.force_login(admin)
    client.get("/runners/")
    kept = client.get(f"/runners/{query}").content
    caches["pages"].clear()
    made = client.get(f"/runners/{query}").content
    assert made.partition(b'id="runners"')[2] == kept.partition(b'id="runners"')[2]


@pytest.mark.parametrize(
    "path", ["/runners/", "/runners/export.csv", "/images/", "/groups/", "/static-ips/"]
)
def test_thousands_of_words_match_nothing_instead_of_everything_or_of_an_error(
    client: Client, admin: User, acme: Account, path: str
) -> None:
    """A database gives up on them, after half a minute."""
    client.force_login(admin)
    answer = client.get(path, {"q": "1 " * 1900})
    assert answer.status_code == 200
    assert Runner.objects.all()[0].name not in answer.getvalue().decode()
