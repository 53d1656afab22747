"""Reading the target of an update, before it is sent and after: what becomes of the operation if it
cannot be read.

Each answers what GitHub shows now, or nothing once it has noted on the operation why there is
nothing to show.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from runners_app.github import NotFound, Refused
from runners_app.models import Operation, Reading
from runners_app.operations.send import STOPS, UNREACHED, Work, retry_probe, retry_start
from runners_app.operations.steps import give_up_unsent, keep_observing, need_attention

T = TypeVar("T")


@dataclass(frozen=True)
class Target(Generic[T]):
    """What is changed: its name in words, the reading that lists it, and how to look at it (raises
    GitHubError).
    """

    name: str
    resource: str
    now: Callable[[Operation, Work], T]


def read_before_sending(
    target: Target[T], operation: Operation, work: Work, rest: str = "Nothing was sent."
) -> T | None:
    """While nothing was applied. `rest` says what has been sent so far."""
    try:
        return target.now(operation, work)
    except NotFound:
        give_up_unsent(operation, work, f"GitHub has no such {target.name} any more. {rest}")
        Reading.objects.schedule_now(operation.account, target.resource)
    except STOPS:
        raise
    except UNREACHED as error:
        retry_start(
            operation, work, f"Not sent yet: the {target.name} could not be read first. {error}"
        )
    except Refused as error:
        give_up_unsent(
            operation, work, f"GitHub did not show the {target.name}. {rest} {error.message}"
        )
    return None


def read_after_loss(target: Target[T], operation: Operation, work: Work) -> T | None:
    """From `unknown`: the answer was lost."""
    try:
        return target.now(operation, work)
    except NotFound:
        need_attention(
            operation, work, f"The answer was lost, and meanwhile GitHub has no such {target.name}."
        )
        Reading.objects.schedule_now(operation.account, target.resource)
    except STOPS:
        raise
    except (*UNREACHED, Refused) as error:
        note = f"The answer was lost, and the {target.name} could not be read. {error}"
        retry_probe(operation, work, note, error)
    return None


def read_for_effect(target: Target[T], operation: Operation, work: Work) -> T | None:
    """From `observing`: GitHub accepted it, and the effect is awaited."""
    try:
        return target.now(operation, work)
    except NotFound:
        need_attention(
            operation, work, f"GitHub accepted it, and meanwhile has no such {target.name}."
        )
        Reading.objects.schedule_now(operation.account, target.resource)
    except STOPS:
        raise
    except Refused as error:
        note = f"GitHub accepted it, and then did not show the {target.name}. {error}"
        retry_probe(operation, work, note, error)
    except UNREACHED as error:
        keep_observing(
            operation,
            work,
            f"GitHub accepted it, and the {target.name} could not be read since. {error}",
        )
    return None
