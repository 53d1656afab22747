"""Carrying out the move of a self-hosted runner into another group. Moving it twice is as good as
once.
"""

from collections.abc import Callable
from typing import Any

from runners_app.github import Answer
from runners_app.github import SelfHostedRunner as GitHubSelfHostedRunner
from runners_app.groups.readings import self_hosted_runner_values
from runners_app.models import Operation, Reading, RunnerGroup, SelfHostedRunner
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
)
from runners_app.readings.publish import RowSet
from runners_app.readings.run import publish_fresh

R = Reading.Resource
FIELD = "runner_group_id"


def _runner_now(operation: Operation, work: Work) -> GitHubSelfHostedRunner:
    """As GitHub shows it, published. Raises GitHubError."""
    account = operation.account
    runner = work.client.get_self_hosted_runner(account.owner, operation.target_github_id).data
    values = self_hosted_runner_values(runner)
    rows = RowSet(
        SelfHostedRunner, {"account": account}, "github_id", {runner.id: values}, complete=False
    )
    publish_fresh(rows, account=account, lease=work.lease, resource=R.SELF_HOSTED_RUNNERS)
    return runner


RUNNER = Target("self-hosted runner", R.SELF_HOSTED_RUNNERS, _runner_now)


def start(operation: Operation, work: Work) -> None:
    """While nothing was applied: where it is now decides whether the move still fits."""
    runner = read_before_sending(RUNNER, operation, work)
    if runner is None:
        return
    group_id = runner.group_id
    wanted, before = operation.wanted[FIELD], operation.base.get(FIELD)
    if group_id == wanted:
        give_up_unsent(operation, work, "The runner already is in that group. Nothing was sent.")
    elif group_id != before:
        note = "Somebody moved the runner at GitHub since this was asked for. Nothing was sent."
        give_up_unsent(operation, work, note, conflict={FIELD: [group_id, before, wanted]})
    else:
        send_now(operation, work)


def send_now(operation: Operation, work: Work) -> None:
    answer = send(operation, work, _call(operation, work))
    if answer is None:
        return
    begin_observing(operation, work, "GitHub accepted it.", answer.meta.request_id or "")
    observe(operation, work)


def _call(operation: Operation, work: Work) -> Callable[[], Answer[Any]]:
    """Into the default group by leaving the one it is in, into any other by joining that."""
    owner, runner_id, wanted = (
        operation.account.owner,
        operation.target_github_id,
        operation.wanted[FIELD],
    )
    default = RunnerGroup.objects.present().filter(
        account=operation.account, github_id=wanted, default=True
    )
    before = operation.base.get(FIELD)
    if before is not None and default.exists():
        return lambda: work.client.remove_self_hosted_runner_from_group(owner, before, runner_id)
    return lambda: work.client.add_self_hosted_runner_to_group(owner, wanted, runner_id)


def probe(operation: Operation, work: Work) -> None:
    """From `unknown`: the runner itself tells where it is."""
    runner = read_after_loss(RUNNER, operation, work)
    if runner is None:
        return
    group_id = runner.group_id
    if group_id == operation.wanted[FIELD]:
        confirm(operation, work, "The answer was lost, but the runner is in its new group.")
    elif group_id == operation.base.get(FIELD):
        absent(operation, work, again=lambda: send_now(operation, work))
    else:
        need_attention(
            operation, work, "The answer was lost, and the runner is in yet another group."
        )


def observe(operation: Operation, work: Work) -> None:
    """From `observing`: until GitHub shows it in its new group."""
    runner = read_for_effect(RUNNER, operation, work)
    if runner is None:
        return
    if runner.group_id == operation.wanted[FIELD]:
        confirm(operation, work, "The runner is in its new group.")
    else:
        keep_observing(operation, work, "GitHub does not show it there yet.")
