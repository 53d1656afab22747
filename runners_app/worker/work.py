"""The work of one credential: operations first, then due readings and checks.

New operations are also carried out between the pages of a reading.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

from structlog.contextvars import bind_contextvars, clear_contextvars

from runners_app.credentials import check as credential_check
from runners_app.credentials import credentials
from runners_app.credentials.leases import Lease, LeaseLost, Stopping, take_lease
from runners_app.github import BadCredentials, GitHubClient, GitHubError, NotFound, RateLimited
from runners_app.models import Account, Credential, Operation, Reading
from runners_app.models.clock import database_now
from runners_app.operations.holds import hold_overdue
from runners_app.operations.send import Work
from runners_app.operations.steps import step
from runners_app.operations.transitions import NotMoved, stay
from runners_app.readings.failures import refused_credential
from runners_app.readings.run import RunResult, fail_reading, next_due, run_reading
from runners_app.security.secrets import SecretUnreadable
from runners_app.worker import carry_out
from runners_app.worker.fetchers import FETCHERS

log = logging.getLogger(__name__)
# A worker then gives the credential back, so that a busy one does not occupy it forever.
LONGEST_SHIFT_SECONDS = 120
AFTER_A_BUG_SECONDS = 60
UNOPENED_SECONDS = 30
UNINSTALLED = (
    "GitHub no longer has this installation of the App: an owner removed it from the organization. "
    "Install it there again, then list the App's installations and connect the organization again."
)


def work_credential(credential_id: int, holder: str) -> None:
    """Do all due work of a credential, unless another worker holds its lease.

    `holder` names this worker where the lease is shown.
    """
    deadline = time.monotonic() + LONGEST_SHIFT_SECONDS
    while time.monotonic() < deadline and _has_work(credential_id):
        lease = take_lease(credential_id, holder)
        if lease is None:
            return
        try:
            _work(lease, deadline)
        except Stopping:
            return
        except LeaseLost:
            log.warning("The lease of credential %s was lost.", credential_id)
            return
        finally:
            lease.release()


def _has_work(credential_id: int) -> bool:
    now = database_now()
    usable = Credential.objects.usable(now).filter(pk=credential_id)
    if not usable.exists():
        return False
    if usable.filter(retry_at__lte=now).exists():
        return True
    if carry_out.next_due(credential_id) is not None or next_due(credential_id, now) is not None:
        return True
    return credential_check.is_check_due(credential_id)


def _work(lease: Lease, deadline: float) -> None:
    credential = Credential.objects.select_related("app").get(pk=lease.credential_id)
    if credential.quarantined_at is not None:
        credentials.retry_quarantined(credential, lease)
        return
    client = _open(credential, lease)
    if client is None:
        return
    work = Work(lease, client, FETCHERS)
    hold_overdue(database_now(), account__credential_id=credential.pk)
    bind_contextvars(credential=credential.pk)
    try:
        _carry_out_due(work, deadline)
        while time.monotonic() < deadline:
            reading = next_due(credential.pk, database_now())
            if reading is None:
                break
            bind_contextvars(account=reading.account.slug)
            result = _run(reading, work, lambda: _carry_out_due(work, deadline))
            if isinstance(result.error, BadCredentials | RateLimited):
                raise result.error
            _carry_out_due(work, deadline)
        # Last, because people wait for readings and operations.
        if credential_check.is_check_due(credential.pk):
            credential_check.check(credential, client)
    except (BadCredentials, RateLimited) as error:
        _stop(credential, error)
    finally:
        credentials.keep_client(credential, client)
        clear_contextvars()


def _open(credential: Credential, lease: Lease) -> GitHubClient | None:
    """The client; None if the secret is unreadable or no installation token can be created.

    Then the credential is paused or quarantined, and its readings say why.
    """
    try:
        return credentials.open_client(credential, lease)
    except (SecretUnreadable, ValueError) as error:
        credentials.quarantine(credential.pk, str(error))
    except BadCredentials as error:
        if credential.app is not None:
            reason = f"GitHub does not accept the App's key: {error.message}"
            credentials.quarantine_app(credential.app, reason)
    except RateLimited as error:
        credentials.pause(credential.pk, error)
    except NotFound:
        credentials.quarantine(credential.pk, UNINSTALLED)
    except GitHubError as error:
        now = database_now()
        due = Reading.objects.due(now).filter(account__credential=credential)
        for reading in due.select_related("account"):
            fail_reading(reading, error, lease, 0)
        Credential.objects.filter(pk=credential.pk).update(
            paused_until=now + timedelta(seconds=UNOPENED_SECONDS),
            pause_reason=f"GitHub gave no token for this installation. {error}",
        )
    return None


class CredentialBusy(Exception):
    """The credential is leased, paused or quarantined; the message says which."""


def read_accounts(
    accounts: list[Account], resources: list[str] | None, holder: str
) -> Iterator[RunResult]:
    """Read accounts of one credential in this process, whether due or not.

    Reads only the named `resources`, or all if None. Raises CredentialBusy.
    """
    credential = accounts[0].credential
    if credential.quarantined_at is not None:
        raise CredentialBusy(
            f"not read, the credential is disabled: {credential.quarantine_reason}"
        )
    if credential.paused_until is not None and credential.paused_until > database_now():
        raise CredentialBusy(
            f"not read, GitHub asked to wait until {credential.paused_until:%H:%M:%S} UTC"
        )
    lease = take_lease(credential.pk, holder)
    if lease is None:
        raise CredentialBusy(
            "not read, a worker is busy with this credential; try again in a moment"
        )
    try:
        client = _open(credential, lease)
        if client is None:
            credential.refresh_from_db()
            raise CredentialBusy(credential.quarantine_reason or credential.pause_reason)
        rows = Reading.objects.filter(account__in=accounts, account__credential=credential)
        rows = rows.select_related("account").order_by("account", "order")
        for reading in rows.filter(resource__in=resources) if resources else rows:
            result = _run(reading, Work(lease, client, FETCHERS), lambda: None)
            yield result
            if isinstance(result.error, BadCredentials | RateLimited):
                _stop(credential, result.error)
                return
        credentials.keep_client(credential, client)
    except LeaseLost:
        raise CredentialBusy("stopped, another worker took the credential; try again") from None
    finally:
        lease.release()


def _carry_out_due(work: Work, deadline: float) -> None:
    while (
        time.monotonic() < deadline
        and (operation := carry_out.next_due(work.lease.credential_id)) is not None
    ):
        try:
            carry_out.carry_out(operation, work)
        except NotMoved:
            log.info("Operation %s was changed at the same time.", operation.pk)
            _rest(operation, work, 1)
        except (LeaseLost, BadCredentials, RateLimited):
            raise
        except Exception:  # a bug must not stop other operations or readings, nor cause a loop
            log.exception("Operation %s failed unexpectedly.", operation.pk)
            note = "Trackside failed here; its log says why. It tries again."
            _rest(operation, work, AFTER_A_BUG_SECONDS, note)


def _rest(operation: Operation, work: Work, seconds: float, note: str | None = None) -> None:
    """Take no step for some seconds, whatever its state is by now."""
    with step(work), suppress(NotMoved):
        operation.refresh_from_db(
            fields=["state", "sends", "known_not_applied", "held_because", "reason"]
        )
        stay(operation, seconds=seconds, note=note)


def _run(reading: Reading, work: Work, between_pages: Callable[[], None]) -> RunResult:
    try:
        result = run_reading(
            reading, work.client, work.lease, work.fetchers[reading.resource], between_pages
        )
        if result.failure is None:
            carry_out.resolve(reading, work)
        return result
    except (LeaseLost, BadCredentials, RateLimited):
        raise
    except Exception as error:  # contained in its reading, like every failure
        log.exception("Reading %s failed unexpectedly.", reading.pk)
        return fail_reading(reading, error, work.lease, 0)


def _stop(credential: Credential, error: BadCredentials | RateLimited) -> None:
    if isinstance(error, RateLimited):
        credentials.pause(credential.pk, error)
    else:
        credentials.refused(credential.pk, refused_credential(error))
