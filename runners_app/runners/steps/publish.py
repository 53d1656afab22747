"""Publish what GitHub reports about a runner while an operation is carried out."""

from runners_app.github import HostedRunner
from runners_app.models import FieldChange, Operation, Reading, Runner
from runners_app.operations.send import Work
from runners_app.readings.publish import RowSet
from runners_app.readings.run import publish_fresh
from runners_app.runners.readings import runner_values
from runners_app.runners.settings import RunnerSettings


def runner_now(operation: Operation, work: Work) -> RunnerSettings:
    """The runner's current settings at GitHub, published. Raises GitHubError.

    GitHub: actions/get-hosted-runner-for-org.
    """
    owner, runner_id = operation.account.owner, operation.target_github_id
    runner = work.client.get_hosted_runner(owner, runner_id).data
    return RunnerSettings.of(publish_runner(operation, runner, work, made_by_operation=False))


def publish_runner(
    operation: Operation, runner: HostedRunner, work: Work, *, made_by_operation: bool = True
) -> Runner:
    """Publish one runner from the response to a write or a read, and return its row."""
    account = operation.account
    rows = RowSet(
        Runner,
        {"account": account},
        "github_id",
        {runner.id: runner_values(runner)},
        complete=False,
    )
    publish_fresh(
        rows,
        account=account,
        lease=work.lease,
        operation=operation if made_by_operation else None,
        resource=Reading.Resource.RUNNERS,
    )
    return Runner.objects.get(account=account, github_id=runner.id)


# The columns that change with a field of an update; any other field has a column of its own name.
COLUMNS: dict[str, tuple[str, ...]] = {
    "enable_static_ip": ("static_ip", "public_ips"),
    "runner_group_id": ("group_id",),
    "size": ("size", "cpu_cores", "memory_gb", "storage_gb"),
    "image_id": (
        "image_id",
        "image_source",
        "image_version",
        "image_name",
        "image_size_gb",
        "platform",
    ),
}


AFTER_A_DELETE = ("status", "gone_at")


def attribute_changes(operation: Operation) -> None:
    """Credit the operation with the changes it caused but a reading saw first.

    Otherwise the history would say that they were made outside Trackside.
    """
    item = FieldChange.Item.RUNNER
    if (
        operation.target != Operation.Target.RUNNER
        or operation.target_id is None
        or operation.sent_at is None
    ):
        return
    rows = Runner.objects.filter(account=operation.account, github_id=operation.target_id)
    columns = set(AFTER_A_DELETE)
    if operation.kind == Operation.Kind.UPDATE_RUNNER:
        columns = {
            name for field in operation.changed_fields for name in COLUMNS.get(field, (field,))
        }
    changes = FieldChange.objects.filter(item=item, item_pk__in=rows.values("pk"), operation=None)
    changes.filter(at__gte=operation.sent_at, field__in=columns).update(operation=operation)
