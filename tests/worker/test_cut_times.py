"""F4: stored times beyond their rule are cut, so that work goes on after a clock has been set."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from runners_app.models import Account, Credential, Operation, Reading
from runners_app.worker.cut_times import cut_times
from tests.faults.verbs import UPDATE

HOUR = timedelta(hours=1)


def test_times_that_a_fast_clock_has_stored_are_cut(acme: Account, admin: User) -> None:
    operation = UPDATE.request(acme, admin)
    now = timezone.now()
    Credential.objects.update(lease_expires_at=now + HOUR, next_write_at=now + HOUR)
    Operation.objects.update(next_step_at=now + HOUR)
    Reading.objects.filter(resource="runners").update(due_at=now + HOUR, interval_seconds=60)
    assert cut_times(now) == 4
    credential = Credential.objects.get()
    assert credential.lease_expires_at == now + timedelta(seconds=30)
    assert credential.next_write_at == now
    operation.refresh_from_db()
    assert operation.next_step_at == now
    assert Reading.objects.get(resource="runners").due_at == now
    assert cut_times(now) == 0


def test_times_within_their_rule_stay(acme: Account, admin: User) -> None:
    operation = UPDATE.request(acme, admin)
    now = timezone.now()
    Credential.objects.update(lease_expires_at=now + timedelta(seconds=30))
    Operation.objects.update(next_step_at=now + timedelta(seconds=60))
    assert cut_times(now) == 0
    operation.refresh_from_db()
    assert operation.next_step_at == now + timedelta(seconds=60)


def test_a_pause_that_github_gave_a_time_for_is_not_cut(acme: Account) -> None:
    until = timezone.now() + HOUR
    Credential.objects.update(paused_until=until)
    cut_times(timezone.now())
    assert Credential.objects.get().paused_until == until
