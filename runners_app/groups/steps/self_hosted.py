"""How the worker moves a self-hosted runner to another group. The move is idempotent."""

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
    """Read and publish the runner. Raises GitHubError."""
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
    """From `requested`: send, unless the runner is not where it was when this was requested."""
    runner = read_before_sending(RUNNER, operation, work)
    if runner is None:
        return
    group_id = runner.group_id
    wanted, before = operation.wanted[FIELD], operation.base.get(FIELD)
    if group_id == wanted:
        give_up_unsent(operation, work, "The runner already is in that group. Nothing was sent.")
    elif group_id != before:
        note = "The runner was moved at GitHub since this was requested. Nothing was sent."
        give_up_unsent(operation, work, note, conflict={FIELD: [group_id, before, wanted]})
    else:
        send_now(operation, work)


def send_now(operation: Operation, work: Work) -> None:
    """Send the move, then observe."""
    answer = send(operation, work, _call(operation, work))
    if answer is None:
        return
    begin_observing(operation, work, "GitHub accepted it.", answer.meta.request_id or "")
    observe(operation, work)


def _call(operation: Operation, work: Work) -> Callable[[], Answer[Any]]:
    """A runner joins the default group by leaving its current one.

    GitHub: actions/remove-self-hosted-runner-from-group-for-org,
    actions/add-self-hosted-runner-to-group-for-org.
    """
    owner, runner_id = operation.account.owner, operation.target_github_id
    wanted = operation.wanted[FIELD]
    default = RunnerGroup.objects.present().filter(
        account=operation.account, github_id=wanted, default=True
    )
    before = operation.base.get(FIELD)
    if before is not None and default.exists():
        return lambda: work.client.remove_self_hosted_runner_from_group(owner, before, runner_id)
    return lambda: work.client.add_self_hosted_runner_to_group(owner, wanted, runner_id)


def probe(operation: Operation, work: Work) -> None:
    """From `unknown`: the runner itself shows which group it is in."""
    runner = read_after_loss(RUNNER, operation, work)
    if runner is None:
        return
    group_id = runner.group_id
    if group_id == operation.wanted[FIELD]:
        confirm(operation, work, "The answer was lost, but the runner is in its new group.")
    elif group_id == operation.base.get(FIELD):
        absent(operation, work, again=lambda: send_now(operation, work))
    else:
        need_attention(operation, work, "The answer was lost, and the runner is in a third group.")


def observe(operation: Operation, work: Work) -> None:
    """From `observing`: confirm once GitHub shows the runner in its new group."""
    runner = read_for_effect(RUNNER, operation, work)
    if runner is None:
        return
    if runner.group_id == operation.wanted[FIELD]:
        confirm(operation, work, "The runner is in its new group.")
    else:
        keep_observing(operation, work, "GitHub does not show it there yet.")
