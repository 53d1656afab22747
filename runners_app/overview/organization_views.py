"""The page of one account: its runners, groups, images, static IPs, people and recent changes."""

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from runners_app.models import (
    Account,
    FieldChange,
    Image,
    Membership,
    Operation,
    Reading,
    Runner,
    RunnerGroup,
)
from runners_app.models.visibility import limited_by
from runners_app.overview.account_facts import read_accounts
from runners_app.overview.history_views import pictures
from runners_app.overview.views import lines_of
from runners_app.web.change_words import Names
from runners_app.web.freshness import freshness_of_one, unchanged
from runners_app.web.pages import (
    Request,
    is_unchanged,
    query_without,
    render_page,
    version_of,
    visible_account_or_404,
)

SHOWN = 10


@require_safe
def account_overview(request: Request, pk: int) -> HttpResponse:
    """Everything of one account on a page, with links to the filtered lists."""
    account = visible_account_or_404(request, pk)
    now = timezone.now()
    minute = now.replace(second=0, microsecond=0)
    version = version_of([account], minute, query_without(request, "version"))
    if is_unchanged(request, version):
        return unchanged([account], Reading.Resource.RUNNERS)

    facts = read_accounts(request.user, now, pk=pk)[0]
    operations = Operation.objects.visible_to(request.user).filter(account=account)
    groups = RunnerGroup.objects.visible_to(request.user).present().filter(account=account)
    images = Image.objects.visible_to(request.user).present().filter(account=account)
    context = {
        "account": account,
        "each": facts,
        "lines": list(lines_of([facts], now)),
        "groups": _with_runners(request, account, groups)[:SHOWN],
        "groups_count": groups.count(),
        "images": images.filter(source=Image.Source.CUSTOM).order_by("name", "pk")[:SHOWN],
        "images_count": images.filter(source=Image.Source.CUSTOM).count(),
        "people": _people(request, account),
        "operations": operations.order_by("-pk")[:SHOWN],
        "changes": _changes(request, account),
        "sees_whole": limited_by(account) is None,
        "version": version,
        **pictures(request, [account], now),
        **freshness_of_one(
            account, Reading.objects.filter(account=account, resource="runners").first()
        ),
    }
    return render_page(request, "overview/organization.html", context, fragment="live")


def _with_runners(
    request: Request, account: Account, groups: "QuerySet[RunnerGroup]"
) -> list[RunnerGroup]:
    """The groups by name, each with its number of runners as `members`."""
    runners = Runner.objects.visible_to(request.user).present().filter(account=account)
    counts = dict(runners.order_by().values_list("group_id").annotate(Count("pk")))
    found = list(groups.order_by("name", "pk"))
    for group in found:
        group.members = counts.get(group.github_id, 0)  # type: ignore[attr-defined] # for the template
    return found


def _people(request: Request, account: Account) -> list[Membership]:
    """Who has access: all of them for administrators, for others the managers to ask."""
    rows = account.memberships.filter(user__is_active=True).select_related("user")
    if not request.user.is_superuser:
        rows = rows.filter(role=Membership.Role.MANAGER)
    return list(rows.order_by("role", "user__username"))


def _changes(request: Request, account: Account) -> list[dict[str, Any]]:
    """The last changes of runners, groups and images, each with the item it is about."""
    rows = FieldChange.objects.visible_to(request.user).filter(account=account)
    recent = list(rows.select_related("operation").order_by("-at", "-pk")[: 2 * SHOWN])
    names = Names(request.user, [account.pk])
    items: dict[str, dict[int, Any]] = {}
    for item, model in (("runner", Runner), ("group", RunnerGroup), ("image", Image)):
        pks = {change.item_pk for change in recent if change.item == item}
        items[item] = model.objects.in_bulk(pks) if pks else {}
    return [
        {
            "at": change.at,
            "kind": change.item,
            "target": items[change.item][change.item_pk],
            "field": change.field,
            "before": names.value(account.pk, change.field, change.before),
            "after": names.value(account.pk, change.field, change.after),
            "operation": change.operation,
        }
        for change in recent
        if change.item_pk in items.get(change.item, {})
    ]
