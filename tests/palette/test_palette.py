"""The palette: what it finds, and that it finds nothing a person may not see."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from runners_app.models import Account, Image, Membership, Runner, RunnerGroup
from runners_app.palette.finding import find


def labels(user: User, text: str) -> dict[str, list[str]]:
    return {kind: [hit.label for hit in hits] for kind, hits in find(user, text)}


def test_without_a_text_it_offers_pages_and_actions(admin: User, lead: User, acme: Account) -> None:
    of_admin, of_lead = labels(admin, ""), labels(lead, "")
    assert "Runners" in of_admin["Pages"]
    assert "Connect an account" in of_admin["Actions"]
    assert "People" not in of_lead["Pages"]
    assert "Actions" not in of_lead
    Membership.objects.create(user=lead, account=acme, role="manager")
    assert "New runner" in labels(lead, "")["Actions"]


def test_it_finds_runners_groups_images_accounts_people_and_operations(
    admin: User, acme: Account
) -> None:
    runner = Runner.objects.present().filter(account=acme).order_by("pk")[0]
    group = RunnerGroup.objects.present().filter(account=acme).order_by("pk")[0]
    image = Image.objects.present().filter(account=acme).exclude(name="").order_by("pk")[0]
    assert runner.name in labels(admin, runner.name.upper())["Runners"]
    assert runner.name in labels(admin, runner.name[:2])["Runners"]
    assert group.name in labels(admin, group.name)["Groups"]
    assert image.name in labels(admin, image.name)["Images"]
    assert labels(admin, "acm")["Accounts"] == ["acme"]
    assert labels(admin, "ada")["People"] == ["ada"]
    assert labels(admin, "queue")["Pages"] == ["Insight: queue", "Insight: queue times"]


@pytest.fixture
def limited(acme: Account, lead: User) -> User:
    """A viewer of one group with one runner, of many."""
    group = RunnerGroup.objects.filter(account=acme).order_by("pk")[0]
    Runner.objects.update(group_id=group.github_id + 1)
    mine = Runner.objects.order_by("pk")[0]
    Runner.objects.filter(pk=mine.pk).update(name="mine-1", group_id=group.github_id)
    Runner.objects.bulk_create(
        Runner(
            account=acme,
            github_id=10_000 + number,
            name=f"mine-secret-{number}",
            status="Ready",
            group_id=group.github_id + 1,
            status_since=mine.status_since,
            observed_at=mine.observed_at,
            first_seen_at=mine.first_seen_at,
        )
        for number in range(2000)
    )
    membership = Membership.objects.create(user=lead, account=acme, limited=True)
    membership.groups.add(group)
    return lead


def test_it_searches_the_server_with_what_the_person_may_see(
    limited: User, admin: User, client: Client
) -> None:
    assert labels(limited, "mine")["Runners"] == ["mine-1"]
    assert "Runners" not in labels(limited, "secret")
    assert "People" not in labels(limited, "ada")
    assert "Groups" not in labels(limited, "gpu") or labels(limited, "gpu")["Groups"] == []
    assert labels(admin, "secret")["Runners"][-1] == "All runners that match “secret”"
    client.force_login(limited)
    page = client.get("/go/?q=secret", headers={"HX-Request": "true"}).content.decode()
    assert "mine-secret" not in page
    assert "<html" not in page
    assert "Nothing that you can see" in page


def test_markup_is_escaped_and_long_texts_are_cut(as_admin: Client, db: None) -> None:
    page = as_admin.get("/go/", {"q": "<b>" + "x" * 5000 + "\0"}).content.decode()
    assert "<b>x" not in page
