"""How the worker deletes runner groups and removes self-hosted runners."""

from typing import Any

from runners_app.github import Answer
from runners_app.groups.steps.calls import publish_group
from runners_app.models import Operation, Reading, RunnerGroup, SelfHostedRunner
from runners_app.operations.delete import Deletion
from runners_app.operations.send import Work

R = Reading.Resource


def _delete_group(operation: Operation, work: Work) -> Answer[Any]:
    return work.client.delete_runner_group(operation.account.owner, operation.target_github_id)


def _group_status(operation: Operation, work: Work) -> str:
    owner, group_id = operation.account.owner, operation.target_github_id
    group = work.client.get_runner_group(owner, group_id).data
    publish_group(operation, group, work, made_by_operation=False)
    return "still there"


def _group_name(operation: Operation) -> str | None:
    groups = RunnerGroup.objects.present().filter(account=operation.account)
    return (
        groups.filter(github_id=operation.target_github_id).values_list("name", flat=True).first()
    )


def _delete_self_hosted(operation: Operation, work: Work) -> Answer[Any]:
    owner, runner_id = operation.account.owner, operation.target_github_id
    return work.client.delete_self_hosted_runner(owner, runner_id)


def _self_hosted_status(operation: Operation, work: Work) -> str:
    owner, runner_id = operation.account.owner, operation.target_github_id
    return work.client.get_self_hosted_runner(owner, runner_id).data.status


def _self_hosted_is_listed(operation: Operation) -> bool:
    runners = SelfHostedRunner.objects.present().filter(account=operation.account)
    return runners.filter(github_id=operation.target_github_id).exists()


GROUP_DELETION = Deletion(
    R.GROUPS,
    _delete_group,
    _group_status,
    is_listed=lambda operation: _group_name(operation) is not None,
    name=_group_name,
)
SELF_HOSTED_DELETION = Deletion(
    R.SELF_HOSTED_RUNNERS, _delete_self_hosted, _self_hosted_status, _self_hosted_is_listed
)
