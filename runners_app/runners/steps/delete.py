"""Delete a runner."""

from typing import Any

from runners_app.github import Answer
from runners_app.models import Operation, Reading, Runner
from runners_app.operations.delete import Deletion
from runners_app.operations.send import Work
from runners_app.runners.steps.publish import attribute_changes, publish_runner

R = Reading.Resource


def _delete(operation: Operation, work: Work) -> Answer[Any]:
    return work.client.delete_hosted_runner(operation.account.owner, operation.target_github_id)


def _status(operation: Operation, work: Work) -> str:
    owner, runner_id = operation.account.owner, operation.target_github_id
    runner = work.client.get_hosted_runner(owner, runner_id).data
    return publish_runner(operation, runner, work, made_by_operation=False).status


def _name(operation: Operation) -> str | None:
    runners = Runner.objects.present().filter(account=operation.account)
    return (
        runners.filter(github_id=operation.target_github_id).values_list("name", flat=True).first()
    )


def _on_gone(operation: Operation) -> None:
    attribute_changes(operation)
    Reading.objects.schedule_now(operation.account, R.LIMITS, R.CUSTOM_IMAGES, R.IMAGE_VERSIONS)


RUNNER_DELETION = Deletion(
    R.RUNNERS,
    _delete,
    _status,
    is_listed=lambda operation: _name(operation) is not None,
    name=_name,
    on_gone=_on_gone,
)
