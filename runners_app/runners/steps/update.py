"""Update a runner: read, compare three ways, send only what changed, read again."""

from typing import Any

from runners_app.models import Operation, Reading, Runner
from runners_app.operations.observe import (
    Target,
    read_after_loss,
    read_before_sending,
    read_for_effect,
)
from runners_app.operations.send import Work, absent, send
from runners_app.operations.steps import (
    begin_observing,
    confirm,
    give_up_unsent,
    keep_observing,
    need_attention,
    step,
)
from runners_app.runners.settings import RunnerSettings
from runners_app.runners.steps.publish import attribute_changes, publish_runner, runner_now

R = Reading.Resource
RUNNER = Target("runner", R.RUNNERS, runner_now)


def start(operation: Operation, work: Work) -> None:
    """From `requested`: the runner's current values decide whether the change still applies."""
    now = read_before_sending(RUNNER, operation, work)
    if now is None:
        return
    if now.has(body_of(operation)):
        give_up_unsent(operation, work, "The runner already has these values. Nothing was sent.")
    elif conflict := _wanted(operation).conflicts_with(now, base=_base(operation)):
        note = "The runner was changed at GitHub since the form was opened. Nothing was sent."
        give_up_unsent(operation, work, note, conflict=conflict)
    else:
        send_now(operation, work)


def _wanted(operation: Operation) -> RunnerSettings:
    return RunnerSettings.from_stored(operation.wanted)


def _base(operation: Operation) -> RunnerSettings:
    return RunnerSettings.from_stored(operation.base)


def body_of(operation: Operation) -> dict[str, Any]:
    """Only what changed; an image's id, source and version always go together."""
    return _wanted(operation).changes_from(_base(operation))


def send_now(operation: Operation, work: Work) -> None:
    """Send the changes. GitHub: actions/update-hosted-runner-for-org."""
    body, owner, runner_id = body_of(operation), operation.account.owner, operation.target_github_id
    answer = send(operation, work, lambda: work.client.update_hosted_runner(owner, runner_id, body))
    Reading.objects.schedule_now(operation.account, R.LIMITS, R.RUNNERS)
    if answer is None:
        return
    request_id = answer.meta.request_id or ""
    with step(work):
        shown = publish_runner(operation, answer.data, work)
        if RunnerSettings.of(shown).shows(body):
            confirm(operation, work, "GitHub answered with the new values.", request_id=request_id)
        else:
            begin_observing(
                operation, work, "GitHub accepted the change but does not show it yet.", request_id
            )


def probe(operation: Operation, work: Work) -> None:
    """From `unknown`: the runner shows whether the change was applied."""
    now = read_after_loss(RUNNER, operation, work)
    if now is None:
        return
    changes = operation.changed_fields
    if now.has(body_of(operation)):
        _confirm_seen(operation, work, "The answer was lost, but the runner has the new values.")
    elif now.agrees_with(_base(operation), body_of(operation)):
        absent(operation, work, again=lambda: send_now(operation, work))
    else:
        there = now.stored()
        conflict = {
            name: [there[name], operation.base.get(name), value] for name, value in changes.items()
        }
        need_attention(
            operation,
            work,
            "The answer was lost, and the runner has neither the old nor the new values.",
            conflict=conflict,
        )


def observe(operation: Operation, work: Work) -> None:
    """From `observing`: wait until the runner shows the new values."""
    now = read_for_effect(RUNNER, operation, work)
    if now is None:
        return
    if now.shows(body_of(operation)):
        _confirm_seen(operation, work, "The runner has the new values.")
    else:
        keep_observing(operation, work, "GitHub does not show the new values yet.")


def resolve(operation: Operation, work: Work) -> None:
    """From `needs_attention`: confirm if the list that was just read shows the new values."""
    rows = Runner.objects.present().filter(account=operation.account)
    row = rows.filter(github_id=operation.target_github_id).first()
    if row is not None and operation.sends and RunnerSettings.of(row).has(body_of(operation)):
        _confirm_seen(operation, work, "A later reading shows the new values.")


def _confirm_seen(operation: Operation, work: Work, note: str) -> None:
    with step(work):
        confirm(operation, work, note)
        attribute_changes(operation)
