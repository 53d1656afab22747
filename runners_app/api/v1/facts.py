"""Static IP ranges, explanations and the audit log: all read only."""

from datetime import datetime

from django.http import HttpResponse, QueryDict
from ninja import Query, Router, Schema
from pydantic import Field

from runners_app.api.core import (
    READ,
    Moment,
    Paged,
    account_or_404,
    found_by,
    list_page,
    reference_of,
)
from runners_app.api.problems import ApiError
from runners_app.api.schemas import (
    AuditOut,
    AuditPage,
    ExplainedList,
    ExplainedOut,
    RangeChangeList,
    RangeChangeOut,
    RangeList,
    RangeOut,
    StepOut,
)
from runners_app.explain.forms import ExplainForm
from runners_app.explain.gather import explain_all, look_up, repository_facts, repository_of
from runners_app.models import Account, AuditEntry, Runner, RunnerGroup
from runners_app.models.runners import RunnerQuerySet
from runners_app.people.forms import AuditFilterForm
from runners_app.static_ips.changes import changed_since
from runners_app.static_ips.feeds import RETRY_SECONDS, check_feed
from runners_app.static_ips.filters import StaticIpFilter
from runners_app.web.pages import Request, administrator_or_403
from runners_app.web.paging import Order

router = Router(tags=["static IPs, explain, audit"], auth=READ)


class RangeQuery(Schema):
    account: str = Field("", description="Primary key, or as organization:acme.")
    group: str = Field("", description="Name of a runner group.")


class ChangeQuery(RangeQuery):
    since: Moment = Field(description="For example 2026-11-01T08:00:00Z.")


class ExplainQuery(Schema):
    repository: str = Field(description="Name of the repository, without its owner.")
    workflow: str = Field("", description="owner/repo/.github/workflows/deploy.yml@main")


class AuditQuery(Paged):
    person: str = ""
    action: str = ""
    account: str = ""
    since: str = Field("", description="First day, as 2026-11-01.")
    until: str = Field("", description="Last day, as 2026-11-30.")


RangeFilters = Query[RangeQuery]
ChangeFilters = Query[ChangeQuery]
ExplainQuestion = Query[ExplainQuery]
AuditFilters = Query[AuditQuery]


def _proven(request: Request, query: RangeQuery) -> tuple[RunnerQuerySet, datetime | None]:
    """The matching runners, gone ones included, and the oldest reading of them.

    Raises ApiError 503 while the list is not proven.
    """
    rows: RunnerQuerySet = Runner.objects.visible_to(request.user)
    slug = ""
    if query.account:
        account = account_or_404(request, query.account)
        rows, slug = rows.filter(account=account), account.slug
    data = QueryDict(mutable=True)
    data["group"] = query.group
    found: RunnerQuerySet = found_by(StaticIpFilter(data, queryset=rows))
    feed = check_feed(request.user, slug)
    if feed.refusal:
        raise ApiError(503, feed.refusal, headers={"Retry-After": str(RETRY_SECONDS)})
    return found, feed.as_of


@router.get("/static-ips", response=RangeList)
def list_static_ips(request: Request, query: RangeFilters) -> RangeList:
    """All ranges with their runners; 503 with the reason rather than an unproven shorter list."""
    found, as_of = _proven(request, query)
    runners = list(found.present().exclude(public_ips=[]).order_by("name", "pk"))
    accounts = Account.objects.in_bulk({runner.account_id for runner in runners})
    groups = RunnerGroup.objects.visible_to(request.user).filter(account__in=accounts)
    names = {
        (account, github_id): name
        for account, github_id, name in groups.values_list("account_id", "github_id", "name")
    }
    rows = [
        RangeOut(
            range=cidr,
            enabled=enabled,
            account=reference_of(accounts[runner.account_id]),
            runner=runner.name,
            runner_id=runner.github_id,
            group=names.get((runner.account_id, runner.group_id or 0)),
        )
        for runner in runners
        for cidr, enabled in runner.ranges
    ]
    return RangeList(as_of=as_of, rows=rows)


@router.get("/static-ips/changes", response=RangeChangeList)
def list_static_ip_changes(request: Request, query: ChangeFilters) -> RangeChangeList:
    """The ranges that were added and removed since a moment."""
    found, as_of = _proven(request, query)
    changes = [
        RangeChangeOut(
            change="added" if each.is_added else "removed",
            range=str(each.network),
            account=reference_of(each.runner.account),
            runner=each.runner.name,
            runner_id=each.runner.github_id,
            at=each.at,
        )
        for each in changed_since(found, query.since)
    ]
    return RangeChangeList(as_of=as_of, since=query.since, rows=changes)


@router.get("/accounts/{account}/explain", response=ExplainedList)
def explain(request: Request, account: str, query: ExplainQuestion) -> ExplainedList:
    """Which runners a repository of an organization may use, and why not."""
    organization = account_or_404(request, account)
    if organization.kind != Account.Kind.ORGANIZATION:
        raise ApiError(422, "Only organizations have repositories.")
    data = {
        "organization": organization.pk,
        "repository": query.repository,
        "workflow": query.workflow,
    }
    form = ExplainForm(data, organizations=[organization])
    if not form.is_valid():
        errors = [
            (field, str(message)) for field, texts in form.errors.items() for message in texts
        ]
        raise ApiError(422, "Some parameters are invalid.", errors=errors)

    name = form.cleaned_data["repository"]
    accounts = list(Account.objects.visible_to(request.user).select_related("credential"))
    known = look_up(organization, accounts, name)
    facts = repository_facts(organization, name, repository_of(organization, name))
    explained = explain_all(known, facts, form.cleaned_data["workflow"])
    return ExplainedList(
        rows=[
            ExplainedOut(
                runner=each.name,
                self_hosted=each.self_hosted,
                account=reference_of(each.account),
                group=each.group.name if each.group else None,
                verdict=each.answer.verdict.value,
                steps=[
                    StepOut(
                        question=step.question,
                        verdict=step.verdict.value,
                        words=step.words,
                        remedy=step.step,
                    )
                    for step in each.answer.steps
                ],
                as_of=each.as_of,
            )
            for each in explained
        ]
    )


@router.get("/audit", response=AuditPage)
def list_audit(request: Request, response: HttpResponse, query: AuditFilters) -> AuditPage:
    """The audit log, newest first, for administrators."""
    administrator_or_403(request)
    rows = AuditFilterForm(request.GET).narrow(AuditEntry.objects.all())
    page, after = list_page(request, response, rows, Order("at", descending=True), query)
    entries = [
        AuditOut(
            id=entry.pk,
            at=entry.at,
            actor=entry.actor_name,
            action=entry.action,
            account=entry.account_name,
            subject=entry.subject,
            details=entry.details,
        )
        for entry in page
    ]
    return AuditPage(rows=entries, next=after)
