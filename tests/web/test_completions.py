"""Completions of the search box."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, Membership, Runner
from runners_app.web.completions import MOST, complete

VALUES = {
    "org": ["acme", "globex"],
    "status": ["Ready", "Shutdown", "Stuck"],
    "image": ["Ubuntu 22.04", "golden"],
}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["org:", "status:", "image:"]),
        ("s", ["status:"]),
        ("linux o", ["linux org:"]),
        ("status:", ["status:Ready", "status:Shutdown", "status:Stuck"]),
        ("STATUS:st", ["STATUS:Stuck"]),
        ("status:t", ["status:Shutdown", "status:Stuck"]),
        ("org:acme status:re", ["org:acme status:Ready"]),
        ("image:22", ['image:"Ubuntu 22.04"']),
        ('image:"ubuntu 2', ['image:"Ubuntu 22.04"']),
        ('image:"Ubuntu 22.04" or', ['image:"Ubuntu 22.04" org:']),
        ("linux", []),
        ("color:", []),
        ('"', []),
    ],
)
def test_words_are_completed_before_their_values(typed: str, offered: list[str]) -> None:
    assert complete(typed, VALUES) == offered


def test_at_most_a_dozen_completions_are_offered() -> None:
    assert len(complete("org:", {"org": [f"org-{number}" for number in range(100)]})) == MOST


def test_only_values_that_the_user_may_see_are_offered(
    client: Client, lead: User, acme: Account, globex: Account
) -> None:
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    page = client.get("/runners/words/", {"q": "org:"}).content.decode()
    assert 'value="org:acme"' in page
    assert "globex" not in page
    assert (
        'value="status:Ready"'
        in client.get("/runners/words/", {"q": "status:rea"}).content.decode()
    )


def test_an_empty_search_box_offers_the_words(as_admin: Client, acme: Account) -> None:
    page = as_admin.get("/runners/").content.decode()
    for word in ("org", "status", "size", "image", "group", "platform", "ip", "idle", "age"):
        assert f'<option value="{word}:">' in page


@pytest.mark.parametrize(
    ("age", "days"),
    [
        ("<7d", {1}),
        ("7", {1}),
        (">90d", {100, 400}),
        (">1y", {400}),
        ("<2w", {1}),
        (">3m", {100, 400}),
    ],
)
def test_age_filters_runners_by_when_they_were_first_seen(
    as_admin: Client, acme: Account, age: str, days: set[int]
) -> None:
    now = timezone.now()
    aged = dict(zip((1, 30, 100, 400), Runner.objects.order_by("pk"), strict=False))
    Runner.objects.exclude(pk__in=[runner.pk for runner in aged.values()]).delete()
    for old, runner in aged.items():
        Runner.objects.filter(pk=runner.pk).update(first_seen_at=now - timedelta(days=old))
    for query in ({"q": f"age:{age}"}, {"age": age}):
        shown = as_admin.get("/runners/", query).context["page"].rows
        assert {row.pk for row in shown} == {aged[old].pk for old in days}


@pytest.mark.parametrize("age", ["old", "<", "7dd", "-7d", "99999y", "<7 d", "seven"])
def test_a_malformed_age_matches_nothing(as_admin: Client, acme: Account, age: str) -> None:
    assert as_admin.get("/runners/", {"age": age}).context["total"] == 0


def test_a_status_other_than_ready_shows_since_when(as_admin: Client, acme: Account) -> None:
    Runner.objects.update(status="Ready")
    assert "changed <time" not in as_admin.get("/runners/?size_of_page=25").content.decode()
    Runner.objects.filter(pk=Runner.objects.all()[0].pk).update(status="Stuck")
    assert as_admin.get("/runners/?size_of_page=100").content.decode().count("changed <time") == 1
