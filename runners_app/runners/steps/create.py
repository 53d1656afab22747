"""Create a runner: list first, send once, and after a lost response look for the new runner."""

from runners_app.models import Operation, Reading, Runner
from runners_app.operations.listing import list_first, read_as_proof
from runners_app.operations.send import Work, absent, remain_unknown, retry_probe, send
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
    result = read_as_proof(operation, R.RUNNERS, work)
    found, candidates = find_created(operation)
    ids = [runner.github_id for runner in candidates] or None
    if result.failure is not None:
        note = "The answer was lost, and the list of runners could not be read."
        retry_probe(operation, work, f"{note} {result.failure.message}", candidates=ids)
    elif found is not None:
        note = f"The answer was lost, but the runner is there: id {found.github_id}."
        confirm(operation, work, note, target_id=found.github_id)
        Reading.objects.schedule_now(operation.account, R.LIMITS)
    elif candidates and _has_name(candidates[0], operation):
        note = (
            "The answer was lost. A runner of that name appeared since, but Trackside cannot tell"
            " whether this operation created it."
        )
        need_attention(operation, work, note, candidates=ids)
    elif candidates:
        note = (
            "The answer was lost. Several runners with the requested values appeared since, and"
            " Trackside cannot tell whether one of them is it."
        )
        remain_unknown(operation, work, note, candidates=ids)
    else:
        absent(operation, work, again=lambda: send_now(operation, work))


def resolve(operation: Operation, work: Work) -> None:
    """From `needs_attention`: confirm if the list that was just read shows the new runner."""
    found, _ = find_created(operation)
    if found is not None and operation.sends:
        note = f"A later reading shows the runner: id {found.github_id}."
        confirm(operation, work, note, target_id=found.github_id, candidates=None)


def find_created(operation: Operation) -> tuple[Runner | None, list[Runner]]:
    """The one runner this create made, if our table proves it, and all that may be it.

    Only runners count that did not exist before and that no other create made. By name first: the
    one of the requested name, if it has the requested values. Otherwise, because it may have been
    renamed, the only one with these values; not one that another unresolved create asked for.
    """
    others = Operation.objects.filter(
        account=operation.account, kind=Operation.Kind.CREATE_RUNNER
    ).exclude(pk=operation.pk)
    claimed = others.filter(target_id__isnull=False).values_list("target_id", flat=True)
    runners = Runner.objects.present().filter(account=operation.account).order_by("pk")
    new = list(runners.exclude(github_id__in=[*(operation.ids_before or []), *claimed]))
    named = [runner for runner in new if _has_name(runner, operation)]
    if named:
        is_proven = len(named) == 1 and _has_values(named[0], operation)
        return (named[0] if is_proven else None), named

    # Without the list from before it, only the name tells anything.
    if operation.ids_before is None:
        return None, []
    unresolved = others.filter(state__in=Operation.UNFINISHED)
    asked_for = {name.lower() for name in unresolved.values_list("target_name", flat=True)}
    renamed = [
        runner
        for runner in new
        if _has_values(runner, operation) and runner.name.lower() not in asked_for
    ]
    return (renamed[0] if len(renamed) == 1 else None), renamed


def _has_name(runner: Runner, operation: Operation) -> bool:
    return runner.name.lower() == str(operation.wanted["name"]).lower()


def _has_values(runner: Runner, operation: Operation) -> bool:
    wanted = operation.wanted
    return (
        runner.size,
        runner.image_id,
        runner.image_source,
        runner.group_id,
        runner.maximum_runners,
    ) == (
        wanted["size"],
        wanted["image_id"],
        wanted["image_source"],
        wanted["runner_group_id"],
        wanted.get("maximum_runners") or runner.maximum_runners,
    )
