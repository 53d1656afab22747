"""A wrong clock of this machine: GitHub Apps go on, and nothing is disabled."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from runners_app.accounts.accounts import connect
from runners_app.credentials import credentials
from runners_app.models import Account, Credential, Reading, Runner
from tests.simulator_handle import SimulatorHandle

Work = Callable[[Account], None]

MINT = "/access_tokens"


@pytest.fixture(autouse=True)
def _no_answer_told_the_time_yet() -> Iterator[None]:
    credentials._clock_skews.clear()
    yield
    credentials._clock_skews.clear()


@pytest.fixture
def account(db: None, simulator: SimulatorHandle) -> Account:
    """acme, served by an App."""
    told = simulator.app()
    app = credentials.store_app(simulator.base_url, str(told["app_id"]), told["pem"])
    acme = next(one for one in told["installations"] if one["account"] == "organization/acme")
    credential = credentials.store_installation(app, acme["id"], "acme")
    simulator.clear_requests()
    return connect("acme", kind="organization", credential=credential, by=None)


def mints(simulator: SimulatorHandle) -> list[int]:
    """The answers to requests for a token."""
    return [sent["status"] for sent in simulator.requests("POST") if sent["path"].endswith(MINT)]


@pytest.mark.parametrize("hours", [1, -1])
def test_an_app_works_with_a_clock_that_is_an_hour_off(
    account: Account, simulator: SimulatorHandle, work: Work, hours: int
) -> None:
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        Reading.objects.schedule_now(account)
        work(account)
        assert Runner.objects.present().filter(account=account).exists()
        assert mints(simulator) == [401, 201]
        Reading.objects.schedule_now(account)
        work(account)
        assert mints(simulator) == [401, 201], "the token holds by GitHub's clock"
        Credential.objects.update(sealed_installation_token="")
        Reading.objects.schedule_now(account)
        work(account)
        assert mints(simulator) == [401, 201, 201], "signed by GitHub's clock at once"
    assert not Credential.objects.exclude(quarantined_at=None).exists()
    assert not Reading.objects.filter(resource="runners").exclude(error="").exists()


def test_a_signature_refused_for_its_time_disables_nothing(
    account: Account, simulator: SimulatorHandle, work: Work
) -> None:
    body = {"message": "'Expiration time' claim ('exp') is too far in the future"}
    simulator.add_fault("POST", MINT, "status", status=401, body=body, times=2)
    work(account)
    credential = Credential.objects.get()
    assert credential.quarantined_at is None
    assert credential.paused_until is not None
    reading = Reading.objects.get(account=account, resource="runners")
    assert reading.error == "clock"
    assert "is too far in the future" in reading.error_message

    Credential.objects.update(paused_until=None)
    Reading.objects.schedule_now(account)
    work(account)
    assert Runner.objects.present().filter(account=account).exists()
    assert not Reading.objects.filter(resource="runners").exclude(error="").exists()


def test_a_wrong_key_still_disables_the_app(
    account: Account, simulator: SimulatorHandle, work: Work
) -> None:
    body = {"message": "A JSON web token could not be decoded"}
    simulator.add_fault("POST", MINT, "status", status=401, body=body)
    work(account)
    assert mints(simulator) == [401]
    assert Credential.objects.get().quarantined_at is not None
