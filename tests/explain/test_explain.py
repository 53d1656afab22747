"""Why can't my repository use this runner? The page, for administrators and team leads."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from runners_app.accounts.accounts import connect_with_token
from runners_app.explain.gather import Explained
from runners_app.models import (
    AccessCheck,
    Account,
    GroupAccess,
    Membership,
    Operation,
    Reading,
    Repository,
    Runner,
    RunnerGroup,
    SelfHostedRunner,
    SharedRunner,
)
from tests.groups.test_readings import group_of
from tests.queries import queries
from tests.simulator_handle import SimulatorHandle, start_simulator

Work = Callable[[Account], None]


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def repository(account: Account, *, private: bool = True, number: int = 0) -> Repository:
    rows = Repository.objects.present().filter(account=account, private=private).order_by("name")
    return rows[number]


def ask(client: Client, account: Account, name: str, **more: str) -> str:
    query = {"organization": str(account.pk), "repository": name, **more}
    answer = client.get("/groups/explain/", query)
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return answer.content.decode()


def answers(client: Client, account: Account, name: str, **more: str) -> dict[str, Explained]:
    """All answers by the name of the runner, over all pages."""
    query, found = (
        {"organization": str(account.pk), "repository": name, **more},
        dict[str, Explained](),
    )
    for _ in range(20):
        context = client.get("/groups/explain/", query).context
        found |= {shown.row.name: shown.row for shown in context["rows"]}
        if not context["after"]:
            break
        query["after"] = context["after"]
    return found


def put_in(group: RunnerGroup, status: str = "Ready", number: int = 0) -> Runner:
    """A runner of the account, moved into a group in our tables."""
    runner = Runner.objects.present().filter(account=group.account).order_by("pk")[number]
    Runner.objects.filter(pk=runner.pk).update(group_id=group.github_id, status=status)
    return runner


def test_a_repository_on_the_list_may_use_the_runner(as_admin: Client, acme: Account) -> None:
    group = group_of(acme, "gpu-research")
    runner = put_in(group)
    listed = group.access.order_by("name")[0].name
    answer = answers(as_admin, acme, listed)[runner.name].answer
    assert answer.verdict == "yes"


def test_a_no_has_a_button_to_its_remedy(as_admin: Client, acme: Account) -> None:
    group = group_of(acme, "gpu-research")
    runner = put_in(group)
    on_list = set(group.access.values_list("name", flat=True))
    other = (
        Repository.objects.filter(account=acme, private=True)
        .exclude(name__in=on_list)
        .order_by("name")[0]
    )
    page = ask(as_admin, acme, other.name, runner=runner.name)
    assert f"{other.name} is not on the access list of the group " in page
    assert f"/groups/{group.pk}/access/?q={other.name}" in page
    page = as_admin.get(f"/groups/{group.pk}/access/?q={other.name}").content.decode()
    assert f'value="{other.github_id}"' in page


def test_a_team_lead_gets_the_same_answers_and_is_told_who_can_change_them(
    client: Client, lead: User, acme: Account
) -> None:
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    group = group_of(acme, "gpu-research")
    runner = put_in(group)
    page = ask(client, acme, repository(acme, private=False).name, runner=runner.name)
    assert "Ask an administrator" in page
    assert f"/groups/{group.pk}/access/" not in page


def test_a_public_repository_is_excluded(as_admin: Client, acme: Account) -> None:
    group = group_of(acme, "gpu-research")
    GroupAccess.objects.filter(group=group).delete()
    public = repository(acme, private=False)
    GroupAccess.objects.create(
        group=group, github_id=public.github_id, name=public.name, private=False
    )
    runner = put_in(group)
    assert (
        "excludes public repositories"
        in answers(as_admin, acme, public.name)[runner.name].answer.deciding.words
    )


def test_workflow_and_ref_decide_in_a_restricted_group(as_admin: Client, acme: Account) -> None:
    group = group_of(acme, "production-deploys")
    runner = put_in(group)
    listed = group.access.get(name="api").name
    assert answers(as_admin, acme, listed)[runner.name].answer.verdict == "unknown"
    right = answers(as_admin, acme, listed, workflow="deploy.yaml", ref="main")[runner.name].answer
    wrong = answers(as_admin, acme, listed, workflow="deploy.yaml", ref="develop")[
        runner.name
    ].answer
    assert (right.verdict, wrong.verdict) == ("yes", "no")


def test_a_team_lead_sees_the_enterprise_runners_shared_with_the_organization_and_no_others(
    client: Client, lead: User, acme: Account, umbrella: Account
) -> None:
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    shared = set(SharedRunner.objects.filter(group__account=acme).values_list("name", flat=True))
    assert shared
    found = answers(client, acme, repository(acme).name)
    assert shared <= set(found)
    rest = set(umbrella.runners.filter(gone_at=None).values_list("name", flat=True)) - shared
    own = set(acme.runners.values_list("name", flat=True))
    assert not (rest - own) & set(found)


def test_an_administrator_sees_which_enterprise_runners_are_not_shared_and_how_to_share_them(
    as_admin: Client, acme: Account, umbrella: Account
) -> None:
    group = group_of(umbrella, "enterprise-gpu")
    runner = put_in(group)
    Runner.objects.filter(pk=runner.pk).update(name="only-at-the-enterprise")
    page = ask(as_admin, acme, repository(acme).name, runner="only-at-the-enterprise")
    assert "does not share enterprise-gpu with this organization" in page
    assert f"/groups/{group.pk}/access/?q=acme" in page


def test_an_enterprise_group_not_shown_to_the_organization_is_a_no_but_its_default_group_unknown(
    as_admin: Client, acme: Account, umbrella: Account
) -> None:
    shared, default = group_of(umbrella, "enterprise-shared"), group_of(umbrella, "Default")
    for number, group in enumerate((shared, default)):
        runner = put_in(group, number=number)
        Runner.objects.filter(pk=runner.pk).update(name=f"in-{group.name}")
    RunnerGroup.objects.filter(pk=shared.pk).update(name="not-inherited")
    found = answers(as_admin, acme, repository(acme).name)
    assert found["in-enterprise-shared"].answer.verdict == "no"
    assert (
        "GitHub does not list not-inherited" in found["in-enterprise-shared"].answer.deciding.words
    )
    assert found["in-Default"].answer.verdict == "unknown"


def test_a_group_name_of_two_enterprises_is_unknown_until_an_access_list_proves_whose_it_is(
    as_admin: Client, acme: Account, umbrella: Account
) -> None:
    shared = group_of(umbrella, "enterprise-shared")
    other = Account.objects.create(
        kind="enterprise",
        slug="weyland",
        api_url=umbrella.api_url,
        credential=umbrella.credential,
    )
    now = timezone.now()
    seen = {"account": other, "observed_at": now, "first_seen_at": now}
    theirs = RunnerGroup.objects.create(
        github_id=shared.github_id, name=shared.name, visibility="all", **seen
    )
    SelfHostedRunner.objects.create(
        github_id=1, name="a-foreign-machine", group_id=theirs.github_id, status="online", **seen
    )
    GroupAccess.objects.filter(group__account=umbrella).delete()
    found = answers(as_admin, acme, repository(acme).name)["a-foreign-machine"]
    assert found.answer.verdict == "unknown"
    assert "More than one enterprise" in found.answer.deciding.words

    GroupAccess.objects.create(group=theirs, github_id=1, name=acme.slug)
    found = answers(as_admin, acme, repository(acme).name)["a-foreign-machine"]
    assert found.answer.verdict == "yes"


def test_an_unknown_answer_names_the_missing_permission(
    as_admin: Client, acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    RunnerGroup.objects.filter(account=acme).delete()
    simulator.change_token(simulator.account("acme").token, scopes=["manage_runners:org"])
    Reading.objects.schedule_now(acme, "groups", "group_access")
    work(acme)
    page = ask(as_admin, acme, repository(acme).name)
    assert "Needs the scope admin:org." in page
    assert "Unknown" in page


def test_a_repository_the_credential_does_not_list_is_answered_as_far_as_possible(
    as_admin: Client, acme: Account
) -> None:
    runner = put_in(group_of(acme, "sandbox"))
    page = ask(as_admin, acme, "not-listed", runner=runner.name)
    assert "does not list this repository" in page
    assert answers(as_admin, acme, "not-listed")[runner.name].answer.verdict == "unknown"


def test_causes_missing_from_githubs_api_are_listed_as_not_checked(
    as_admin: Client, acme: Account
) -> None:
    page = ask(as_admin, acme, repository(acme).name)
    for words in ("Not checked", "budget above zero", "Actions are enabled"):
        assert words in page


def test_a_worker_asks_github_and_its_answer_is_compared_with_ours(
    as_admin: Client, acme: Account, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "gpu-research")
    runner, private = put_in(group), repository(acme)
    GroupAccess.objects.filter(group=group).delete()  # as if ours were older than GitHub's
    GroupAccess.objects.create(
        group=group, github_id=private.github_id, name=private.name, private=True
    )
    simulator.clear_requests()
    body = {"organization": acme.pk, "repository": private.name, "query": f"organization={acme.pk}"}
    assert as_admin.post("/groups/explain/ask/", body).status_code == 302
    assert simulator.requests() == []
    page = ask(as_admin, acme, private.name)
    assert "A worker is asking" in page
    work(acme)
    check = AccessCheck.objects.get(account=acme, repository=private.name)
    page = ask(as_admin, acme, private.name, runner=runner.name)
    assert check.answered_at is not None
    assert ("GitHub disagrees" in page) is (group.github_id not in check.group_ids)


def test_a_team_lead_can_have_github_asked_but_a_user_without_access_cannot(
    client: Client, lead: User, acme: Account
) -> None:
    client.force_login(lead)
    body = {"organization": acme.pk, "repository": "web"}
    assert client.post("/groups/explain/ask/", body).status_code == 404
    Membership.objects.create(user=lead, account=acme)
    assert client.post("/groups/explain/ask/", body).status_code == 302
    assert AccessCheck.objects.get(account=acme).asked_by == "lin"


def test_a_poll_is_answered_once_github_has_answered(
    as_admin: Client, acme: Account, work: Work
) -> None:
    name = repository(acme).name
    as_admin.post("/groups/explain/ask/", {"organization": acme.pk, "repository": name})
    query = {"organization": str(acme.pk), "repository": name}
    version = as_admin.get("/groups/explain/", query).context["version"]
    poll = {**query, "version": version}
    assert as_admin.get("/groups/explain/", poll, headers={"HX-Request": "true"}).status_code == 204
    work(acme)
    assert as_admin.get("/groups/explain/", poll, headers={"HX-Request": "true"}).status_code == 200


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"repository": ""}, "This field is required"),
        ({"repository": "globex/web"}, "Choose the organization globex instead"),
        ({"repository": "two words"}, "letters, digits"),
        ({"repository": "web", "workflow": "a/b/c"}, "looks like"),
        ({"repository": "web", "ref": "main"}, "Enter the workflow, too"),
    ],
)
def test_invalid_input_shows_an_error_at_the_field(
    as_admin: Client, acme: Account, query: dict[str, str], words: str
) -> None:
    answer = as_admin.get("/groups/explain/", {"organization": str(acme.pk), **query})
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_some_names_are_suggested_while_typing(as_admin: Client, acme: Account) -> None:
    now = timezone.now()
    Repository.objects.bulk_create(
        Repository(
            account=acme,
            github_id=10_000_000 + n,
            name=f"service-{n:04}",
            observed_at=now,
            first_seen_at=now,
        )
        for n in range(5000)
    )
    page = as_admin.get(
        "/groups/explain/repositories/", {"organization": str(acme.pk), "repository": "service-12"}
    )
    assert page.content.decode().count("<option") == 20
    assert "service-1200" in page.content.decode()


def test_a_runners_page_links_to_the_repositories_that_can_use_it(
    as_admin: Client, acme: Account
) -> None:
    group = group_of(acme, "gpu-research")
    runner = put_in(group)
    address = f"/groups/explain/?organization={acme.pk}&runner=r{runner.pk}"
    assert address.replace("&", "&amp;") in as_admin.get(f"/runners/{runner.pk}/").content.decode()
    shown = {
        row.name: one.answer.verdict for row, one in as_admin.get(address).context["answers_of"]
    }
    on_list = set(group.access.values_list("name", flat=True))
    assert {name for name, verdict in shown.items() if verdict == "yes"} == on_list
    assert len(shown) > len(on_list)


def test_an_enterprise_runner_is_asked_about_per_organization(
    as_admin: Client, acme: Account, umbrella: Account
) -> None:
    runner = Runner.objects.get(
        account=umbrella,
        github_id=SharedRunner.objects.filter(group__account=acme).order_by("pk")[0].github_id,
    )
    asked = as_admin.get(f"/groups/explain/?runner=r{runner.pk}&organization={acme.pk}")
    assert {one.answer.verdict for row, one in asked.context["answers_of"] if row.private} <= {
        "yes",
        "no",
        "unknown",
    }
    assert asked.context["organization"] == acme


@pytest.mark.parametrize("runner", ["r999999", "x", "r-1", "r" + "9" * 30, ""])
def test_an_unknown_runner_is_404(as_admin: Client, acme: Account, runner: str) -> None:
    assert as_admin.get(f"/groups/explain/?runner={runner}").status_code == 404


def fill(account: Account) -> None:
    """200 groups, 3,000 repositories, 500 runners, and lists to go with them."""
    now = timezone.now()
    seen = {"observed_at": now, "first_seen_at": now}
    RunnerGroup.objects.bulk_create(
        RunnerGroup(
            account=account,
            github_id=5000 + n,
            name=f"group-{n:03}",
            visibility="selected" if n % 2 else "all",
            access_observed_at=now,
            **seen,
        )
        for n in range(200)
    )
    groups = list(RunnerGroup.objects.filter(account=account, github_id__gte=5000))
    Repository.objects.bulk_create(
        Repository(account=account, github_id=20_000_000 + n, name=f"repo-{n:04}", **seen)
        for n in range(3000)
    )
    GroupAccess.objects.bulk_create(
        GroupAccess(group=group, github_id=20_000_000 + n, name=f"repo-{n:04}", private=True)
        for group in groups
        for n in range(0, 3000, 150)
    )
    Runner.objects.bulk_create(
        Runner(
            account=account,
            github_id=30_000 + n,
            name=f"runner-{n:03}",
            status="Ready",
            group_id=5000 + n % 200,
            status_since=now,
            **seen,
        )
        for n in range(500)
    )
    SelfHostedRunner.objects.bulk_create(
        SelfHostedRunner(
            account=account, github_id=40_000 + n, name=f"machine-{n:03}", group_id=5001, **seen
        )
        for n in range(100)
    )


def test_one_repository_is_explained_within_eleven_queries(
    client: Client, lead: User, acme: Account
) -> None:
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    address = f"/groups/explain/?organization={acme.pk}&repository="
    few = queries(client, address + repository(acme).name)
    fill(acme)
    assert queries(client, address + "repo-0150") <= few <= 11
    assert queries(client, address + "repo-0150&workflow=deploy.yml&ref=main&answer=no") <= 10
    assert len(answers(client, acme, "repo-0150")) >= 500


def test_pages_of_groups_cost_the_same_queries_with_many_rows(
    as_admin: Client, acme: Account
) -> None:
    group, runner = (
        group_of(acme, "gpu-research"),
        Runner.objects.filter(account=acme).order_by("pk")[0],
    )
    pages = [
        "/groups/",
        f"/groups/{group.pk}/",
        f"/groups/{group.pk}/edit/",
        f"/groups/{group.pk}/delete/",
        f"/groups/{group.pk}/access/",
        f"/groups/{group.pk}/access/?q=repo&show=without",
        f"/groups/new/?account={acme.pk}",
        f"/groups/explain/?organization={acme.pk}&runner=r{runner.pk}",
    ]
    before = [queries(as_admin, page) for page in pages]
    fill(acme)
    Runner.objects.filter(account=acme, github_id__gte=30_000).update(group_id=group.github_id)
    SelfHostedRunner.objects.filter(account=acme).update(group_id=group.github_id)
    after = [queries(as_admin, page) for page in pages]
    more = {
        page: (few, many)
        for page, few, many in zip(pages, before, after, strict=True)
        if many > few
    }
    assert more == {}


@pytest.fixture(scope="module")
def enterprise_server() -> Iterator[SimulatorHandle]:
    with start_simulator("--runners", "3", "--prefix", "/api/v3", "--enterprise-server") as handle:
        yield handle


@pytest.mark.processes
def test_an_enterprise_server_has_groups_and_says_it_offers_no_larger_runners(
    as_admin: Client, enterprise_server: SimulatorHandle, work: Work, settings: Settings
) -> None:
    settings.DEMO_API_ORIGINS = [enterprise_server.origin]
    known = enterprise_server.account("acme")
    account = connect_with_token(
        "acme", kind="organization", api_url=enterprise_server.base_url, token=known.token, by=None
    )
    for _ in range(3):
        Reading.objects.schedule_now(account)
        work(account)
    group = group_of(account, "Default")
    assert (
        "Not offered: this server has no larger runners"
        in as_admin.get(f"/groups/{group.pk}/").content.decode()
    )
    page = ask(as_admin, account, repository(account).name)
    assert "This server has no larger runners" in page
    assert "onprem-rack-02" in page
    assert Operation.objects.count() == 0
