"""The steps that carry out each kind of operation."""

from runners_app.groups.steps import create as create_group
from runners_app.groups.steps import self_hosted as move_self_hosted
from runners_app.groups.steps import update as update_group
from runners_app.groups.steps.delete import GROUP_DELETION, SELF_HOSTED_DELETION
from runners_app.images.steps import IMAGE_DELETION, VERSION_DELETION
from runners_app.models import Operation, Reading
from runners_app.operations.steps import Steps
from runners_app.runners.steps import create as create_runner
from runners_app.runners.steps import update as update_runner
from runners_app.runners.steps.delete import RUNNER_DELETION

K, R = Operation.Kind, Reading.Resource

STEPS: dict[str, Steps] = {
    K.CREATE_RUNNER: Steps(
        create_runner.start,
        create_runner.probe,
        resolve=create_runner.resolve,
        resolved_by=R.RUNNERS,
    ),
    K.UPDATE_RUNNER: Steps(
        update_runner.start,
        update_runner.probe,
        update_runner.observe,
        resolve=update_runner.resolve,
        resolved_by=R.RUNNERS,
    ),
    K.DELETE_RUNNER: RUNNER_DELETION.steps,
    K.DELETE_IMAGE: IMAGE_DELETION.steps,
    K.DELETE_IMAGE_VERSION: VERSION_DELETION.steps,
    K.CREATE_GROUP: Steps(create_group.start, create_group.probe),
    K.UPDATE_GROUP: Steps(update_group.start, update_group.probe, update_group.observe),
    K.DELETE_GROUP: GROUP_DELETION.steps,
    K.MOVE_SELF_HOSTED_RUNNER: Steps(
        move_self_hosted.start, move_self_hosted.probe, move_self_hosted.observe
    ),
    K.DELETE_SELF_HOSTED_RUNNER: SELF_HOSTED_DELETION.steps,
}
