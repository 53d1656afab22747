"""Who may use a runner group, as read from GitHub: lists, shared runners, repositories, self-hosted
runners.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from runners_app.groups.readings import QUESTIONS_AT_ONCE
from runners_app.models import (
    AccessCheck,
    Account,
    CachedResponse,
    FieldChange,
    GroupAccess,
    Reading,
    Repository,
    RunnerGroup,
    SelfHostedRunner,
    SharedRunner,
)
from tests.simulator_handle import SimulatorHandle

pytestmark = pytest.mark.usefixtures("in_earnest")
Work = Callable[[Account], None]


@pytest.fixture(autouse=True)
def _absence_is_proven_at_once(settings: Settings) -> None:
    """By a second list; the time between them has tests of its own."""
    settings.ABSENCE_PROOF_SECONDS = 0


def group_of(account: Account, name: str) -> RunnerGroup:
    return RunnerGroup.objects.present().get(account=account, name=name)


def names_with_access(group: RunnerGroup) -> set[str]:
    return set(group.access.values_list("name", flat=True))


def read_anew(account: Account, work: Work, *resources: str) -> None:
    Reading.objects.schedule_now(account, *resources)
    work(account)
    Reading.objects.schedule_now(account, *resources)
    work(account)


def give_access(simulator: SimulatorHandle, group: RunnerGroup, *repositories: Repository) -> None:
    """Set a group's repositories behind the dashboard's back, as GitHub's own page does."""
    at_github(
        simulator,
        "PUT",
        f"/orgs/acme/actions/runner-groups/{group.github_id}/repositories",
        {"selected_repository_ids": [repository.github_id for repository in repositories]},
    )


def at_github(simulator: SimulatorHandle, method: str, path: str, body: object = None) -> None:
    token = simulator.account("acme").token
    answer = simulator._session.request(
        method,
        simulator.base_url + path,
        json=body,
        timeout=10,
        headers={"Authorization": f"Bearer {token}", "User-Agent": "a person"},
    )
    assert answer.ok, answer.text


def test_the_access_lists_of_an_organization_are_read(acme: Account) -> None:
    group = group_of(acme, "production-deploys")
    private = set(
        Repository.objects.filter(account=acme, private=True).values_list("name", flat=True)
    )
    assert len(names_with_access(group)) == 4
    assert names_with_access(group) < private
    assert group.access_observed_at is not None
    assert group_of(acme, "Default").access_observed_at is None


def test_the_access_lists_of_an_enterprise_hold_organizations(umbrella: Account) -> None:
    assert names_with_access(group_of(umbrella, "enterprise-security")) == {"acme"}
    assert not Reading.objects.filter(
        account=umbrella, resource__in=("repositories", "access_checks")
    ).exists()


def test_an_access_list_is_read_only_if_the_visibility_is_selected(
    acme: Account, simulator: SimulatorHandle
) -> None:
    asked = {
        entry["path"]
        for entry in simulator.requests("GET")
        if entry["path"].endswith("/repositories")
    }
    selected = RunnerGroup.objects.present().filter(account=acme, visibility="selected")
    assert asked == {
        f"/orgs/acme/actions/runner-groups/{group.github_id}/repositories" for group in selected
    }


