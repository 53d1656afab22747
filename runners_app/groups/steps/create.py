"""How the worker creates a runner group: list, send once, find it by name after a lost answer.

Names are unique within an account, so a new group of that name with the requested visibility is
the one we created.
"""

from runners_app.groups.settings import GroupSettings
from runners_app.groups.steps.calls import publish_group
from runners_app.groups.steps.names import ids_are_known
from runners_app.models import Operation, Reading, RunnerGroup
from runners_app.operations.listing import list_first, read_as_proof
from runners_app.operations.send import Work, absent, retry_probe, send
from runners_app.operations.steps import confirm, need_attention, step

R = Reading.Resource


def start(operation: Operation, work: Work) -> None:
    """From `requested`: store the ids that exist before, then send."""
    if ids_are_known(operation, work) and list_first(
        operation, work, R.GROUPS, RunnerGroup.objects.present()
    ):
        send_now(operation, work)


def send_now(operation: Operation, work: Work) -> None:
    """GitHub: actions/create-self-hosted-runner-group-for-org, or the enterprise's."""
    wanted, owner = operation.wanted, operation.account.owner
    selected_ids = tuple(int(key) for key in wanted.get("add") or {})
    new = GroupSettings.from_stored(wanted).to_create(selected_ids)
    answer = send(operation, work, lambda: work.client.create_runner_group(owner, new))
    if answer is not None:
        with step(work):
            publish_group(operation, answer.data, work)
            confirm(
                operation,
                work,
                f"GitHub created group {answer.data.id}.",
                target_id=answer.data.id,
                request_id=answer.meta.request_id or "",
            )
    Reading.objects.schedule_now(operation.account, R.GROUPS, R.GROUP_ACCESS)


def probe(operation: Operation, work: Work) -> None:
    """From `unknown`: a complete list shows whether the group was created."""
    result = read_as_proof(operation, R.GROUPS, work)
    if result.failure is not None:
        note = (
            "The answer was lost, and the list of runner groups could not be read. "
            f"{result.failure.message}"
        )
        retry_probe(operation, work, note)
        return
    found = _new_group(operation)
    if found is None:
        absent(operation, work, again=lambda: send_now(operation, work))
    elif found.visibility == operation.wanted["visibility"]:
        note = f"The answer was lost, but the group is there: id {found.github_id}."
        confirm(operation, work, note, target_id=found.github_id)
        Reading.objects.schedule_now(operation.account, R.GROUP_ACCESS)
    else:
        note = (
            "The answer was lost. A group of that name has appeared, "
            "with a different visibility than requested."
        )
        need_attention(operation, work, note)


def _new_group(operation: Operation) -> RunnerGroup | None:
    named = RunnerGroup.objects.present().filter(
        account=operation.account, name__iexact=operation.wanted["name"]
    )
    return named.filter(inherited=False).exclude(github_id__in=operation.ids_before or []).first()
