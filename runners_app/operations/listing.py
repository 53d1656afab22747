"""Complete readings in the middle of an operation: what a list shows now, published as any other
reading.
"""

from typing import Any

from django.db.models import QuerySet

from runners_app.github import BadCredentials, Forbidden, NotFound, RateLimited
from runners_app.models import Operation, Reading
from runners_app.operations.send import Work, retry_start
from runners_app.operations.steps import give_up_unsent, remain
from runners_app.readings.run import RunResult, run_reading


def read_now(operation: Operation, resource: str, work: Work) -> RunResult:
    """A complete reading of one resource of the operation's account, published as any other.

    Rate limits and refused credentials are raised: they stop all work of the credential, not only
    this operation.
    """
    reading = Reading.objects.select_related("account").get(
        account=operation.account, resource=resource
    )
    result = run_reading(reading, work.client, work.lease, work.fetchers[resource])
    if isinstance(result.error, BadCredentials | RateLimited):
        raise result.error
    return result


def list_first(
    operation: Operation, work: Work, resource: Reading.Resource, rows: QuerySet[Any]
) -> bool:
    """Keep the ids of all `rows` of the account as a complete list shows them now; whether that
    could be done.
    """
    result = read_now(operation, resource, work)
    if result.failure is not None:
        words = resource.label.lower()
        if isinstance(result.error, Forbidden | NotFound):
            note = f"Before a create Trackside reads the list of {words}. {result.failure.message} Nothing was sent."
            give_up_unsent(operation, work, note)
        else:
            retry_start(
                operation,
                work,
                f"Not sent yet: the list of {words} could not be read first. {result.error}",
            )
        return False
    if (
        operation.sends <= 1
    ):  # after a lost answer only the ids from before the first try tell what is new
        ids = rows.filter(account=operation.account).values_list("github_id", flat=True)
        remain(operation, work, seconds=0, ids_before=list(ids))
    return True
