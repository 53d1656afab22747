"""I1 and I2: an account is GitHub's number, not a name that can change hands."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from runners_app.accounts.accounts import check_now, check_slug
from runners_app.models import Account, AuditEntry, FieldChange, Operation, Reading, Runner
from tests.faults.conftest import Settle, work_once
from tests.faults.verbs import UPDATE, Github
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]
R = Reading.Resource


def names(account: Account) -> list[str]:
    rows = Runner.objects.filter(account=account, gone_at=None).order_by("github_id")
    return list(rows.values_list("name", flat=True))


def read(account: Account, work: Work) -> Reading:
    Reading.objects.schedule_now(account, R.RUNNERS)
    work(account)
    return account.readings.get(resource=R.RUNNERS)


def test_the_number_of_an_organization_is_stored_with_its_first_reading(acme: Account) -> None:
    acme.refresh_from_db()
    assert acme.github_id is not None


def test_a_renamed_organization_is_followed_by_its_number(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    before = names(acme)
    simulator.change_account("organization", "acme", slug="acme-renamed")
    read(acme, work)
    acme.refresh_from_db()
    assert acme.slug == "acme-renamed"
    assert read(acme, work).error == ""
    assert names(acme) == before
    entry = AuditEntry.objects.get(action=AuditEntry.Action.ACCOUNT_RENAMED)
    assert entry.details == {"before": "acme", "after": "acme-renamed"}


def test_a_name_that_another_organization_took_is_never_mixed_up(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    before = names(acme)
    simulator.change_account("organization", "acme", slug="acme-renamed")
    simulator.create_account("organization", "acme")
    simulator.create_runner("organization", "acme", name="a-foreign-runner")
    read(acme, work)
    acme.refresh_from_db()
    assert acme.slug == "acme-renamed"
    assert names(acme) == before
    assert not FieldChange.objects.filter(field="name").exists()


def test_an_organization_that_is_gone_stops_with_a_clear_message(
    acme: Account, simulator: SimulatorHandle, work: Work
) -> None:
    before = names(acme)
    body = {"id": 987654321, "login": "acme"}
    simulator.add_fault("GET", "^/orgs/acme$", "replace", body=body, times=0)
    simulator.add_fault("GET", "^/organizations/", "status", status=404, times=0)
    simulator.create_runner("organization", "acme", name="a-foreign-runner")
    reading = read(acme, work)
    assert reading.error == "identity"
    assert "belongs to another organization" in reading.error_message
    assert names(acme) == before


def test_nothing_is_sent_to_an_organization_that_took_the_name(
    acme: Account, admin: User, simulator: SimulatorHandle, github: Github, settle: Settle
) -> None:
    operation = UPDATE.request(acme, admin)
    body = {"id": 987654321, "login": "acme"}
    simulator.add_fault("GET", "^/orgs/acme$", "replace", body=body, times=0)
    simulator.add_fault("GET", "^/organizations/", "status", status=404, times=0)
    work_once(acme)
    operation.refresh_from_db()
    assert operation.state == Operation.State.REQUESTED
    assert "belongs to another organization" in operation.reason
    assert not simulator.requests("PATCH")


def test_an_enterprise_of_which_nothing_is_known_any_more_waits_for_an_administrator(
    umbrella: Account, admin: User, simulator: SimulatorHandle, work: Work
) -> None:
    before = names(umbrella)
    others = [{"id": 9_000_001, "name": "foreign"}]
    for noun, key in (("hosted-runners", "runners"), ("runner-groups", "runner_groups")):
        body = {"total_count": 1, key: others}
        path = f"^/enterprises/umbrella/actions/{noun}[?]"
        simulator.add_fault("GET", path, "status", status=200, body=body, times=0)
    path = "^/enterprises/umbrella/actions/hosted-runners/[0-9]+$"
    simulator.add_fault("GET", path, "status", status=404, times=0)
    reading = read(umbrella, work)
    assert reading.error == "identity"
    assert names(umbrella) == before

    check_now(umbrella, by=admin)
    umbrella.refresh_from_db()
    work(umbrella)
    assert "foreign" in names(umbrella)


@pytest.mark.parametrize("slug", ["kuba--", "a", "a-b", "with_underscore"])
def test_existing_names_may_end_in_a_hyphen(slug: str) -> None:
    assert check_slug(slug) == slug
