"""The filter of the runners list: several values, negation, wildcards, and problems explained."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client

from runners_app.models import Account, Membership, Runner, RunnerGroup


def context_of(client: Client, **query: str) -> Any:
    """The context of the page, rendered afresh."""
    caches["pages"].clear()
    return client.get("/runners/", query).context


def names(client: Client, q: str, **query: str) -> set[str]:
    return {row.name for row in context_of(client, q=q, **query)["page"].rows}


def problems(client: Client, q: str) -> list[str]:
    return [problem.message for problem in context_of(client, q=q)["problems"]]


@pytest.fixture
def three(acme: Account) -> None:
    """Three runners: alpha is Ready, Beta is Stuck, gamma-one is in Shutdown."""
    kept = list(Runner.objects.order_by("pk")[:3])
    Runner.objects.exclude(pk__in=[runner.pk for runner in kept]).delete()
    facts = (("alpha", "Ready"), ("Beta", "Stuck"), ("gamma-one", "Shutdown"))
    for runner, (name, status) in zip(kept, facts, strict=True):
        Runner.objects.filter(pk=runner.pk).update(name=name, status=status, image_name="Ubuntu")
    Account.objects.raise_versions()


FOUND: dict[str, set[str]] = {
    "status:ready,stuck": {"alpha", "Beta"},
    "status:ready status:stuck": {"alpha", "Beta"},
    "-status:ready": {"Beta", "gamma-one"},
    "-status:ready,stuck": {"gamma-one"},
    "gam*": {"gamma-one"},
    "*one": {"gamma-one"},
    "al*a": {"alpha"},
    "BET*": {"Beta"},
    "amma*": set(),
    "amma": {"gamma-one"},
    "-alpha": {"Beta", "gamma-one"},
    "image:Ubu*": {"alpha", "Beta", "gamma-one"},
    "status:s*": {"alpha", "Beta", "gamma-one"},
    "status:st*": {"Beta"},
    "owner:none tag:none": {"alpha", "Beta", "gamma-one"},
}


def test_terms_find_the_runners_they_say(as_admin: Client, three: None) -> None:
    assert {q: names(as_admin, q) for q in FOUND} == FOUND


def test_quotes_and_commas_in_names_are_found_through_the_box_and_the_address(
    as_admin: Client, three: None, acme: Account
) -> None:
    group = RunnerGroup.objects.filter(account=acme).latest("pk")
    RunnerGroup.objects.filter(pk=group.pk).update(name='team "fast", linux')
    Runner.objects.filter(name="alpha").update(group_id=group.github_id)
    Runner.objects.exclude(name="alpha").update(group_id=-1)
    assert names(as_admin, r'group:"team \"fast\", linux"') == {"alpha"}
    assert names(as_admin, "", group='team "fast", linux') == {"alpha"}
    page = as_admin.get("/runners/", {"q": "group:team"}).content.decode()
    assert r"group:&quot;team \&quot;fast\&quot;, linux&quot;" in page


def test_a_single_character_is_refused_with_a_hint_and_filters_nothing(
    as_admin: Client, three: None
) -> None:
    for q in ("g", "*", "g*", "-*"):
        assert len(names(as_admin, q)) == 3
        [problem] = problems(as_admin, q)
        assert problem.endswith("is too short: type at least 2 characters.")


PROBLEMS = [
    ("stauts:ready", "“stauts:” is not a filter.", "status:ready"),
    ("alpha -stat:stuck", "“stat:” is not a filter.", "alpha -status:stuck"),
    ("status:raedy", "“raedy” is not a value of “status:”.", "status:Ready"),
    ("status:ready,shutdwn", "“shutdwn” is not a value of “status:”.", "status:ready,Shutdown"),
    ("ip:yess", "“yess” is not a value of “ip:”.", "ip:yes"),
]


def test_an_unknown_word_or_value_is_explained_with_the_nearest_one(
    as_admin: Client, three: None
) -> None:
    for q, message, corrected in PROBLEMS:
        [problem] = context_of(as_admin, q=q)["problems"]
        assert (problem.message, problem.corrected) == (message, corrected)


def test_an_unknown_word_never_widens_the_result(as_admin: Client, three: None) -> None:
    assert names(as_admin, "colour:red") == set()
    assert problems(as_admin, "colour:red")[0].startswith("“colour:” is not a filter. Filters are")


def test_a_word_without_a_value_is_explained(as_admin: Client, three: None) -> None:
    assert problems(as_admin, "status:") == [
        "“status:” needs a value, such as Ready, Shutdown, Stuck, gone."
    ]


def test_parameters_of_the_address_become_terms_of_the_box(as_admin: Client, three: None) -> None:
    context = context_of(as_admin, q="alpha", status="Ready")
    assert context["text"] == "alpha status:Ready"
    assert [chip["remove"] for chip in context["chips"]] == ["?q=status%3AReady", "?q=alpha"]


def test_the_list_is_sorted_regardless_of_case(as_admin: Client, three: None) -> None:
    by_name = ["alpha", "Beta", "gamma-one"]
    for sort, order in (
        ("name", by_name),
        ("-name", by_name[::-1]),
        ("status", ["alpha", "gamma-one", "Beta"]),
        ("-status", ["Beta", "gamma-one", "alpha"]),
        ("image", by_name),
        ("-owner", by_name),
    ):
        rows = context_of(as_admin, sort=sort)["page"].rows
        assert [row.name for row in rows] == order


def test_page_two_says_which_rows_it_shows(
    as_admin: Client, acme: Account, globex: Account, umbrella: Account
) -> None:
    for sort in ("name", "status"):
        first = context_of(as_admin, sort=sort, size_of_page="25")["page"]
        answer = as_admin.get("/runners/", {"sort": sort, "after": first.after})
        page = answer.context["page"]
        assert (first.first, first.last, page.first) == (1, 25, 26)
        assert f"26\N{EN DASH}{page.last} of {page.last}" in answer.content.decode()
        back = as_admin.get("/runners/", {"sort": sort, "before": page.before}).context["page"]
        assert (back.first, back.last) == (1, 25)


def test_the_filter_menu_offers_only_what_a_viewer_sees(
    as_lead: Client, lead: User, acme: Account, globex: Account
) -> None:
    Membership.objects.create(user=lead, account=acme)
    page = as_lead.get("/runners/filters/").content.decode()
    assert "status%3AReady" in page
    assert "globex" not in page
