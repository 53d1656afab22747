"""Carrying out an update: look first, compare three ways, send only what changed, look again."""

from collections.abc import Mapping
from typing import Any

from runners_app.github import NotFound, Refused
from runners_app.models import Operation, Reading
from runners_app.services.carry_out.look import publish_runner, runner_now
from runners_app.services.carry_out.send import (
    RETRY_SECONDS,
    STOPS,
    UNREACHED,
    Work,
    absent,
    cancel_unsent,
    confirm,
    keep_observing,
    need_attention,
    observe,
    send,
)
from runners_app.services.operations import IMAGE_FIELDS, conflict_of, values_of
from runners_app.services.readings import make_due
from runners_app.services.transitions import wait

Values = Mapping[str, Any]


def start(operation: Operation, work: Work) -> None:
    """From `requested`: the runner as it is now decides whether the change still fits."""
    try:
        now = runner_now(operation, work)
    except NotFound:
        cancel_unsent(operation, work, "GitHub has no such runner any more. Nothing was sent.")
        make_due(operation.account, Reading.Resource.RUNNERS)
        return
    except STOPS:
        raise
    except UNREACHED as error:
        wait(operation, seconds=RETRY_SECONDS, note=f"Not sent yet: the runner could not be read first. {error}")
        return
    except Refused as error:
        cancel_unsent(operation, work, f"GitHub refused to show the runner: {error.message} Nothing was sent.")
        return
    if shows(operation, now):
        cancel_unsent(operation, work, "The runner already is as asked for. Nothing was sent.")
    elif conflict := conflict_of(operation.base, now, operation.wanted):
        note = "Somebody changed the runner at GitHub since the form was opened. Nothing was sent."
        cancel_unsent(operation, work, note, conflict=conflict)
    else:
        send_now(operation, work)


def body_of(operation: Operation) -> dict[str, Any]:
    """Only what changed; id, source and version of an image are one thing and go together."""
    changes = operation.changed_fields
    if any(field in changes for field in IMAGE_FIELDS):
        changes.update({field: operation.wanted.get(field) for field in IMAGE_FIELDS})
    return changes


def send_now(operation: Operation, work: Work) -> None:
    if operation.target_id is None:
        raise ValueError("An update has a target.")
    body, owner, runner_id = body_of(operation), operation.account.owner, operation.target_id
    answer = send(operation, work, lambda: work.client.update_hosted_runner(owner, runner_id, body))
    if answer is None:
        return
    shown = publish_runner(operation, answer.data, work)
    make_due(operation.account, Reading.Resource.LIMITS, Reading.Resource.RUNNERS)
    if shows(operation, values_of(shown)):
        confirm(operation, work, "GitHub answered with the new values.", answer.meta.request_id or "")
    else:
        observe(operation, work, "GitHub accepted it and does not show it yet.", answer.meta.request_id or "")


def shows(operation: Operation, now: Values) -> bool:
    """Whether the runner has what was asked for. No version means the latest, whatever GitHub calls it."""
    return all(now[field] == value for field, value in operation.changed_fields.items() if value is not None)


def look(operation: Operation, work: Work) -> None:
    """From `unknown`: the runner itself tells whether the change was applied."""
    try:
        now = runner_now(operation, work)
    except NotFound:
        need_attention(operation, work, "The answer was lost, and meanwhile GitHub has no such runner.")
        make_due(operation.account, Reading.Resource.RUNNERS)
        return
    except STOPS:
        raise
    except (*UNREACHED, Refused) as error:
        wait(operation, seconds=RETRY_SECONDS, note=f"The answer was lost, and the runner could not be read: {error}")
        return
    changes = operation.changed_fields
    if shows(operation, now):
        confirm(operation, work, "The answer was lost, but the runner has the new values.")
    elif all(now[field] == operation.base.get(field) for field in changes):
        absent(operation, work, again=lambda: send_now(operation, work))
    else:
        conflict = {field: [now[field], operation.base.get(field), value] for field, value in changes.items()}
        need_attention(operation, work, "The answer was lost, and the runner has yet other values.", conflict=conflict)


def watch(operation: Operation, work: Work) -> None:
    """From `observing`: until the runner shows the new values."""
    try:
        now = runner_now(operation, work)
    except NotFound:
        need_attention(operation, work, "GitHub accepted it, and meanwhile has no such runner.")
        make_due(operation.account, Reading.Resource.RUNNERS)
        return
    except STOPS:
        raise
    except (*UNREACHED, Refused) as error:
        keep_observing(operation, work, f"GitHub accepted it, and the runner could not be read: {error}")
        return
    if shows(operation, now):
        confirm(operation, work, "The runner has the new values.")
    else:
        keep_observing(operation, work, "GitHub does not show the new values yet.")
