"""The overview: what needs a person, with links to the lists, then the accounts."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
import time_machine
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
def page(as_admin: Client) -> Page:
    """Reads the overview as an administrator; answers its text."""

    def read() -> str:
        answer = as_admin.get("/")
        assert answer.status_code == 200
        return unescape(" ".join(answer.content.decode().split()))

    return read


@pytest.fixture
def calm(acme: Account) -> Account:
    """The organization acme with nothing that needs a person."""
    now = timezone.now()
    Runner.objects.update(status="Ready", last_active_on=now, image_id="", status_since=now)
    RunnerGroup.objects.update(allows_public_repositories=False)
    Limits.objects.update(maximum=50, used=3)
    return acme


def some_runner() -> Runner:
    return Runner.objects.earliest("pk")


def list_behind(client: Client, page: str, words: str) -> str:
    """The page that a line of the overview links to."""
    line = re.search(rf"<li>(?:(?!</li>).)*{re.escape(words)}.*?</li>", page)
    assert line, f"no line says: {words}"
    address = re.search(r'class="button button-small" href="([^"]+)"', line[0])
    assert address
    answer = client.get(unescape(address[1]))
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_an_empty_dashboard_offers_to_connect_an_organization(
    page: Page, client: Client, lead: User
) -> None:
    assert "Connect an organization or enterprise" in page()
    client.force_login(lead)
    answer = client.get("/").content.decode()
    assert "Ask an administrator" in answer
    assert "/accounts/new/" not in answer


def test_an_account_without_problems_needs_nothing(calm: Account, page: Page) -> None:
    shown = page()
    assert "Nothing needs attention" in shown
    assert "12 Ready" in shown
    assert "3 of 50 used" in shown


def test_stuck_runners_come_first_and_link_to_their_list(
    calm: Account, page: Page, client: Client
) -> None:
    runner = some_runner()
    Runner.objects.filter(pk=runner.pk).update(status="Stuck")
    Runner.objects.exclude(pk=runner.pk).update(last_active_on=timezone.now() - timedelta(days=91))
    shown = page()
    assert shown.index("1 runner is Stuck") < shown.index(
        "11 runners have not been used for 90 days"
    )
    listed = list_behind(client, shown, "1 runner is Stuck")
    assert runner.name in listed
    assert Runner.objects.exclude(pk=runner.pk)[0].name not in listed


def test_provisioning_needs_attention_after_half_an_hour(calm: Account, page: Page) -> None:
    ago = timezone.now() - timedelta(minutes=29)
    Runner.objects.filter(pk=some_runner().pk).update(status="Provisioning", status_since=ago)
    assert "been Provisioning for" not in page()
    Runner.objects.filter(pk=some_runner().pk).update(status_since=ago - timedelta(minutes=2))
    assert "1 runner has been Provisioning for 30 minutes or more" in page()


def test_runners_with_an_image_no_longer_offered_need_attention(
    calm: Account, page: Page, client: Client
) -> None:
    image = Image.objects.filter(source="github").earliest("pk")
    Runner.objects.filter(pk=some_runner().pk).update(
        image_id=image.github_id, image_source="github"
    )
    assert "no longer offered" not in page()
    Image.objects.filter(pk=image.pk).update(gone_at=timezone.now())
    listed = list_behind(client, page(), "1 runner uses an image that is no longer offered")
    assert some_runner().name in listed
    assert Runner.objects.exclude(pk=some_runner().pk)[0].name not in listed


def test_images_that_were_never_read_do_not_count_as_no_longer_offered(
    calm: Account, page: Page
) -> None:
    Runner.objects.update(image_id="9999", image_source="github")
    Image.objects.all().delete()
    assert "no longer offered" not in page()


@pytest.mark.parametrize(("used", "shown"), [(39, False), (40, True), (50, True)])
def test_static_ips_need_attention_from_four_fifths_on(
    calm: Account, page: Page, used: int, shown: bool
) -> None:
    Limits.objects.update(used=used)
    assert (f"acme: {used} of 50 static IPs are used" in page()) is shown


def test_public_groups_need_attention_only_while_they_have_runners(
    calm: Account, page: Page
) -> None:
    group = RunnerGroup.objects.get(github_id=some_runner().group_id or 0)
    RunnerGroup.objects.filter(pk=group.pk).update(allows_public_repositories=True)
    assert "1 group with runners is open to public repositories" in page()
    Runner.objects.filter(group_id=group.github_id).update(group_id=None)
    assert "open to public repositories" not in page()


def test_a_disabled_token_and_one_that_expires_soon_need_attention(
    calm: Account, page: Page
) -> None:
    Credential.objects.update(token_expires_at=timezone.now() + timedelta(days=15))
    assert "Nothing needs attention" in page()
    Credential.objects.update(token_expires_at=timezone.now() + timedelta(days=13, hours=1))
    assert "The token of acme expires in 14 days" in page()
    Credential.objects.update(
        quarantined_at=timezone.now(), quarantine_reason="GitHub answered 401."
    )
    assert "The token of acme is disabled" in page()


def test_a_credential_that_waits_for_github_needs_attention(calm: Account, page: Page) -> None:
    Credential.objects.update(
        paused_until=timezone.now() + timedelta(minutes=5), pause_reason="GitHub's rate limit"
    )
    assert "GitHub asked to wait before acme is read again" in page()


def test_a_failing_reading_is_shown_with_its_reason(calm: Account, page: Page) -> None:
    Reading.objects.filter(resource="groups").update(
        error="permission", error_message="The token lacks a scope."
    )
    shown = page()
    assert "acme: Runner groups could not be read" in shown
    assert "The token lacks a scope." in shown


def test_an_account_that_no_worker_reads_needs_attention(calm: Account, page: Page) -> None:
    old = timezone.now() - timedelta(minutes=61)
    Reading.objects.filter(resource="runners").update(last_good_at=old, due_at=old)
    assert "acme is out of date" in page()
    Account.objects.update(paused=True)
    assert "acme is out of date" not in page()


def test_operations_that_wait_for_a_person_need_attention(
    calm: Account, page: Page, admin: User, client: Client
) -> None:
    operation = request_delete_runner(some_runner(), by=admin, nonce="one")
    assert "Nothing needs attention" in page()
    old = timezone.now() - timedelta(minutes=16)
    Operation.objects.filter(pk=operation.pk).update(confirmed_at=old)
    assert some_runner().name in list_behind(client, page(), "1 operation was not sent in time")
    Operation.objects.filter(pk=operation.pk).update(state=Operation.State.NEEDS_ATTENTION)
    assert some_runner().name in list_behind(client, page(), "1 operation needs your decision")


def test_totals_leave_demo_accounts_out_once_a_real_one_is_connected(
    calm: Account, globex: Account, page: Page
) -> None:
    Account.objects.filter(pk=calm.pk).update(demo=True)
    Account.objects.filter(pk=globex.pk).update(demo=True)
    assert '<span class="tile-number">24</span>' in page()
    Account.objects.filter(pk=globex.pk).update(demo=False)
    shown = page()
    assert '<span class="tile-number">12</span>' in shown
    assert "plus 1 demo, not counted" in shown
    assert "acme" in shown


def test_a_team_lead_sees_only_their_accounts(
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


def test_a_poll_answers_204_until_an_account_changes(acme: Account, as_admin: Client) -> None:
    htmx = {"HX-Request": "true"}
    with time_machine.travel(timezone.now(), tick=False):  # the page is new every minute
        version = as_admin.get("/").context["version"]
        assert as_admin.get(f"/?version={version}", headers=htmx).status_code == 204
        Account.objects.update(version=99)
        assert as_admin.get(f"/?version={version}", headers=htmx).status_code == 200


@pytest.mark.usefixtures("acme", "globex", "umbrella")
def test_it_costs_fourteen_queries_however_many_accounts_and_runners(
    as_admin: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(14):
        as_admin.get("/")


def test_it_refuses_post(as_admin: Client) -> None:
    assert as_admin.post("/").status_code == 405
