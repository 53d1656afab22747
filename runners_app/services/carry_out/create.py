"""Carrying out a create: list first, send once, and after a lost answer find the runner before anything else."""

from runners_app.github import Forbidden, NewHostedRunner, NotFound
from runners_app.models import Operation, Reading, Runner
from runners_app.services.carry_out.look import publish_runner, read_now
from runners_app.services.carry_out.send import Work, absent, cancel_unsent, confirm, need_attention, send
from runners_app.services.readings import make_due
from runners_app.services.transitions import wait

RETRY_SECONDS = 5


def start(operation: Operation, work: Work) -> None:
    """From `requested`: the ids that are there before, then the request."""
    result = read_now(operation, Reading.Resource.RUNNERS, work)
    if result.failure is not None:
        if isinstance(result.error, Forbidden | NotFound):
            note = f"Before a create Trackside reads the list of runners. {result.failure.message} Nothing was sent."
            cancel_unsent(operation, work, note)
            return
        note = f"Not sent yet: the list of runners could not be read first. {result.failure.message}"
        wait(operation, seconds=RETRY_SECONDS, note=note)
        return
    ids = list(Runner.objects.present().filter(account=operation.account).values_list("github_id", flat=True))
    wait(operation, seconds=0, ids_before=ids)
    send_now(operation, work)


def send_now(operation: Operation, work: Work) -> None:
    wanted = operation.wanted
    body = NewHostedRunner(
        name=wanted["name"],
        image_id=wanted["image_id"],
        image_source=wanted["image_source"],
        image_version=wanted.get("image_version"),
        size=wanted["size"],
        runner_group_id=wanted["runner_group_id"],
        maximum_runners=wanted.get("maximum_runners"),
        enable_static_ip=wanted.get("enable_static_ip"),
        image_gen=wanted.get("image_gen"),
    )
    answer = send(operation, work, lambda: work.client.create_hosted_runner(operation.account.owner, body))
    if answer is None:
        return
    publish_runner(operation, answer.data, work)
    confirm(
        operation, work, f"GitHub created runner {answer.data.id}.", answer.meta.request_id or "",
        target_id=answer.data.id,
    )  # fmt: skip
    make_due(operation.account, Reading.Resource.LIMITS, Reading.Resource.RUNNERS)


def look(operation: Operation, work: Work) -> None:
    """From `unknown`: a complete list tells which runner is new."""
    result = read_now(operation, Reading.Resource.RUNNERS, work)
    if result.failure is not None:
        wait(operation, seconds=RETRY_SECONDS, note=f"The answer was lost. {result.failure.message}")
        return
    wanted = operation.wanted
    new = Runner.objects.present().filter(account=operation.account, name=wanted["name"])
    candidates = list(new.exclude(github_id__in=operation.ids_before or []))
    same = [
        runner
        for runner in candidates
        if (runner.size, runner.image_id, runner.group_id)
        == (wanted["size"], wanted["image_id"], wanted["runner_group_id"])
    ]
    if len(same) == 1 == len(candidates):
        note = f"The answer was lost, but the runner is there: id {same[0].github_id}."
        confirm(operation, work, note, target_id=same[0].github_id)
        make_due(operation.account, Reading.Resource.LIMITS)
    elif candidates:
        note = (
            "The answer was lost. A runner of that name appeared since, but Trackside cannot tell whether it is this."
        )
        need_attention(operation, work, note, candidates=[runner.github_id for runner in candidates])
    else:
        absent(operation, work, again=lambda: send_now(operation, work))
