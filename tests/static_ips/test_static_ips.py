"""The static IPs page through Django's client, backed by the simulator."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, Limits, Membership, Reading, Runner
from tests.queries import queries
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
POLL = {"HX-Request": "true"}


def text(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def give_range(runner: Runner, *ranges: str, enabled: bool = True) -> None:
    parts = [each.split("/") for each in ranges]
    runner.public_ips = [
        {"enabled": enabled, "prefix": prefix, "length": int(length)} for prefix, length in parts
    ]
    runner.static_ip = True
    runner.save(update_fields=["public_ips", "static_ip"])


def test_it_shows_used_and_remaining_static_ips_per_account(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    limits = Limits.objects.current().get(account=acme)
    page = text(as_admin, "/static-ips/")
    assert f"{limits.used} of {limits.maximum} used" in page
    assert {gauge.account for gauge in as_admin.get("/static-ips/").context["gauges"]} == {
        acme,
        globex,
    }


def test_the_account_with_the_largest_share_in_use_is_first(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    Limits.objects.filter(account=globex).update(used=9, maximum=10)
    gauges = as_admin.get("/static-ips/").context["gauges"]
    assert [gauge.account.slug for gauge in gauges] == ["globex", "acme"]


def test_ranges_can_be_copied_one_by_one_and_all_at_once(as_admin: Client, acme: Account) -> None:
    runners = Runner.objects.filter(account=acme, static_ip=True)
    page = text(as_admin, "/static-ips/")
    assert runners.count() == 3
    for runner in runners:
        assert f'data-copy="{runner.ip_ranges[0]}"' in page
        assert f'href="/runners/{runner.pk}/"' in page
    ranges = as_admin.get("/static-ips/").context["ranges"]
    assert set(ranges) == {each for runner in runners for each in runner.ip_ranges}
    assert f'data-copy="{ranges[0]} ' in page


def test_the_plain_text_contains_each_enabled_range_once_in_order(
    as_admin: Client, acme: Account
) -> None:
    first, second, third = Runner.objects.filter(account=acme, static_ip=True)
    give_range(first, "203.0.113.16/28", "9.0.0.0/31")
    give_range(second, "203.0.113.16/28", "2001:db8::/64")
    give_range(third, "198.51.100.0/28", enabled=False)
    answer = as_admin.get("/static-ips/ranges.txt")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content.decode() == "9.0.0.0/31\n203.0.113.16/28\n2001:db8::/64\n"
    assert "Not enabled" in text(as_admin, "/static-ips/")


@pytest.mark.parametrize(
    "sought", ["203.0.113.17", "203.0.113.16/30", " 203.0.113.0/24 ", "2001:db8::1"]
)
def test_an_address_finds_the_runner_whose_range_contains_it(
    as_admin: Client, acme: Account, sought: str
) -> None:
    wanted = Runner.objects.filter(account=acme, static_ip=True).first()
    assert wanted is not None
    give_range(wanted, "203.0.113.16/28", "2001:db8::/64")
    context = as_admin.get("/static-ips/", {"q": sought}).context
    assert [runner.pk for runner in context["page"].rows] == [wanted.pk]
    assert context["total"] == 1
    assert (
        as_admin.get("/static-ips/ranges.txt", {"q": sought}).content
        == b"203.0.113.16/28\n2001:db8::/64\n"
    )


def test_words_and_accounts_filter_the_ranges(
    as_admin: Client, acme: Account, globex: Account
) -> None:
    rows = as_admin.get("/static-ips/", {"q": "org:globex golden"}).context["page"].rows
    assert [(row.account.slug, row.name) for row in rows] == [("globex", "golden-linux-16core")]
    context = as_admin.get("/static-ips/", {"account": "ACME"}).context
    assert {row.account for row in context["page"].rows} == {acme}
    assert [gauge.account for gauge in context["gauges"]] == [acme]


def test_a_team_lead_sees_only_their_accounts(
    as_lead: Client, lead: User, acme: Account, globex: Account
) -> None:
    mine, theirs = (
        Runner.objects.filter(account=account, static_ip=True).first() for account in (acme, globex)
    )
    assert mine is not None
    assert theirs is not None
    give_range(mine, "203.0.113.16/28")
    give_range(theirs, "198.51.100.0/28")
    Membership.objects.create(user=lead, account=acme)
    page = text(as_lead, "/static-ips/")
    assert "203.0.113.16/28" in page
    assert "globex" not in page
    assert "198.51.100.0/28" not in page
    plain = as_lead.get("/static-ips/ranges.txt").content.decode()
    assert "203.0.113.16/28" in plain
    assert "198.51.100.0/28" not in plain
    assert as_lead.get("/static-ips/ranges.txt", {"account": "globex"}).content == b""


def test_a_user_without_access_sees_an_explanation(as_lead: Client, globex: Account) -> None:
    page = text(as_lead, "/static-ips/")
    assert "You don't have access to any organization yet" in page
    assert "globex" not in page
    assert as_lead.get("/static-ips/ranges.txt").content == b""


def test_unreadable_limits_say_why_and_the_ranges_stay(as_admin: Client, acme: Account) -> None:
    Limits.objects.all().delete()
    acme.readings.filter(resource="limits").update(
        error="permission", error_message="The credential lacks a right."
    )
    page = text(as_admin, "/static-ips/")
    assert "Cannot be read" in page
    assert "The credential lacks a right." in page
    assert "golden-linux-16core" in page


def test_one_account_shows_the_history_of_its_limits(
    as_admin: Client,
    acme: Account,
    globex: Account,
    simulator: SimulatorHandle,
    work: Work,
) -> None:
    simulator.change_account("organization", "acme", static_ip_maximum=25)
    Reading.objects.schedule_now(acme, "limits")
    work(acme)
    assert "Changes of the limits" not in text(as_admin, "/static-ips/")
    page = text(as_admin, "/static-ips/", account="acme")
    assert "Changes of the limits of acme" in page
    assert "3 of 25 used" in page
    assert [
        row.maximum
        for row in as_admin.get("/static-ips/?account=acme").context["gauges"][0].history
    ] == [25, 10]


def test_a_runner_without_assigned_ranges_is_polled_more_often(
    as_admin: Client, acme: Account
) -> None:
    Runner.objects.filter(account=acme, name="code-scanning").update(static_ip=True, public_ips=[])
    assert "Not assigned yet" in text(as_admin, "/static-ips/")
    assert as_admin.get("/static-ips/").context["moving"]


def test_a_malformed_range_is_shown_but_not_copied(as_admin: Client, acme: Account) -> None:
    runner = Runner.objects.filter(account=acme, static_ip=True).first()
    assert runner is not None
    runner.public_ips = [{"enabled": True, "prefix": "soon", "length": 28}, {"enabled": True}]
    runner.save(update_fields=["public_ips"])
    assert "soon/28" in text(as_admin, "/static-ips/")
    assert "soon" not in as_admin.get("/static-ips/ranges.txt").content.decode()


def test_more_rows_take_no_more_queries(as_admin: Client, acme: Account, globex: Account) -> None:
    small = queries(as_admin, "/static-ips/?account=acme")
    now = timezone.now()
    for number, runner in enumerate(Runner.objects.all()):
        give_range(runner, f"203.0.113.{number}/32")
    Limits.objects.bulk_create(
        Limits(
            account=acme,
            maximum=10,
            used=n % 9,
            current=False,
            observed_at=now - timedelta(days=n + 1),
        )
        for n in range(100)
    )
    assert queries(as_admin, "/static-ips/") <= small <= 10
    assert len(as_admin.get("/static-ips/?account=acme").context["gauges"][0].history) == 30


def test_a_poll_with_the_current_version_is_answered_without_content(
    as_admin: Client, acme: Account
) -> None:
    version = as_admin.get("/static-ips/").context["version"]
    assert as_admin.get("/static-ips/", {"version": version}, headers=POLL).status_code == 204
    answer = as_admin.get("/static-ips/", {"version": "older"}, headers=POLL)
    assert answer.status_code == 200
    assert b"<html" not in answer.content


@pytest.mark.parametrize(
    "query", ["q=%00", "after=zzz", "account=%ff", "q=999.1.1.1", "q=10.0.0.0/99", "q=1"]
)
def test_invalid_parameters_never_break_the_page(
    as_admin: Client, acme: Account, query: str
) -> None:
    assert as_admin.get(f"/static-ips/?{query}").status_code == 200
    assert as_admin.get(f"/static-ips/ranges.txt?{query}").status_code == 200


def test_refreshing_schedules_a_reading_of_limits_and_runners(
    as_lead: Client, lead: User, acme: Account
) -> None:
    Membership.objects.create(user=lead, account=acme)
    assert as_lead.post("/static-ips/refresh/").status_code == 302
    due = acme.readings.filter(due_at__lte=timezone.now()).values_list("resource", flat=True)
    assert {"limits", "runners"} <= set(due)


def test_it_rejects_post(as_admin: Client) -> None:
    assert as_admin.post("/static-ips/").status_code == 405
