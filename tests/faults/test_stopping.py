"""F6 in process: a worker that was asked to stop sends nothing more, and nothing is in doubt."""

from collections.abc import Iterator
from threading import Timer

import pytest
from django.contrib.auth.models import User

from runners_app.credentials.leases import accept_requests, stop_requests
from runners_app.models import Account, Credential, Operation
from tests.faults.conftest import Settle, applied, work_once
from tests.faults.verbs import VERBS, Github, Verb
from tests.simulator_handle import SimulatorHandle

S = Operation.State


@pytest.fixture(autouse=True)
def _accept_requests_again() -> Iterator[None]:
    yield
    accept_requests()


@pytest.mark.parametrize("verb", VERBS, ids=str)
def test_a_stopping_worker_sends_nothing_and_the_next_one_sends_it_once(
    verb: Verb,
    acme: Account,
    admin: User,
    simulator: SimulatorHandle,
    github: Github,
    settle: Settle,
) -> None:
    operation = verb.request(acme, admin)
    stop_requests()
    work_once(acme)
    assert not simulator.requests(verb.method)
    assert Credential.objects.get(pk=acme.credential_id).lease_expires_at is None
    accept_requests()
    operation = settle(operation)
    assert (operation.state, operation.sends) == (S.CONFIRMED, 1)
    assert S.UNKNOWN not in operation.events.values_list("state", flat=True)
    assert applied(simulator, verb.method) == 1


@pytest.mark.parametrize("verb", VERBS, ids=str)
def test_a_worker_stopped_right_before_the_write_proves_that_it_was_not_sent(
    verb: Verb,
    acme: Account,
    admin: User,
    simulator: SimulatorHandle,
    github: Github,
    settle: Settle,
) -> None:
    """The last request before the write is under way when the worker is asked to stop."""
    operation = verb.request(acme, admin)
    simulator.add_fault("GET", "", "delay", seconds=0.5)
    timer = Timer(0.25, stop_requests)
    timer.start()
    work_once(acme)
    timer.join()
    accept_requests()
    operation = settle(operation)
    assert (operation.state, operation.target_id is not None) == (S.CONFIRMED, True)
    assert S.UNKNOWN not in operation.events.values_list("state", flat=True)
    assert applied(simulator, verb.method) == 1
