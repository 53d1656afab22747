"""The page of one runner, and refreshing all runners."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from runners_app.jobs.prices import PRICES_AS_OF, usd_per_hour
from runners_app.models import FieldChange, Image, Operation, Reading, Runner, RunnerGroup
from runners_app.runners.support_facts import support_facts
from runners_app.templatetags.words import yaml_string
from runners_app.web.annotations import may_annotate
from runners_app.web.change_words import Names
from runners_app.web.freshness import freshness_of_one, unchanged
from runners_app.web.lists import read_again
from runners_app.web.pages import (
    Request,
    came_from,
    group_name_of,
    is_unchanged,
    may_manage,
    render_page,
    version_of,
    visible_account_or_404,
    visible_or_404,
)

# A change of these without an operation was made outside Trackside; the rest GitHub changes itself.
CHANGED_BY_PEOPLE = frozenset(
    {
        "name",
        "maximum_runners",
        "group_id",
        "image_id",
        "image_source",
        "image_name",
        "image_version",
        "size",
        "static_ip",
        "image_gen",
        "gone_at",
    }
)


@require_POST
def runners_refresh(request: Request) -> HttpResponse:
    """Schedule a reading of the runners of every visible account."""
    read_again(request, Reading.Resource.RUNNERS)
    return redirect(came_from(request) or "runners")


@require_safe
def runner(request: Request, pk: int) -> HttpResponse:
    """Show one runner; 404 if the user may not see it."""
    row = visible_or_404(Runner.objects.select_related("account__credential"), request, pk)
    account = row.account
    version = version_of([account], row.pk)
    if is_unchanged(request, version):
        return unchanged([account], Reading.Resource.RUNNERS)
    row.group_name = group_name_of(row)
    operations = Operation.objects.filter(
        account=account, target=Operation.Target.RUNNER, target_id=row.github_id
    )
    reading = Reading.objects.filter(account=account, resource=Reading.Resource.RUNNERS).first()
    recent = list(operations.order_by("-pk")[:20])
    context = {
        "runner": row,
        "account": account,
        "changes": _changes(request, row),
        "support_facts": support_facts(row, recent),
        "operations": recent,
        "image_is_offered": _is_offered(row),
        "may_manage": may_manage(request, account) and row.gone_at is None,
        "may_annotate": may_annotate(visible_account_or_404(request, account.pk)),
        "version": version,
        "cost": usd_per_hour(row.platform, row.size, row.maximum_runners),
        "prices_as_of": PRICES_AS_OF,
        "workflow": workflow_of(row),
        "group": group_of(row),
        "image": image_of(row),
        "moving": row.is_moving or any(operation.is_moving for operation in recent),
        **freshness_of_one(account, reading),
    }
    return render_page(request, "runners/detail.html", context, fragment="facts")


def workflow_of(row: Runner) -> str:
    """The line of a workflow that runs a job on a runner."""
    return f"runs-on: {yaml_string(row.name)}"


def group_of(row: Runner) -> RunnerGroup | None:
    """The runner's group, if it can be read."""
    groups = RunnerGroup.objects.filter(account_id=row.account_id)
    return groups.filter(github_id=row.group_id or 0).first()


def image_of(row: Runner) -> Image | None:
    """The runner's image, if it is stored."""
    images = Image.objects.filter(account_id=row.account_id, github_id=row.image_id)
    return images.filter(source=row.image_source or Image.Source.GITHUB).first()


def _changes(request: Request, row: Runner) -> list[FieldChange]:
    """Newest first, with names instead of ids. A new image is one line, its name."""
    rows = FieldChange.objects.filter(item=FieldChange.Item.RUNNER, item_pk=row.pk)
    changes = list(rows.select_related("operation").order_by("-at", "-pk")[:100])
    names = Names(request.user, [row.account_id]) if changes else None
    named = {change.at for change in changes if change.field == "image_name"}
    shown = [
        each
        for each in changes
        if each.at not in named or each.field not in ("image_id", "image_source")
    ]
    for change in shown:
        if names:
            change.before = names.value(row.account_id, change.field, change.before)
            change.after = names.value(row.account_id, change.field, change.after)
        change.is_outside = change.operation_id is None and change.field in CHANGED_BY_PEOPLE
    return shown


def _is_offered(row: Runner) -> bool | None:
    """Whether the account is offered the runner's image; None if its images were never read."""
    images = Image.objects.filter(
        account_id=row.account_id, source=row.image_source or Image.Source.GITHUB
    )
    if not images.exists():
        return None
    return images.present().filter(github_id=row.image_id).exists()
