"""Looking at what an update is about, before it is sent and after: what becomes of the operation if it cannot be seen.

Each look answers what GitHub shows now, or nothing once it has noted on the operation why there is nothing to show.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from runners_app.github import NotFound, Refused
from runners_app.models import Operation
from runners_app.services.carry_out.send import STOPS, UNREACHED, Work, retry_look, retry_start
from runners_app.services.carry_out.steps import give_up_unsent, keep_observing, need_attention
from runners_app.services.readings import make_due

T = TypeVar("T")


@dataclass(frozen=True)
class Subject(Generic[T]):
    """What is changed: its name in words, the reading that lists it, and how to look at it (raises GitHubError)."""

    name: str
    resource: str
    now: Callable[[Operation, Work], T]


def look_before(subject: Subject[T], operation: Operation, work: Work, rest: str = "Nothing was sent.") -> T | None:
    """While nothing was applied. `rest` says what has been sent so far."""
    try:
        return subject.now(operation, work)
    except NotFound:
        give_up_unsent(operation, work, f"GitHub has no such {subject.name} any more. {rest}")
        make_due(operation.account, subject.resource)
    except STOPS:
        raise
    except UNREACHED as error:
        retry_start(operation, work, f"Not sent yet: the {subject.name} could not be read first. {error}")
    except Refused as error:
        give_up_unsent(operation, work, f"GitHub did not show the {subject.name}. {rest} {error.message}")
    return None


def look_after_loss(subject: Subject[T], operation: Operation, work: Work) -> T | None:
    """From `unknown`: the answer was lost."""
    try:
        return subject.now(operation, work)
    except NotFound:
        need_attention(operation, work, f"The answer was lost, and meanwhile GitHub has no such {subject.name}.")
        make_due(operation.account, subject.resource)
    except STOPS:
        raise
    except (*UNREACHED, Refused) as error:
        note = f"The answer was lost, and the {subject.name} could not be read. {error}"
        retry_look(operation, work, note, error)
    return None


def look_for_effect(subject: Subject[T], operation: Operation, work: Work) -> T | None:
    """From `observing`: GitHub accepted it, and the effect is awaited."""
    try:
        return subject.now(operation, work)
    except NotFound:
        need_attention(operation, work, f"GitHub accepted it, and meanwhile has no such {subject.name}.")
        make_due(operation.account, subject.resource)
    except STOPS:
        raise
    except Refused as error:
        note = f"GitHub accepted it, and then did not show the {subject.name}. {error}"
        retry_look(operation, work, note, error)
    except UNREACHED as error:
        keep_observing(operation, work, f"GitHub accepted it, and the {subject.name} could not be read since. {error}")
    return None
