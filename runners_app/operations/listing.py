"""Complete lists read while an operation is carried out, and published like any other reading."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from runners_app.github import BadCredentials, Forbidden, NotFound, RateLimited
from runners_app.models import Operation, Reading
from runners_app.models.clock import database_now
from runners_app.operations.send import Work, retry_start
from runners_app.operations.steps import give_up_unsent, remain
from runners_app.readings.run import RunResult, run_reading


def read_now(
    operation: Operation, resource: str, work: Work, *, unconditional: bool = False
) -> RunResult:
    """Read and publish one resource of the operation's account.

    Raises RateLimited and BadCredentials, which stop all work of the credential; other failures
    are in the result.
    """
    reading = Reading.objects.select_related("account").get(
        account=operation.account, resource=resource
    )
    result = run_reading(
        reading,
        work.client,
        work.lease,
        work.fetchers[resource],
        unconditional=unconditional,
    )
    if isinstance(result.error, BadCredentials | RateLimited):
        raise result.error
    return result


def read_as_proof(operation: Operation, resource: str, work: Work) -> RunResult:
    """Read a list unconditionally, to find out what became of an operation.

    Operations of one account share a list for LOST_ANSWER_SPACING_SECONDS, if it began after they
    were sent. Raises like `read_now`.
    """
    key = (operation.account_id, resource)
    begun, result = work.lists.get(key, (None, None))
    age = timedelta(seconds=settings.LOST_ANSWER_SPACING_SECONDS)
    sent_at = operation.unknown_since or operation.sent_at
    is_recent = begun is not None and database_now() - begun < age
    if result is None or not is_recent or sent_at is None or begun is None or begun <= sent_at:
        begun = database_now()
        result = read_now(operation, resource, work, unconditional=True)
        work.lists[key] = (begun, result)
    return result


def list_first(
    operation: Operation, work: Work, resource: Reading.Resource, rows: QuerySet[Any]
) -> bool:
    """Store the ids of a complete list as `ids_before`; `rows` are those it publishes.

    Returns whether that succeeded. If not, the operation already waits or was given up.
    """
    result = read_now(operation, resource, work)
    if result.failure is not None:
        noun = resource.label.lower()
        if isinstance(result.error, Forbidden | NotFound):
            note = (
                f"Before a create, Trackside reads the list of {noun}. "
                f"{result.failure.message} Nothing was sent."
            )
            give_up_unsent(operation, work, note)
        else:
            note = f"Not sent yet: the list of {noun} could not be read first. {result.error}"
            retry_start(operation, work, note)
        return False

    # After a lost answer, only the ids from before the first request tell what is new.
    if operation.sends <= 1:
        ids = rows.filter(account=operation.account).values_list("github_id", flat=True)
        remain(operation, work, seconds=0, ids_before=list(ids))
    return True
