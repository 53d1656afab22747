"""The overview: what needs attention first, each line leading to its list, then every account."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from runners_app.models import (
    Account,
    Credential,
    Image,
    Limits,
    Membership,
    Operation,
    Reading,
    Runner,
    RunnerGroup,
)
from runners_app.runners.requests import request_delete_runner

Page = Callable[[], str]


@pytest.fixture
def page(client: Client, admin: User) -> Page:
    """The overview as an administrator reads it."""
    client.force_login(admin)

    def read() -> str:
        answer = client.get("/")
        assert answer.status_code == 200
        return unescape(" ".join(answer.content.decode().split()))

    return read


@pytest.fixture
def calm(acme: Account) -> Account:
    """acme with nothing that needs attention."""
    now = timezone.now()
    Runner.objects.update(status="Ready", last_active_on=now, image_id="", status_since=now)
    RunnerGroup.objects.update(allows_public_repositories=False)
    Limits.objects.update(maximum=50, used=3)
    return acme


def some_runner() -> Runner:
    return Runner.objects.earliest("pk")


def shown_by(client: Client, page: str, words: str) -> str:
    """The list a line of the page leads to."""
    line = re.search(rf"<li>(?:(?!</li>).)*{re.escape(words)}.*?</li>", page)
    assert line, f"no line says: {words}"
    address = re.search(r'class="button button-small" href="([^"]+)"', line[0])
    assert address
    answer = client.get(unescape(address[1]))
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_an_empty_dashboard_leads_to_connecting(page: Page, client: Client, lead: User) -> None:
    assert "Connect an organization or enterprise" in page()
    client.force_login(lead)
    answer = client.get("/").content.decode()
    assert "Ask an administrator" in answer
    assert "/accounts/new/" not in answer


def test_a_calm_account_needs_nothing(calm: Account, page: Page) -> None:
    shown = page()
    assert "Nothing needs attention" in shown
    assert "12 Ready" in shown
    assert "3 of 50 used" in shown


def test_stuck_runners_come_first_and_lead_to_their_list(
    calm: Account, page: Page, client: Client
) -> None:
    runner = some_runner()
    Runner.objects.filter(pk=runner.pk).update(status="Stuck")
    Runner.objects.exclude(pk=runner.pk).update(last_active_on=timezone.now() - timedelta(days=91))
    shown = page()
    assert shown.index("1 runner is Stuck") < shown.index("11 runners were not used for 90 days")
    listed = shown_by(client, shown, "1 runner is Stuck")
    assert runner.name in listed
    assert Runner.objects.exclude(pk=runner.pk)[0].name not in listed


def test_provisioning_is_told_after_half_an_hour(calm: Account, page: Page) -> None:
    ago = timezone.now() - timedelta(minutes=29)
    Runner.objects.filter(pk=some_runner().pk).update(status="Provisioning", status_since=ago)
    assert "Provisioning for more than" not in page()
    Runner.objects.filter(pk=some_runner().pk).update(status_since=ago - timedelta(minutes=2))
    assert "1 runner has been Provisioning for more than 30 minutes" in page()


def test_an_image_that_is_no_longer_offered_is_told(
    calm: Account, page: Page, client: Client
) -> None:
    image = Image.objects.filter(source="github").earliest("pk")
    Runner.objects.filter(pk=some_runner().pk).update(
        image_id=image.github_id, image_source="github"
    )
    assert "no longer offered" not in page()
    Image.objects.filter(pk=image.pk).update(gone_at=timezone.now())
    listed = shown_by(client, page(), "1 runner is made from an image that is no longer offered")
    assert some_runner().name in listed
    assert Runner.objects.exclude(pk=some_runner().pk)[0].name not in listed


def test_nothing_is_said_about_images_while_they_were_never_read(calm: Account, page: Page) -> None:
    Runner.objects.update(image_id="9999", image_source="github")
    Image.objects.all().delete()
    assert "no longer offered" not in page()


@pytest.mark.parametrize(("used", "told"), [(39, False), (40, True), (50, True)])
def test_static_ips_are_told_from_four_fifths_on(
    calm: Account, page: Page, used: int, told: bool
) -> None:
    Limits.objects.update(used=used)
    assert (f"acme: {used} of 50 static IPs are used" in page()) is told


def test_groups_open_to_public_repositories_are_told_when_they_hold_runners(
    calm: Account, page: Page
) -> None:
    group = RunnerGroup.objects.get(github_id=some_runner().group_id or 0)
    RunnerGroup.objects.filter(pk=group.pk).update(allows_public_repositories=True)
    assert "1 group with runners is open to public repositories" in page()
    Runner.objects.filter(group_id=group.github_id).update(group_id=None)
    assert "open to public repositories" not in page()


def test_a_token_out_of_use_and_one_that_expires_soon_are_told(calm: Account, page: Page) -> None:
    Credential.objects.update(token_expires_at=timezone.now() + timedelta(days=15))
    assert "Nothing needs attention" in page()
    Credential.objects.update(token_expires_at=timezone.now() + timedelta(days=13, hours=1))
    assert "The token of acme expires in 14 days" in page()
    Credential.objects.update(
        quarantined_at=timezone.now(), quarantine_reason="GitHub answered 401."
    )
    assert "The token of acme is out of use" in page()


def test_a_credential_that_waits_for_github_is_told(calm: Account, page: Page) -> None:
    Credential.objects.update(
        paused_until=timezone.now() + timedelta(minutes=5), pause_reason="GitHub's rate limit"
    )
    assert "GitHub asked to wait before acme is read again" in page()


def test_a_failing_reading_is_told_with_its_reason(calm: Account, page: Page) -> None:
    Reading.objects.filter(resource="groups").update(
        error="permission", error_message="The token lacks a scope."
    )
    shown = page()
    assert "acme: Runner groups could not be read" in shown
    assert "The token lacks a scope." in shown


def test_an_account_nobody_reads_any_more_is_told(calm: Account, page: Page) -> None:
    old = timezone.now() - timedelta(minutes=61)
    Reading.objects.filter(resource="runners").update(last_good_at=old, due_at=old)
    assert "acme is out of date" in page()
    Account.objects.update(paused=True)
    assert "acme is out of date" not in page()


def test_operations_that_wait_for_a_person_are_told(
    calm: Account, page: Page, admin: User, client: Client
) -> None:
    operation = request_delete_runner(some_runner(), by=admin, nonce="one")
    assert "Nothing needs attention" in page()
    old = timezone.now() - timedelta(minutes=16)
    Operation.objects.filter(pk=operation.pk).update(confirmed_at=old)
    assert some_runner().name in shown_by(client, page(), "1 operation lay unsent")
    Operation.objects.filter(pk=operation.pk).update(state=Operation.State.NEEDS_ATTENTION)
    assert some_runner().name in shown_by(client, page(), "1 operation needs your decision")


def test_demo_accounts_stay_out_of_totals_once_a_real_one_is_connected(
    calm: Account, globex: Account, page: Page
) -> None:
    Account.objects.filter(pk=calm.pk).update(demo=True)
    Account.objects.filter(pk=globex.pk).update(demo=True)
    assert '<span class="tile-number">24</span>' in page()
    Account.objects.filter(pk=globex.pk).update(demo=False)
    shown = page()
    assert '<span class="tile-number">12</span>' in shown
    assert "and 1 of the demo, not counted" in shown
    assert "acme" in shown


def test_a_lead_sees_only_what_was_given(
    acme: Account, globex: Account, lead: User, client: Client
) -> None:
    Runner.objects.filter(account=acme).update(status="Stuck")
    Runner.objects.filter(account=globex).update(status="Ready")
    Membership.objects.create(user=lead, account=globex)
    client.force_login(lead)
    shown = client.get("/").content.decode()
    assert "globex" in shown
    assert "acme" not in shown
    assert "Stuck" not in shown


def test_a_poll_answers_204_until_an_account_changes(
    acme: Account, client: Client, admin: User
) -> None:
    client.force_login(admin)
    htmx = {"HX-Request": "true"}
    first = client.get("/")
    version = first.context["version"]
    again = client.get("/", {"version": version}, headers=htmx)
    if again.status_code == 200:  # a minute began just now
        version = again.context["version"]
        again = client.get("/", {"version": version}, headers=htmx)
    assert again.status_code == 204
    Account.objects.update(version=99)
    assert client.get("/", {"version": version}, headers=htmx).status_code == 200


@pytest.mark.usefixtures("acme", "globex", "umbrella")
def test_it_costs_thirteen_queries_however_many_accounts_and_runners(
    client: Client, admin: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(admin)
    with django_assert_num_queries(13):
        client.get("/")


def test_it_refuses_post(client: Client, admin: User) -> None:
    client.force_login(admin)
    assert client.post("/").status_code == 405