def test_unchanged_access_lists_cost_nothing_and_write_nothing(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    simulator.set_speed(0)
    before = (list(GroupAccess.objects.values()), list(RunnerGroup.objects.values()))
    version = Account.objects.get(pk=acme.pk).version
    read_anew(acme, work, "group_access", "repositories", "self_hosted_runners")
    assert (list(GroupAccess.objects.values()), list(RunnerGroup.objects.values())) == before
    assert Account.objects.get(pk=acme.pk).version == version
    for resource in ("group_access", "repositories", "self_hosted_runners"):
        run = acme.readings.get(resource=resource).runs.order_by("-pk").first()
        assert run is not None
        assert (run.outcome, run.not_modified) == ("unchanged", run.requests)


def test_a_change_made_at_github_goes_into_the_history(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    group = group_of(acme, "gpu-research")
    before = names_with_access(group)
    added = Repository.objects.filter(account=acme, private=True).exclude(name__in=before).first()
    assert added is not None
    give_access(simulator, group, added)
    read_anew(acme, work, "group_access")
    assert names_with_access(group) == {added.name}
    changes = FieldChange.objects.filter(item="group", item_pk=group.pk)
    assert changes.get(field="repositories_added").after == [added.name]
    assert changes.get(field="repositories_removed").after == sorted(before)


def test_a_slow_reading_does_not_undo_a_newer_list(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    group = group_of(acme, "gpu-research")
    before = names_with_access(group)
    repository = (
        Repository.objects.filter(account=acme, private=True).exclude(name__in=before).first()
    )
    assert repository is not None
    give_access(simulator, group, repository)
    # As if a write were published after this reading began.
    RunnerGroup.objects.filter(pk=group.pk).update(
        access_observed_at=timezone.now() + timedelta(hours=1)
    )
    read_anew(acme, work, "group_access")
    assert names_with_access(group) == before
    pages = CachedResponse.objects.filter(
        url__contains=f"/runner-groups/{group.github_id}/repositories"
    )
    assert not pages.exists()


def test_losing_the_permission_keeps_the_last_lists_and_says_why(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    before = names_with_access(group_of(acme, "gpu-research"))
    simulator.add_fault("GET", r"/runner-groups/\d+/repositories", "status", status=404, times=50)
    read_anew(acme, work, "group_access")
    assert names_with_access(group_of(acme, "gpu-research")) == before
    assert acme.readings.get(resource="group_access").error == "not_found"
    assert acme.readings.get(resource="groups").error == ""


def test_a_group_deleted_during_a_reading_leaves_other_lists_readable(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    group = group_of(acme, "gpu-research")
    simulator.add_fault(
        "GET", rf"/runner-groups/{group.github_id}/repositories", "status", status=404
    )
    other = group_of(acme, "production-deploys")
    give_access(simulator, other)
    read_anew(acme, work, "group_access")
    assert names_with_access(other) == set()
    assert acme.readings.get(resource="group_access").error == ""


def test_an_organization_is_shown_the_runners_its_enterprise_shares(
    acme: Account, umbrella: Account
) -> None:
    inherited = group_of(acme, "enterprise-shared")
    own = group_of(umbrella, "enterprise-shared")
    expected = set(
        umbrella.runners.filter(group_id=own.github_id, gone_at=None).values_list(
            "github_id", "name"
        )
    )
    shared = SharedRunner.objects.filter(group=inherited)
    assert set(shared.values_list("github_id", "name")) == expected


def test_self_hosted_runners_are_read_with_labels(acme: Account) -> None:
    rack = SelfHostedRunner.objects.get(account=acme, name="onprem-rack-01")
    assert (rack.os, rack.status, rack.busy, rack.group_id) == ("linux", "online", True, 1)
    assert ["onprem", "custom"] in rack.labels


def test_repositories_are_read_with_their_visibility(acme: Account) -> None:
    kinds = set(Repository.objects.filter(account=acme).values_list("private", "visibility"))
    assert kinds == {(True, "private"), (False, "public")}


def test_a_check_of_a_repository_asks_github_once(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    repository = Repository.objects.filter(account=acme, private=True).first()
    assert repository is not None
    check = AccessCheck.objects.create(
        account=acme, repository=repository.name, asked_at=timezone.now(), asked_by="ada"
    )
    simulator.clear_requests()
    read_anew(acme, work, "access_checks")
    read_anew(acme, work, "access_checks")
    check.refresh_from_db()
    assert check.answered_at is not None
    assert group_of(acme, "sandbox").github_id in check.group_ids
    (asked,) = simulator.requests("GET")
    assert asked["query"]["visible_to_repository"] == repository.name


def test_a_refused_check_is_answered_in_githubs_words(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    check = AccessCheck.objects.create(
        account=acme, repository="nothing", asked_at=timezone.now(), asked_by="ada"
    )
    simulator.add_fault(
        "GET", "visible_to_repository", "status", status=422, body={"message": "No such repository"}
    )
    read_anew(acme, work, "access_checks")
    check.refresh_from_db()
    assert "No such repository" in check.refusal
    assert acme.readings.get(resource="access_checks").error == ""


def test_a_truncated_list_is_read_completely_next_time(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    group = group_of(acme, "gpu-research")
    path = f"/orgs/acme/actions/runner-groups/{group.github_id}/repositories"
    first, last = Repository.objects.filter(account=acme, private=True).order_by("pk")[:2]
    line = {"id": first.github_id, "name": first.name, "private": True}
    to_next = {"Link": f'<{simulator.base_url}{path}?per_page=100&page=2>; rel="next"'}
    page = {"total_count": 2, "repositories": [line]}
    simulator.add_fault(
        "GET",
        f"{path}[?]per_page=100$",
        "status",
        status=200,
        body=page,
        headers=to_next,
        times=0,
    )
    simulator.add_fault("GET", f"{path}.*&page=2$", "status", status=404, times=2)
    read_anew(acme, work, "group_access")
    page2 = {"total_count": 2, "repositories": [{**line, "id": last.github_id, "name": last.name}]}
    simulator.add_fault("GET", f"{path}.*&page=2$", "status", status=200, body=page2, times=0)
    read_anew(acme, work, "group_access")
    assert names_with_access(group) == {first.name, last.name}


def test_more_checks_than_fit_in_one_reading_are_all_answered(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    now = timezone.now()
    AccessCheck.objects.bulk_create(
        AccessCheck(account=acme, repository=f"repository-{number}", asked_at=now, asked_by="ada")
        for number in range(QUESTIONS_AT_ONCE + 1)
    )
    read_anew(acme, work, "access_checks")
    assert not AccessCheck.objects.unanswered().exists()
