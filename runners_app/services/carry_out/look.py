"""Looking at GitHub while carrying out an operation; whatever is seen is published at once."""

from typing import Any

from runners_app.github import BadCredentials, CustomImage, HostedRunner, RateLimited
from runners_app.github import ImageVersion as GitHubImageVersion
from runners_app.models import FieldChange, Image, ImageVersion, Operation, Reading, Runner
from runners_app.services.carry_out.send import Work
from runners_app.services.operations import values_of
from runners_app.services.readings import RunResult, publish_fresh, run_reading
from runners_app.services.readings.publish import RowSet
from runners_app.services.readings.rows import custom_image_values, image_version_values, runner_values


def read_now(operation: Operation, resource: str, work: Work) -> RunResult:
    """A complete reading of one resource of the operation's account, published as any other.

    Rate limits and refused credentials are raised: they stop all work of the credential, not only this operation.
    """
    reading = Reading.objects.select_related("account").get(account=operation.account, resource=resource)
    result = run_reading(reading, work.client, work.lease)
    if isinstance(result.error, BadCredentials | RateLimited):
        raise result.error
    return result


def runner_now(operation: Operation, work: Work) -> dict[str, Any]:
    """The runner as GitHub has it now, in the words of an update. Raises GitHubError."""
    if operation.target_id is None:
        raise ValueError("This operation has no target yet.")
    runner = work.client.get_hosted_runner(operation.account.owner, operation.target_id).data
    return values_of(publish_runner(operation, runner, work, made_by_operation=False))


def publish_runner(operation: Operation, runner: HostedRunner, work: Work, *, made_by_operation: bool = True) -> Runner:
    """Write one runner from an answer to a write, or from a look at it, and answer its row."""
    account = operation.account
    rows = RowSet(Runner, {"account": account}, "github_id", {runner.id: runner_values(runner)}, complete=False)
    publish_fresh(
        rows, account=account, lease=work.lease, operation=operation if made_by_operation else None,
        resource=Reading.Resource.RUNNERS,
    )  # fmt: skip
    return Runner.objects.get(account=account, github_id=runner.id)


def publish_image(operation: Operation, image: CustomImage, work: Work) -> None:
    scope = {"account": operation.account, "source": Image.Source.CUSTOM}
    rows = RowSet(Image, scope, "github_id", {str(image.id): custom_image_values(image)}, complete=False)
    publish_fresh(rows, account=operation.account, lease=work.lease, resource=Reading.Resource.CUSTOM_IMAGES)


def publish_image_version(operation: Operation, version: GitHubImageVersion, work: Work) -> None:
    image = Image.objects.filter(
        account=operation.account, source=Image.Source.CUSTOM, github_id=str(operation.target_id)
    ).first()
    if image is None:
        return
    scope = {"account": operation.account, "image": image}
    rows = RowSet(ImageVersion, scope, "version", {version.version: image_version_values(version)}, complete=False)
    publish_fresh(rows, account=operation.account, lease=work.lease, resource=Reading.Resource.IMAGE_VERSIONS)


# Columns that an update's field changes with it; a field that is not named here has a column of its name.
COLUMNS: dict[str, tuple[str, ...]] = {
    "enable_static_ip": ("static_ip", "public_ips"),
    "runner_group_id": ("group_id",),
    "size": ("size", "cpu_cores", "memory_gb", "storage_gb"),
    "image_id": ("image_id", "image_source", "image_version", "image_name", "image_size_gb", "platform"),
}
AFTER_A_DELETE = ("status", "gone_at")


def attribute_changes(operation: Operation) -> None:
    """What was read from GitHub after the operation was sent, and is its effect, was not done outside Trackside."""
    item = FieldChange.Item.RUNNER
    if operation.target != Operation.Target.RUNNER or operation.target_id is None or operation.sent_at is None:
        return
    rows = Runner.objects.filter(account=operation.account, github_id=operation.target_id)
    columns = set(AFTER_A_DELETE)
    if operation.kind == Operation.Kind.UPDATE_RUNNER:
        columns = {name for field in operation.changed_fields for name in COLUMNS.get(field, (field,))}
    changes = FieldChange.objects.filter(item=item, item_pk__in=rows.values("pk"), operation=None)
    changes.filter(at__gte=operation.sent_at, field__in=columns).update(operation=operation)
