"""Creating, editing and deleting runner groups, their access lists and their members, as people do
it.
"""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from runners_app.models import (
    Account,
    GroupAccess,
    Membership,
    Operation,
    Reading,
    Repository,
    Runner,
    RunnerGroup,
    SelfHostedRunner,
)
from tests.groups.test_readings import at_github, group_of, names_with_access
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
S = Operation.State


@pytest.fixture
def as_admin(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


def fields_of(page: str) -> dict[str, str]:
    """The hidden fields of the last form of a page, and what a browser would send along unasked."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}


def fill_in(client: Client, address: str, **changes: Any) -> dict[str, Any]:
    """What a browser would send: the form as it is, with changes; None takes a field away."""
    answer = client.get(address)
    form = answer.context["form"]
    data = {name: form[name].value() for name in form.fields}
    data |= fields_of(answer.content.decode()) | changes
    return {name: value for name, value in data.items() if value not in (None, False)}


def send(client: Client, address: str, **changes: Any) -> Operation:
    answer = client.post(address, fill_in(client, address, **changes))
    assert answer.status_code == 302, re.sub(r"\s+", " ", answer.content.decode())[-3000:]
    return Operation.objects.get(pk=int(answer["Location"].rstrip("/").rpartition("/")[2]))


def refused(client: Client, address: str, **changes: Any) -> str:
    answer = client.post(address, fill_in(client, address, **changes))
    assert answer.status_code == 422
    assert not Operation.objects.exists()
    return unescape(answer.content.decode())


def private_names(account: Account) -> list[str]:
    rows = Repository.objects.present().filter(account=account, private=True).order_by("name")
    return list(rows.values_list("name", flat=True))


def test_a_group_is_created_with_repositories_named_line_by_line(
    as_admin: Client, acme: Account, work: Work
) -> None:
    first, second = private_names(acme)[:2]
    operation = send(
        as_admin,
        f"/groups/new/?account={acme.pk}",
        name="deployments",
        visibility="selected",
        members=f"{first}\nacme/{second}\n",
    )
    work(acme)
    group = group_of(acme, "deployments")
    assert names_with_access(group) == {first, second}
    assert f"/groups/{group.pk}/" in as_admin.get(f"/operations/{operation.pk}/").content.decode()


def test_a_repeated_post_creates_one_operation(as_admin: Client, acme: Account) -> None:
    address = f"/groups/new/?account={acme.pk}"
    data = fill_in(as_admin, address, name="once", visibility="all")
    assert as_admin.post(address, data)["Location"] == as_admin.post(address, data)["Location"]
    assert Operation.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "gpu-research"}, "already has a runner group of this name"),
        ({"name": "Enterprise-Shared"}, "already has a runner group of this name"),
        (
            {"visibility": "all", "members": "api"},
            "Only a group with visibility “Selected”",
        ),
        (
            {"members": "no-such-repository"},
            "knows no such repository in acme: no-such-repository",
        ),
        (
            {
                "restricted_to_workflows": "on",
                "selected_workflows": "acme/api/.github/workflows/deploy.yml",
            },
            "with the branch, tag or commit after the @",
        ),
        (
            {"restricted_to_workflows": "on", "selected_workflows": "deploy.yml@main"},
            "is not a complete workflow",
        ),
        ({"restricted_to_workflows": "on"}, "Select at least one"),
        (
            {"selected_workflows": "acme/api/.github/workflows/deploy.yml@main"},
            "every workflow is allowed",
        ),
        ({"visibility": "everybody"}, "Select a valid choice"),
        ({"name": "nul\0"}, "Null characters are not allowed"),
    ],
)
def test_invalid_input_shows_an_error_at_the_field_and_creates_no_operation(
    as_admin: Client, acme: Account, changes: dict[str, str], words: str
) -> None:
    start = {"name": "new-one", "visibility": "selected"}
    assert words in refused(as_admin, f"/groups/new/?account={acme.pk}", **{**start, **changes})


def test_a_refusal_by_github_is_shown_at_the_field_when_edited_again(
    as_admin: Client, acme: Account, work: Work, simulator: SimulatorHandle
) -> None:
    at_github(simulator, "POST", "/orgs/acme/actions/runner-groups", {"name": "taken-meanwhile"})
    operation = send(
        as_admin, f"/groups/new/?account={acme.pk}", name="taken-meanwhile", visibility="all"
    )
    work(acme)
    page = as_admin.get(f"/operations/{operation.pk}/").content.decode()
    again = f"/groups/new/?again={operation.pk}"
    assert again in page
    form = as_admin.get(again).context["form"]
    assert form["name"].value() == "taken-meanwhile"
    assert "GitHub says: already exists." in str(form.errors["name"])


def test_runners_are_added_to_a_group_through_the_bulk_preview(
    as_admin: Client, acme: Account
) -> None:
    group = group_of(acme, "sandbox")
    inside, outside = Runner.objects.filter(account=acme).order_by("pk")[:2]
    Runner.objects.filter(pk=inside.pk).update(group_id=group.github_id)
    other = RunnerGroup.objects.filter(account=acme).exclude(pk=group.pk).earliest("pk")
    Runner.objects.filter(pk=outside.pk).update(group_id=other.github_id)
    address = f"/groups/{group.pk}/add-runners/"
    assert address in as_admin.get(f"/groups/{group.pk}/").content.decode()
    page = as_admin.get(address).content.decode()
    assert f'id="tick-{outside.pk}"' in page
    assert f'id="tick-{inside.pk}"' not in page
    query = {"group": group.name, "runner": str(outside.pk), "change": "1"}
    preview = as_admin.get("/runners/bulk/edit/", query)
    assert [item.runner.pk for item in preview.context["plan"].items] == [outside.pk]
    assert "No runner matches" in as_admin.get(f"{address}?q=nothing").content.decode()


def test_after_a_conflict_the_form_shows_what_github_has_now(
    as_admin: Client, acme: Account, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "sandbox")
    address = f"/groups/{group.pk}/edit/"
    filled = fill_in(as_admin, address, name="my-name")
    at_github(
        simulator,
        "PATCH",
        f"/orgs/acme/actions/runner-groups/{group.github_id}",
        {"name": "their-name"},
    )
    as_admin.post(address, filled)
    work(acme)
    operation = Operation.objects.get()
    assert operation.conflict == {"name": ["their-name", group.name, "my-name"]}
    again = as_admin.get(f"{address}?again={operation.pk}")
    assert again.context["form"]["name"].value() == "my-name"
    assert again.context["conflict"] == operation.conflict
    assert 'data-before="their-name"' in again.content.decode()


def test_an_edit_of_settings_and_repositories_is_one_operation(
    as_admin: Client, acme: Account, work: Work
) -> None:
    name, group = private_names(acme)[0], group_of(acme, "sandbox")
    operation = send(as_admin, f"/groups/{group.pk}/edit/", visibility="selected", members=name)
    work(acme)
    operation.refresh_from_db()
    assert operation.state == S.CONFIRMED
    assert names_with_access(group) == {name}
    page = as_admin.get(f"/operations/{operation.pk}/").content.decode()
    assert "Repositories to add" in page
    assert name in page


def test_an_edit_that_changes_nothing_is_not_sent(as_admin: Client, acme: Account) -> None:
    group = group_of(acme, "sandbox")
    assert "nothing to send" in refused(as_admin, f"/groups/{group.pk}/edit/")


def test_a_concurrent_change_is_shown_before_it_is_overwritten(
    as_admin: Client, acme: Account, work: Work, simulator: SimulatorHandle
) -> None:
    group = group_of(acme, "sandbox")
    address = f"/groups/{group.pk}/edit/"
    data = fill_in(as_admin, address, name="mine")
    path = f"/orgs/acme/actions/runner-groups/{group.github_id}"
    at_github(simulator, "PATCH", path, {"name": "theirs", "allows_public_repositories": True})
    Reading.objects.schedule_now(acme, "groups")
    work(acme)
    answer = as_admin.post(address, data)
    assert answer.status_code == 409
    assert "theirs" in answer.content.decode()
    form = answer.context["form"]
    anyway = {
        name: form[name].value() for name in form.fields if form[name].value() not in (None, False)
    }
    assert (
        as_admin.post(address, {**anyway, **fields_of(answer.content.decode())}).status_code == 302
    )
    work(acme)
    assert group_of(
        acme, "mine"
    ).allows_public_repositories  # what the form did not touch stays theirs


def test_an_inherited_group_is_edited_where_it_is_managed(as_admin: Client, acme: Account) -> None:
    group = group_of(acme, "enterprise-shared")
    answer = as_admin.get(f"/groups/{group.pk}/edit/", follow=True)
    assert "is managed by the enterprise" in answer.content.decode()
    page = as_admin.get(f"/groups/{group.pk}/").content.decode()
    assert "Managed in the enterprise" in page
    assert f"/groups/{group.pk}/delete/" not in page


def test_a_group_is_deleted_after_its_name_was_typed(
    as_admin: Client, acme: Account, work: Work
) -> None:
    made = send(as_admin, f"/groups/new/?account={acme.pk}", name="short-lived", visibility="all")
    work(acme)
    made.refresh_from_db()
    group = group_of(acme, "short-lived")
    wrong = as_admin.post(
        f"/groups/{group.pk}/delete/", fill_in(as_admin, f"/groups/{group.pk}/delete/", typed="x")
    )
    assert wrong.status_code == 422
    send(as_admin, f"/groups/{group.pk}/delete/", typed="short-lived")
    work(acme)
    group.refresh_from_db()
    assert group.gone_at is not None


def test_deleting_first_shows_what_is_inside(as_admin: Client, acme: Account) -> None:
    group = group_of(acme, "Default")
    page = as_admin.get(f"/groups/{group.pk}/delete/").content.decode()
    assert "GitHub deletes only empty groups" in page
    assert "GitHub does not let it be deleted" in page


# The access list


def many_repositories(account: Account, count: int = 5000) -> None:
    now = timezone.now()
    Repository.objects.bulk_create(
        Repository(
            account=account,
            github_id=9_000_000 + n,
            name=f"svc-{n:04}",
            observed_at=now,
            first_seen_at=now,
        )
        for n in range(count)
    )


def test_the_list_is_searched_on_the_server_and_read_page_by_page(
    as_admin: Client, acme: Account
) -> None:
    many_repositories(acme)
    group = group_of(acme, "gpu-research")
    address = f"/groups/{group.pk}/access/"
    page = as_admin.get(address)
    assert len(page.context["page"].rows) == 50
    found = as_admin.get(
        f"{address}?q=svc-012&show=without", headers={"HX-Request": "true"}
    ).content.decode()
    assert re.findall(r'aria-label="(svc-\d+)"', found) == [f"svc-{n:04}" for n in range(120, 130)]
    assert "<h1" not in found
    second = as_admin.get(f"{address}?after={page.context['page'].after}")
    assert second.context["page"].rows[0].name > page.context["page"].rows[-1].name


def test_ticked_repositories_are_added_and_removed(
    as_admin: Client, acme: Account, work: Work
) -> None:
    group = group_of(acme, "gpu-research")
    before = names_with_access(group)
    new = (
        Repository.objects.filter(account=acme, private=True)
        .exclude(name__in=before)
        .order_by("name")[:2]
    )
    address = f"/groups/{group.pk}/access/"
    hidden = fields_of(as_admin.get(address).content.decode())
    answer = as_admin.post(
        address, {**hidden, "action": "add", "line": [row.github_id for row in new]}
    )
    assert "/operations/" in answer["Location"]
    work(acme)
    assert names_with_access(group) == before | {row.name for row in new}
    hidden = fields_of(as_admin.get(address).content.decode())
    as_admin.post(address, {**hidden, "action": "remove", "line": [row.github_id for row in new]})
    work(acme)
    assert names_with_access(group) == before


def test_ticking_nothing_creates_no_operation(as_admin: Client, acme: Account) -> None:
    group = group_of(acme, "gpu-research")
    answer = as_admin.post(f"/groups/{group.pk}/access/", {"action": "add"}, follow=True)
    assert "No operation was created" in answer.content.decode()
    for body in (
        {"action": "add", "line": ["x", "9" * 40, "-1"]},
        {"action": "remove", "line": "1"},
    ):
        assert as_admin.post(f"/groups/{group.pk}/access/", body).status_code == 404
    assert not Operation.objects.exists()


def test_an_organization_is_added_to_an_enterprises_group_by_its_name(
    as_admin: Client, umbrella: Account, globex: Account, work: Work
) -> None:
    group = group_of(umbrella, "enterprise-security")
    address = f"/groups/{group.pk}/access/"
    page = as_admin.get(address).content.decode()
    assert '<option value="globex">' in page
    as_admin.post(address, {**fields_of(page), "action": "add", "organization": "globex"})
    work(umbrella)
    assert names_with_access(group) == {"acme", "globex"}


def test_a_manager_of_the_enterprise_is_offered_no_organization_of_others(
    client: Client, lead: User, umbrella: Account, globex: Account
) -> None:
    Membership.objects.create(user=lead, account=umbrella, role="manager")
    client.force_login(lead)
    address = f"/groups/{group_of(umbrella, 'enterprise-security').pk}/access/"
    assert "globex" not in client.get(address).content.decode()
    Membership.objects.create(user=lead, account=globex)
    assert '<option value="globex">' in client.get(address).content.decode()


def test_an_organization_unknown_to_github_is_reported(
    as_admin: Client, umbrella: Account, work: Work
) -> None:
    address = f"/groups/{group_of(umbrella, 'enterprise-security').pk}/access/"
    hidden = fields_of(as_admin.get(address).content.decode())
    as_admin.post(address, {**hidden, "action": "add", "organization": "nobody-at-all"})
    work(umbrella)
    operation = Operation.objects.get()
    assert (operation.state, operation.sends) == (S.CANCELLED, 0)
    assert "knows no organization nobody-at-all" in operation.reason


def test_a_team_lead_sees_the_list_without_the_buttons(
    client: Client, lead: User, acme: Account
) -> None:
    Membership.objects.create(user=lead, account=acme)
    client.force_login(lead)
    group = group_of(acme, "gpu-research")
    page = client.get(f"/groups/{group.pk}/access/").content.decode()
    assert "Add to the group" not in page
    assert 'name="line"' not in page
    assert client.post(f"/groups/{group.pk}/access/", {"action": "add"}).status_code == 403


# Members


def test_larger_runners_are_moved_to_another_group_as_a_batch(
    as_admin: Client, acme: Account, work: Work
) -> None:
    group, target = group_of(acme, "Default"), group_of(acme, "sandbox")
    runners = (
        Runner.objects.present()
        .filter(account=acme, group_id=group.github_id, status="Ready")
        .order_by("pk")[:2]
    )
    page = as_admin.get(f"/groups/{group.pk}/").content.decode()
    assert 'action="/runners/bulk/edit/"' in page
    asked = {"runner": [str(row.pk) for row in runners], "group": [target.name], "change": ["1"]}
    confirm = as_admin.get("/runners/bulk/edit/", asked)
    assert (
        "sandbox" in confirm.content.decode() or str(target.github_id) in confirm.content.decode()
    )
    data = {name: confirm.context["confirm"][name].value() for name in ("nonce", "digest")}
    answer = as_admin.post(
        confirm.request["PATH_INFO"] + "?" + confirm.request["QUERY_STRING"], data
    )
    assert "/operations/batches/" in answer["Location"]
    work(acme)
    assert {row.group_id for row in Runner.objects.filter(pk__in=[row.pk for row in runners])} == {
        target.github_id
    }


def test_self_hosted_runners_are_moved_as_a_batch(
    as_admin: Client, acme: Account, work: Work
) -> None:
    group, target = group_of(acme, "Default"), group_of(acme, "sandbox")
    machines = SelfHostedRunner.objects.filter(account=acme, group_id=group.github_id)
    page = as_admin.get(f"/groups/{group.pk}/")
    assert "onprem-rack-01" in page.content.decode()
    body = {
        "nonce": page.context["nonce"],
        "group": target.pk,
        "runner": [machine.pk for machine in machines],
    }
    answer = as_admin.post(f"/groups/{group.pk}/self-hosted/", body)
    assert "/operations/batches/" in answer["Location"]
    work(acme)
    assert not SelfHostedRunner.objects.filter(account=acme, group_id=group.github_id).exists()


def test_runners_are_not_moved_before_a_group_is_chosen(as_admin: Client, acme: Account) -> None:
    group = group_of(acme, "Default")
    machine = SelfHostedRunner.objects.filter(account=acme, group_id=group.github_id)[0]
    page = as_admin.get(f"/groups/{group.pk}/")
    assert page.content.decode().count('required><option value="">Choose a group</option>') == 2
    body = {"nonce": page.context["nonce"], "group": "", "runner": [machine.pk]}
    answer = as_admin.post(f"/groups/{group.pk}/self-hosted/", body, follow=True)
    assert "choose the group to move them to. No operation was created." in answer.content.decode()
    runner = Runner.objects.filter(account=acme, group_id=group.github_id)[0]
    answer = as_admin.get(f"/runners/bulk/edit/?runner={runner.pk}&group=&change=1")
    assert answer.status_code == 422
    assert "Choose at least one value to change." in answer.content.decode()
    assert not Operation.objects.exists()


def test_a_self_hosted_runner_of_another_group_is_not_moved_by_a_forged_form(
    as_admin: Client, acme: Account
) -> None:
    group, other = group_of(acme, "sandbox"), group_of(acme, "production-deploys")
    machine = SelfHostedRunner.objects.filter(account=acme)[0]
    page = as_admin.get(f"/groups/{group.pk}/")
    body = {"nonce": page.context["nonce"], "group": other.pk, "runner": [machine.pk]}
    as_admin.post(f"/groups/{group.pk}/self-hosted/", body)
    assert not Operation.objects.exists()


def test_a_self_hosted_runner_is_deleted_after_its_name_was_typed(
    as_admin: Client, acme: Account, work: Work
) -> None:
    machine = SelfHostedRunner.objects.get(account=acme, name="onprem-rack-02")
    send(as_admin, f"/groups/self-hosted/{machine.pk}/delete/", typed="onprem-rack-02")
    work(acme)
    machine.refresh_from_db()
    assert machine.gone_at is not None


def test_groups_open_to_public_repositories_stand_out(as_admin: Client, acme: Account) -> None:
    page = as_admin.get("/groups/?public=yes").content.decode()
    assert "open-source" in page
    assert "Allowed" in page
    RunnerGroup.objects.filter(account=acme, name="open-source").update(
        inherited_allows_public_repositories=False
    )
    detail = as_admin.get(f"/groups/{group_of(acme, 'open-source').pk}/").content.decode()
    assert "Not allowed by the enterprise" in detail


def test_an_observe_only_account_has_no_buttons(as_admin: Client, acme: Account) -> None:
    Account.objects.filter(pk=acme.pk).update(observe_only=True)
    group = group_of(acme, "sandbox")
    page = as_admin.get(f"/groups/{group.pk}/").content.decode()
    assert f"/groups/{group.pk}/edit/" not in page
    assert "observe only" in page
    assert as_admin.get(f"/groups/{group.pk}/edit/").status_code == 403
    assert GroupAccess.objects.exists()
