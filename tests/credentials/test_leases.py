"""The lease of a credential: how long it is held, and how it guards publishing."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from runners_app.accounts.accounts import replace_token
from runners_app.credentials.credentials import open_client
from runners_app.credentials.leases import JUST_RENEWED_SECONDS, Lease, LeaseLost, take_lease
from runners_app.github import BadCredentials, NotSent, RateLimited
from runners_app.github.clock import uptime
from runners_app.models import Account, Credential, Reading
from runners_app.readings.run import run_reading
from runners_app.runners.readings import fetch_runners
from runners_app.worker.work import work_credential
from tests.simulator_handle import SimulatorHandle


def lease_of(account: Account) -> Lease:
    lease = take_lease(account.credential_id, "a worker in a test")
    assert lease is not None
    return lease


def expires_at(account: Account) -> object:
    return Credential.objects.get(pk=account.credential_id).lease_expires_at


def test_a_new_lease_is_renewed_only_with_pending_facts_or_after_some_time(
    acme: Account,
) -> None:
    lease = lease_of(acme)
    taken_until = expires_at(acme)
    lease.before_request("GET")
    assert expires_at(acme) == taken_until
    lease.pending["rate_remaining"] = 4999
    lease.before_request("GET")
    renewed_until = expires_at(acme)
    assert renewed_until != taken_until
    lease.renewed_at -= 2 * JUST_RENEWED_SECONDS
    lease.before_request("GET")
    assert expires_at(acme) != renewed_until


def test_a_write_always_renews_the_lease_and_is_not_sent_without_it(acme: Account) -> None:
    lease = lease_of(acme)
    before = expires_at(acme)
    lease.before_request("PATCH")
    assert expires_at(acme) != before
    Credential.objects.update(lease_token="another worker's")
    with pytest.raises(LeaseLost):
        lease.before_request("PATCH")


def test_a_request_may_leave_until_the_lease_ends(acme: Account, settings: Settings) -> None:
    settings.LEASE_SECONDS = 30
    before = uptime()
    lease = lease_of(acme)
    assert before + 30 <= lease.before_request("GET") <= uptime() + 30
    lease.renewed_at -= 0.5
    assert lease.before_request("GET") == lease.renewed_at + 30
    renewing = uptime()
    assert renewing + 30 <= lease.before_request("PATCH") <= uptime() + 30


def test_after_the_lease_has_ended_nothing_is_sent(
    acme: Account, simulator: SimulatorHandle, settings: Settings
) -> None:
    simulator.clear_requests()
    lease = lease_of(acme)
    settings.LEASE_SECONDS = 0
    client = open_client(acme.credential, lease)
    with pytest.raises(NotSent):
        client.update_hosted_runner(acme.owner, 1, {"name": "too-late"})
    client.close()
    assert simulator.requests() == []


def test_nothing_is_published_without_the_lease(acme: Account) -> None:
    lease = lease_of(acme)
    Credential.objects.update(lease_token="another worker's")
    with pytest.raises(LeaseLost):
        lease.check()


@pytest.mark.parametrize("status", [403, 429])
def test_a_good_answer_just_before_a_limit_resets_the_count_of_limits(
    status: int, acme: Account, simulator: SimulatorHandle
) -> None:
    Credential.objects.update(limits_in_a_row=6)
    Reading.objects.update(due_at=None)
    Reading.objects.schedule_now(acme, Reading.Resource.LIMITS, Reading.Resource.RUNNERS)
    words = {"message": "You have exceeded a secondary rate limit."}
    simulator.add_fault(
        "GET", "^/orgs/acme/actions/hosted-runners/limits", "status", status=status, body=words
    )
    work_credential(acme.credential_id, "a worker in a test")
    credential = Credential.objects.get(pk=acme.credential_id)
    assert (credential.quarantined_at, credential.limits_in_a_row) == (None, 1)


def test_a_time_requested_while_a_reading_runs_is_kept(
    acme: Account, simulator: SimulatorHandle
) -> None:
    Reading.objects.update(due_at=None)
    Reading.objects.schedule_now(acme, Reading.Resource.RUNNERS)
    requested_at = timezone.now()
    row = Reading.objects.filter(account=acme, resource=Reading.Resource.RUNNERS)
    reading = row.get()
    row.update(due_at=requested_at)
    lease = lease_of(acme)
    run_reading(reading, open_client(acme.credential, lease), lease, fetch_runners)
    stored = row.get()
    assert stored.due_at == requested_at
    assert stored.last_good_at is not None
    assert stored.last_good_at > requested_at


def test_nothing_is_published_with_a_token_that_was_replaced(
    acme: Account, globex: Account, admin: User, simulator: SimulatorHandle
) -> None:
    Account.objects.filter(pk=globex.pk).update(
        credential=acme.credential_id
    )  # so that its token stays in use
    globex.refresh_from_db()
    lease = lease_of(acme)
    client = open_client(acme.credential, lease)
    reading = acme.readings.select_related("account").get(resource="runners")
    replace_token(acme, simulator.token("fine-grained"), by=admin)
    with pytest.raises(LeaseLost):
        run_reading(reading, client, lease, fetch_runners)
    assert take_lease(globex.credential_id, "another worker") is None, (
        "a request of the first worker may be under way"
    )
    Credential.objects.update(lease_expires_at=timezone.now())
    assert take_lease(globex.credential_id, "another worker") is not None


@pytest.mark.parametrize(("status", "stops"), [(429, RateLimited), (401, BadCredentials)])
def test_a_limit_or_refusal_stops_the_credential_even_if_the_lease_was_lost(
    status: int, stops: type[Exception], acme: Account, simulator: SimulatorHandle
) -> None:
    simulator.add_fault(
        "GET", "hosted-runners", "status", status=status, headers={"Retry-After": "600"}
    )
    lease = lease_of(acme)
    client = open_client(acme.credential, lease)

    def take_over(method: str) -> None:
        Credential.objects.update(lease_token="another worker's")

    client.before_request = take_over
    with pytest.raises(stops):
        run_reading(
            acme.readings.select_related("account").get(resource="runners"),
            client,
            lease,
            fetch_runners,
        )


def test_an_error_stored_while_a_list_is_read_is_cleared_once_the_list_is_complete(
    acme: Account, simulator: SimulatorHandle
) -> None:
    lease = lease_of(acme)
    reading = acme.readings.select_related("account").get(resource="runners")

    def store_an_error() -> None:
        Reading.objects.filter(pk=reading.pk).update(
            error="unreachable", error_message="GitHub was away."
        )

    run_reading(
        reading,
        open_client(acme.credential, lease),
        lease,
        fetch_runners,
        between_pages=store_an_error,
    )
    reading.refresh_from_db()
    assert reading.error == ""
