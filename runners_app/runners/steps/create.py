"""Create a runner: list first, send once, and after a lost response look for the new runner."""

from runners_app.models import Operation, Reading, Runner
from runners_app.operations.listing import list_first, read_now
from runners_app.operations.send import Work, absent, retry_probe, send
from runners_app.operations.steps import confirm, need_attention, step
from runners_app.runners.settings import RunnerSettings
from runners_app.runners.steps.publish import publish_runner

R = Reading.Resource


def start(operation: Operation, work: Work) -> None:
    """From `requested`: note which runners exist, then send."""
    if list_first(operation, work, R.RUNNERS, Runner.objects.present()):
        send_now(operation, work)


def send_now(operation: Operation, work: Work) -> None:
    """Send the create. GitHub: actions/create-hosted-runner-for-org."""
    body = RunnerSettings.from_stored(operation.wanted).to_create()
    answer = send(
        operation, work, lambda: work.client.create_hosted_runner(operation.account.owner, body)
    )
    if answer is not None:
        with step(work):
            publish_runner(operation, answer.data, work)
            confirm(
                operation,
                work,
                f"GitHub created runner {answer.data.id}.",
                target_id=answer.data.id,
                request_id=answer.meta.request_id or "",
            )
    Reading.objects.schedule_now(operation.account, R.LIMITS, R.RUNNERS)


def probe(operation: Operation, work: Work) -> None:
    """From `unknown`: find the new runner in a complete list."""
    result = read_now(operation, R.RUNNERS, work)
    if result.failure is not None:
        note = "The answer was lost, and the list of runners could not be read."
        retry_probe(operation, work, f"{note} {result.failure.message}", result.error)
        return
    candidates = _new_runners(operation)
    same = [runner for runner in candidates if _is_as_wanted(runner, operation)]
    if len(same) == 1 == len(candidates):
        found = same[0].github_id
        confirm(
            operation,
            work,
            f"The answer was lost, but the runner is there: id {found}.",
            target_id=found,
        )
        Reading.objects.schedule_now(operation.account, R.LIMITS)
    elif candidates:
        note = (
            "The answer was lost. A runner of that name appeared since, but Trackside cannot tell"
            " whether this operation created it."
        )
        need_attention(
            operation, work, note, candidates=[runner.github_id for runner in candidates]
        )
    else:
        absent(operation, work, again=lambda: send_now(operation, work))


def _new_runners(operation: Operation) -> list[Runner]:
    """Runners of this name that did not exist before and that no other create made."""
    creates = Operation.objects.filter(account=operation.account, kind=Operation.Kind.CREATE_RUNNER)
    claimed = (
        creates.filter(target_id__isnull=False)
        .exclude(pk=operation.pk)
        .values_list("target_id", flat=True)
    )
    named = Runner.objects.present().filter(
        account=operation.account, name__iexact=operation.wanted["name"]
    )
    return list(named.exclude(github_id__in=[*(operation.ids_before or []), *claimed]))


def _is_as_wanted(runner: Runner, operation: Operation) -> bool:
    wanted = operation.wanted
    return (runner.size, runner.image_id, runner.image_source, runner.group_id) == (
        wanted["size"],
        wanted["image_id"],
        wanted["image_source"],
        wanted["runner_group_id"],
    )
