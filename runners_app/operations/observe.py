"""Reading the target of an update, before and after it is sent.

Each function returns what GitHub shows now. If the target could not be read, it decides what
becomes of the operation, notes why, and returns None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from django.conf import settings

from runners_app.github import NotFound, Refused
from runners_app.models import Operation, Reading
from runners_app.models.clock import database_now
from runners_app.operations.send import STOPS, UNREACHED, Work, retry_probe, retry_start
from runners_app.operations.steps import give_up_unsent, keep_observing, need_attention

T = TypeVar("T")


@dataclass(frozen=True)
class Target(Generic[T]):
    """What is changed: its noun, the resource that lists it, and a function that reads it.

    `now` publishes what it reads, and raises GitHubError.
    """

    name: str
    resource: str
    now: Callable[[Operation, Work], T]


def read_before_sending(
    target: Target[T], operation: Operation, work: Work, rest: str = "Nothing was sent."
) -> T | None:
    """While nothing was applied. `rest` says in words what was sent so far."""
    try:
        return target.now(operation, work)
    except NotFound:
        give_up_unsent(operation, work, f"GitHub no longer has this {target.name}. {rest}")
        Reading.objects.schedule_now(operation.account, target.resource)
    except STOPS:
        raise
    except UNREACHED as error:
        note = f"Not sent yet: the {target.name} could not be read first. {error}"
        retry_start(operation, work, note)
    except Refused as error:
        note = f"GitHub did not show the {target.name}. {rest} {error.message}"
        give_up_unsent(operation, work, note)
    return None


def read_after_loss(target: Target[T], operation: Operation, work: Work) -> T | None:
    """In state `unknown`: the answer was lost."""
    try:
        return target.now(operation, work)
    except NotFound:
        note = f"The answer was lost, and GitHub does not show this {target.name} any more."
        if _is_past_proof(operation.unknown_since):
            need_attention(operation, work, note)
        else:
            retry_probe(operation, work, note)
        Reading.objects.schedule_now(operation.account, target.resource)
    except STOPS:
        raise
    except (*UNREACHED, Refused) as error:
        note = f"The answer was lost, and the {target.name} could not be read. {error}"
        retry_probe(operation, work, note)
    return None


def _is_past_proof(since: datetime | None) -> bool:
    """Whether a 404 has lasted for too long to be one of GitHub's short failures."""
    limit = database_now() - timedelta(seconds=settings.ABSENCE_PROOF_SECONDS)
    return since is not None and since <= limit


def read_for_effect(target: Target[T], operation: Operation, work: Work) -> T | None:
    """In state `observing`: GitHub accepted the request."""
    try:
        return target.now(operation, work)
    except NotFound:
        note = f"GitHub accepted it, but does not show this {target.name} any more."
        if _is_past_proof(operation.observing_since):
            need_attention(operation, work, note)
        else:
            keep_observing(operation, work, note)
        Reading.objects.schedule_now(operation.account, target.resource)
    except STOPS:
        raise
    except (*UNREACHED, Refused) as error:
        note = f"GitHub accepted it, but the {target.name} could not be read since. {error}"
        keep_observing(operation, work, note)
    return None
