"""What the search box offers while somebody types."""

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
def test_words_come_first_and_then_their_values(typed: str, offered: list[str]) -> None:
    assert complete(typed, VALUES) == offered


def test_no_more_are_offered_than_fit() -> None:
    assert len(complete("org:", {"org": [f"org-{number}" for number in range(100)]})) == MOST


def test_values_are_those_a_person_may_see(
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


def test_the_search_box_offers_words_before_anything_is_typed(
    client: Client, admin: User, acme: Account
) -> None:
    client.force_login(admin)
    page = client.get("/runners/").content.decode()
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
def test_age_finds_runners_by_when_they_were_first_seen(
    client: Client, admin: User, acme: Account, age: str, days: set[int]
) -> None:
    now = timezone.now()
    aged = dict(zip((1, 30, 100, 400), Runner.objects.order_by("pk"), strict=False))
    Runner.objects.exclude(pk__in=[runner.pk for runner in aged.values()]).delete()
    for old, runner in aged.items():
        Runner.objects.filter(pk=runner.pk).update(first_seen_at=now - timedelta(days=old))
    client.force_login(admin)
    for query in ({"q": f"age:{age}"}, {"age": age}):
        shown = client.get("/runners/", query).context["page"].rows
        assert {row.pk for row in shown} == {aged[old].pk for old in days}


@pytest.mark.parametrize("age", ["old", "<", "7dd", "-7d", "99999y", "<7 d", "seven"])
def test_an_age_that_is_none_matches_nothing(
    client: Client, admin: User, acme: Account, age: str
) -> None:
    client.force_login(admin)
    assert client.get("/runners/", {"age": age}).context["total"] == 0


def test_a_status_other_than_ready_says_since_when(
    client: Client, admin: User, acme: Account
) -> None:
    Runner.objects.update(status="Ready")
    client.force_login(admin)
    assert "changed <time" not in client.get("/runners/?size_of_page=25").content.decode()
    Runner.objects.filter(pk=Runner.objects.all()[0].pk).update(status="Stuck")
    assert client.get("/runners/?size_of_page=100").content.decode().count("changed <time") == 1
