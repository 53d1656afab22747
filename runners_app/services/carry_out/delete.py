"""Carrying out deletes of runners, images, groups and machines: done only when two views of GitHub agree.

GitHub takes its time: a runner stays readable as Deleting. It is gone when asking for it answers 404 and a complete
list lacks it; a 404 alone may also mean that the credential lost its right to see it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runners_app.github import Answer, NotFound, Refused
from runners_app.models import Image, ImageVersion, Operation, Reading, Runner, RunnerGroup, SelfHostedRunner
from runners_app.services.carry_out import group_calls
from runners_app.services.carry_out import look as look_at
from runners_app.services.carry_out.send import STOPS, UNREACHED, Work, absent, retry_look, retry_start, send
from runners_app.services.carry_out.steps import confirm, give_up_unsent, keep_observing, observe, step
from runners_app.services.readings import make_due

R = Reading.Resource
GONE = "gone"


@dataclass(frozen=True)
class Deletion:
    """How one kind of thing is deleted, looked at and listed."""

    resource: str
    delete: Callable[[Operation, Work], Answer[Any]]
    still_there: Callable[[Operation, Work], str]  # its status; raises NotFound
    in_list: Callable[[Operation], bool]


def _delete_runner(operation: Operation, work: Work) -> Answer[Any]:
    return work.client.delete_hosted_runner(operation.account.owner, _id(operation))


def _runner_status(operation: Operation, work: Work) -> str:
    runner = work.client.get_hosted_runner(operation.account.owner, _id(operation)).data
    return look_at.publish_runner(operation, runner, work, made_by_operation=False).status


def _delete_image(operation: Operation, work: Work) -> Answer[Any]:
    return work.client.delete_custom_image(operation.account.owner, _id(operation))


def _image_state(operation: Operation, work: Work) -> str:
    image = work.client.get_custom_image(operation.account.owner, _id(operation)).data
    look_at.publish_image(operation, image, work)
    return image.state


def _delete_version(operation: Operation, work: Work) -> Answer[Any]:
    owner = operation.account.owner
    return work.client.delete_custom_image_version(owner, _id(operation), operation.target_version)


def _version_state(operation: Operation, work: Work) -> str:
    owner = operation.account.owner
    version = work.client.get_custom_image_version(owner, _id(operation), operation.target_version).data
    look_at.publish_image_version(operation, version, work)
    return version.state


def _delete_group(operation: Operation, work: Work) -> Answer[Any]:
    return work.client.delete_runner_group(operation.account.owner, _id(operation))


def _group_status(operation: Operation, work: Work) -> str:
    group = work.client.get_runner_group(operation.account.owner, _id(operation)).data
    group_calls.publish_group(operation, group, work, made_by_operation=False)
    return "still there"


def _group_listed(operation: Operation) -> bool:
    return RunnerGroup.objects.present().filter(account=operation.account, github_id=_id(operation)).exists()


def _delete_self_hosted(operation: Operation, work: Work) -> Answer[Any]:
    return work.client.delete_self_hosted_runner(operation.account.owner, _id(operation))


def _self_hosted_status(operation: Operation, work: Work) -> str:
    return work.client.get_self_hosted_runner(operation.account.owner, _id(operation)).data.status


def _self_hosted_listed(operation: Operation) -> bool:
    return SelfHostedRunner.objects.present().filter(account=operation.account, github_id=_id(operation)).exists()


def _id(operation: Operation) -> int:
    if operation.target_id is None:
        raise ValueError("A delete has a target.")
    return operation.target_id


def _runner_listed(operation: Operation) -> bool:
    return Runner.objects.present().filter(account=operation.account, github_id=_id(operation)).exists()


def _image_listed(operation: Operation) -> bool:
    images = Image.objects.present().filter(account=operation.account, source=Image.Source.CUSTOM)
    return images.filter(github_id=str(_id(operation))).exists()


def _version_listed(operation: Operation) -> bool:
    versions = ImageVersion.objects.present().filter(account=operation.account, version=operation.target_version)
    return _image_listed(operation) and versions.filter(image__github_id=str(_id(operation))).exists()


DELETIONS = {
    Operation.Kind.DELETE_RUNNER: Deletion(R.RUNNERS, _delete_runner, _runner_status, _runner_listed),
    Operation.Kind.DELETE_IMAGE: Deletion(R.CUSTOM_IMAGES, _delete_image, _image_state, _image_listed),
    Operation.Kind.DELETE_IMAGE_VERSION: Deletion(R.IMAGE_VERSIONS, _delete_version, _version_state, _version_listed),
    Operation.Kind.DELETE_GROUP: Deletion(R.GROUPS, _delete_group, _group_status, _group_listed),
    Operation.Kind.DELETE_SELF_HOSTED_RUNNER: Deletion(
        R.SELF_HOSTED_RUNNERS, _delete_self_hosted, _self_hosted_status, _self_hosted_listed
    ),
}
# What a person typed the name of must still have it when it is deleted.
NAMED: dict[str, type[Runner] | type[RunnerGroup]] = {
    Operation.Kind.DELETE_RUNNER: Runner,
    Operation.Kind.DELETE_GROUP: RunnerGroup,
}


def _deletion(operation: Operation) -> Deletion:
    return DELETIONS[Operation.Kind(operation.kind)]


def start(operation: Operation, work: Work) -> None:
    """While nothing was applied: one look whether it still is what was to be deleted, then the request.

    A 404 is left to the request.
    """
    try:
        _status(operation, work)
    except STOPS:
        raise
    except UNREACHED as error:
        retry_start(operation, work, f"Not sent yet: GitHub could not be asked first. {error}")
        return
    except Refused as error:
        give_up_unsent(operation, work, f"GitHub did not show it, so nothing was sent. {error.message}")
        return
    if renamed := _new_name(operation):
        note = "Somebody gave it another name since its deletion was asked for. Nothing was sent."
        give_up_unsent(operation, work, note, conflict={"name": [renamed, operation.target_name, "Delete it"]})
    else:
        send_now(operation, work)


def _new_name(operation: Operation) -> str:
    """The name it has now, if that is not the one a person typed to confirm."""
    model = NAMED.get(operation.kind)
    if model is None:
        return ""
    row = model.objects.present().filter(account=operation.account, github_id=_id(operation)).first()
    return row.name if row is not None and row.name != operation.target_name else ""


def send_now(operation: Operation, work: Work) -> None:
    deletion = _deletion(operation)

    def call() -> Answer[Any] | NotFound:
        try:
            return deletion.delete(operation, work)
        except NotFound as absent_already:
            return absent_already  # counts as done once the complete list agrees

    answer = send(operation, work, call)
    if answer is None:
        return
    is_gone = isinstance(answer, NotFound)
    note = "GitHub answers that it is not there." if is_gone else "GitHub accepted the deletion."
    observe(operation, work, note, answer.meta.request_id or "")


def look(operation: Operation, work: Work) -> None:
    """From `unknown`: is it on its way out?"""
    try:
        status = _status(operation, work)
    except STOPS:
        raise
    except (*UNREACHED, Refused) as error:
        retry_look(operation, work, f"The answer was lost, and GitHub could not be asked. {error}", error)
        return
    if status in (GONE, "Deleting"):
        observe(operation, work, f"The answer was lost, but {_seen(status)}.")
    else:
        absent(operation, work, again=lambda: send_now(operation, work))


def watch(operation: Operation, work: Work) -> None:
    """From `observing`: 404 and a complete list without it."""
    try:
        status = _status(operation, work)
    except STOPS:
        raise
    except Refused as error:
        retry_look(operation, work, f"GitHub accepted the deletion, and then did not answer about it. {error}", error)
        return
    except UNREACHED as error:
        keep_observing(operation, work, f"GitHub could not be asked since. {error}")
        return
    if status != GONE:
        keep_observing(operation, work, f"GitHub still shows it as {status}.")
    else:
        _compare_with_list(operation, work)


def _compare_with_list(operation: Operation, work: Work) -> None:
    result = look_at.read_now(operation, _deletion(operation).resource, work)
    if isinstance(result.error, Refused):
        note = f"It answers 404, which may also mean that the token may no longer see it. {result.failure_message}"
        retry_look(operation, work, note, result.error)
    elif result.failure is not None:
        keep_observing(operation, work, f"It answers 404; the list could not be read. {result.failure_message}")
    elif _deletion(operation).in_list(operation):
        keep_observing(operation, work, "It answers 404, but the list still shows it.")
        make_due(operation.account, R.CUSTOM_IMAGES)
    else:
        _confirm_gone(operation, work)


def _confirm_gone(operation: Operation, work: Work) -> None:
    with step(work):
        confirm(operation, work, "It is gone: asking for it answers 404, and the complete list is without it.")
        look_at.attribute_changes(operation)
        make_due(operation.account, R.LIMITS, R.CUSTOM_IMAGES, R.IMAGE_VERSIONS)


def _seen(status: str) -> str:
    return "it is gone" if status == GONE else "GitHub shows it as Deleting"


def _status(operation: Operation, work: Work) -> str:
    """GitHub's word for it now, or GONE when it answers 404. Raises other errors of GitHub."""
    try:
        return _deletion(operation).still_there(operation, work)
    except NotFound:
        return GONE
