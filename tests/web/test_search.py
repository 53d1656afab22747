"""The language of the filter bar, and its completions."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import Account, Membership, Runner
from runners_app.web.search import MOST_COMPLETIONS, Term, complete, join_terms, parse, write

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
def test_words_are_completed_first_and_then_their_values(typed: str, offered: list[str]) -> None:
    assert complete(typed, VALUES) == offered


def test_at_most_a_dozen_completions_are_offered() -> None:
    assert (
        len(complete("org:", {"org": [f"org-{number}" for number in range(100)]}))
        == MOST_COMPLETIONS
    )


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("status:Ready,st", ["status:Ready,Stuck"]),
        ("-status:re", ["-status:Ready"]),
        ("status:Ready,Stuck,", ["status:Ready,Stuck,Shutdown"]),
        ("image:team", ['image:"team \\"fast\\", linux"']),
    ],
)
def test_values_are_completed_in_lists_negations_and_quotes(typed: str, offered: list[str]) -> None:
    values = {**VALUES, "image": ['team "fast", linux']}
    assert complete(typed, values) == offered


@pytest.mark.parametrize(
    ("typed", "terms"),
    [
        ("golden*", [Term("", ("golden*",))]),
        ("Status:stuck,Ready", [Term("status", ("stuck", "Ready"))]),
        ("-group:default", [Term("group", ("default",), is_negated=True)]),
        (
            'group:"team \\"fast\\", linux" x',
            [Term("group", ('team "fast", linux',)), Term("", ("x",))],
        ),
        ('group:"still typi', [Term("group", ("still typi",))]),
        ("status:", [Term("status", ())]),
        ("age:<7d", [Term("age", ("<7d",))]),
        ('"two words"', [Term("", ("two words",))]),
        (r'image:"ends with \\"', [Term("image", ("ends with \\",))]),
    ],
)
def test_a_search_is_parsed_into_terms(typed: str, terms: list[Term]) -> None:
    assert parse(typed) == terms


@pytest.mark.parametrize(
    "value", ["plain", "two words", 'a "quoted" name', "a,b", "back\\slash\\", "-x", 'x"', "a:b"]
)
def test_a_value_is_written_as_it_is_parsed(value: str) -> None:
    assert parse(write([Term("group", (value,))])) == [Term("group", (value,))]
    assert parse(write([Term("", (value,))])) == [Term("", (value,))]


def test_terms_of_one_word_are_joined() -> None:
    terms = join_terms(parse("status:ready status:stuck -status:gone linux golden"))
    assert write(terms) == "status:ready,stuck -status:gone linux golden"


def test_the_search_box_offers_only_values_that_the_user_may_see(
    as_lead: Client, lead: User, acme: Account, globex: Account
) -> None:
    Membership.objects.create(user=lead, account=acme)
    page = as_lead.get("/runners/", {"q": "org:"}).content.decode()
    assert 'value="org:acme"' in page
    assert "globex" not in page
    page = as_lead.get("/runners/", {"q": "status:rea"}).content.decode()
    assert 'value="status:Ready"' in page


def test_the_search_box_offers_words_before_anything_is_typed(
    as_admin: Client, acme: Account
) -> None:
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
def test_an_invalid_age_matches_nothing(
    client: Client, admin: User, acme: Account, age: str
) -> None:
    client.force_login(admin)
    assert client.get("/runners/", {"age": age}).context["total"] == 0


def test_a_status_other_than_ready_says_since_when(
    client: Client, admin: User, acme: Account
) -> None:
    Runner.objects.update(status="Ready")
    client.force_login(admin)
    assert "since <time" not in client.get("/runners/?size_of_page=25").content.decode()
    Runner.objects.filter(pk=Runner.objects.latest("pk").pk).update(status="Stuck")
    assert client.get("/runners/?size_of_page=100").content.decode().count("since <time") == 1
