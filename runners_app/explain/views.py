"""Why can't my repository use this runner? The answers come from our tables; GitHub is asked by a
worker.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from runners_app.explain import gather as explaining
from runners_app.explain.chain import NOT_CHECKED, Remedy, Step, Verdict
from runners_app.explain.forms import REPOSITORY, ExplainForm
from runners_app.explain.gather import Explained, Known
from runners_app.models import AccessCheck, Account, Reading, Runner, RunnerGroup
from runners_app.readings.schedule import may_read_again
from runners_app.web.lists import budget_words
from runners_app.web.pages import (
    Request,
    id_or_404,
    is_unchanged,
    query_without,
    render_page,
    version_of,
    visible_or_404,
)
from runners_app.web.paging import Order, page_by_key

R = Reading.Resource
ROWS_SHOWN, NAMES_OFFERED = 50, 20


@require_safe
def groups_explain(request: Request) -> HttpResponse:
    accounts = list(Account.objects.visible_to(request.user).select_related("credential"))
    organizations = [account for account in accounts if account.kind == Account.Kind.ORGANIZATION]
    is_asked = "repository" in request.GET
    first = {"organization": request.GET.get("organization")}
    form = ExplainForm(
        request.GET if is_asked else None, initial=first, organizations=organizations
    )
    context: dict[str, Any] = {
        "form": form,
        "organizations": organizations,
        "not_checked": NOT_CHECKED,
    }
    if not is_asked and "runner" in request.GET:
        context |= _repositories(request, accounts, organizations)
    if not is_asked or not form.is_valid():
        return render_page(
            request, "explain/explain.html", context, status=422 if form.errors else 200
        )
    organization, name = form.cleaned_data["organization"], form.cleaned_data["repository"]
    check = AccessCheck.objects.filter(account=organization, repository=name.lower()).first()
    version = version_of(
        accounts, query_without(request, "version"), check and (check.asked_at, check.answered_at)
    )
    if is_unchanged(request, version):
        return HttpResponse(status=204)
    row = explaining.repository_of(organization, name)
    known = explaining.look_up(organization, accounts, name)
    facts = explaining.repository_facts(organization, name, row)
    explained = explaining.explain_all(known, facts, form.cleaned_data["workflow"])
    context |= {
        "organization": organization,
        "repository": row,
        "name": facts.name,
        "check": check,
        "version": version,
        **_unread(known),
        **_page(request, known, explained, check, facts.name),
    }
    return render_page(request, "explain/explain.html", context, fragment="answers")


def _repositories(
    request: Request, accounts: list[Account], organizations: list[Account]
) -> dict[str, Any]:
    """For one runner: which repositories of the organization chosen may use it."""
    runner = visible_or_404(
        Runner.objects.present(), request, id_or_404(request.GET["runner"].removeprefix("r"))
    )
    runner.account = next(account for account in accounts if account.pk == runner.account_id)
    near = [account for account in organizations if account.api_url == runner.account.api_url]
    if runner.account.kind == Account.Kind.ORGANIZATION:
        near = [runner.account]
    asked = request.GET.get("organization", "")
    organization = next(
        (account for account in near if str(account.pk) == asked),
        near[0] if len(near) == 1 else None,
    )
    if organization is None:
        return {"runner": runner, "near": near}
    rows = explaining.repositories_of(organization)
    if words := request.GET.get("q", "").replace("\0", "").strip():
        rows = rows.filter(name__icontains=words)
    page = page_by_key(rows, Order("name"), request.GET)
    known = explaining.look_up(organization, accounts, "")
    answers = explaining.explain_repositories(known, runner, page.rows)
    return {
        "runner": runner,
        "organization": organization,
        "near": near,
        "answers_of": answers,
        "page": page,
    }


@dataclass(frozen=True)
class Shown:
    """A row of the page: the runner with its answer, and what GitHub itself said of its group, if
    it was asked.
    """

    row: Explained
    asked: bool | None
    steps: list[tuple[Step, str]]

    @property
    def disagrees(self) -> bool:
        if self.asked is None:
            return False
        of_group = [step.verdict for step, _ in self.steps[2:5]]
        return (
            Verdict.NO in of_group
            if self.asked
            else Verdict.NO not in of_group and Verdict.UNKNOWN not in of_group
        )


def _page(
    request: Request,
    known: Known,
    explained: list[Explained],
    check: AccessCheck | None,
    repository: str,
) -> dict[str, Any]:
    """The rows of one page of one answer, and how many there are of each."""
    counts = Counter(one.answer.verdict for one in explained)
    wanted = request.GET.get("answer", "")
    matching = [one for one in explained if _matches(one, wanted, request.GET.get("runner", ""))]
    keys = [one.key for one in matching]
    start = keys.index(request.GET["after"]) + 1 if request.GET.get("after") in keys else 0
    page = matching[start : start + ROWS_SHOWN]
    return {
        "rows": [_shown(known, one, check, repository) for one in page],
        "counts": [
            (verdict, counts[verdict]) for verdict in (Verdict.YES, Verdict.NO, Verdict.UNKNOWN)
        ],
        "total": len(explained),
        "allowed": _allowed(known, check),
        "matching": len(matching),
        "answer": wanted,
        "after": page[-1].key if start + ROWS_SHOWN < len(matching) else "",
        "back": keys[start - ROWS_SHOWN - 1] if start > ROWS_SHOWN else "",
        "is_first": start == 0,
    }


def _unread(known: Known) -> dict[str, Any]:
    """Readings the answers rest on that fail; and whether this server has no larger runners at all."""
    used = {R.RUNNERS, R.GROUPS, R.GROUP_ACCESS, R.REPOSITORIES, R.SELF_HOSTED_RUNNERS}
    own = [
        reading
        for (account, _), reading in known.readings.items()
        if account == known.organization.pk
    ]
    for reading in own:
        reading.account = known.organization
    return {
        "failing": [
            each
            for each in own
            if each.resource in used and each.error and not each.is_missing_at_server
        ],
        "no_larger_runners": any(
            each.resource == R.RUNNERS and each.is_missing_at_server for each in own
        ),
    }


def _matches(one: Explained, answer: str, runner: str) -> bool:
    if runner and runner not in (one.key, one.name):
        return False
    return not answer or one.answer.verdict == answer


def _allowed(known: Known, check: AccessCheck | None) -> int:
    """In how many of the groups one may see GitHub lets the repository in."""
    own = {
        group.github_id
        for group in known.groups.values()
        if group.account == known.organization and group.is_seen
    }
    return len(own & set(check.group_ids)) if check else 0


def _shown(known: Known, one: Explained, check: AccessCheck | None, repository: str) -> Shown:
    answered = (
        check is not None
        and check.answered_at is not None
        and not check.refusal
        and one.group is not None
    )
    asked = one.group.github_id in check.group_ids if answered and check and one.group else None
    return Shown(
        one, asked, [(step, _address(known, one, step, repository)) for step in one.answer.steps]
    )


def _address(known: Known, one: Explained, step: Step, repository: str) -> str:
    """Where a person who may can change it; empty for the others."""
    match step.remedy:
        case Remedy.SEE_RUNNER:
            return reverse("runner", args=[one.pk]) if one.pk else ""
        case Remedy.NAME_WORKFLOW:
            return "#id_workflow"
        case Remedy.ADD_REPOSITORY if one.group and known.organization.may_be_changed:
            return f"{reverse('group-access', args=[one.group.pk])}?q={repository}"
        case Remedy.SHARE_GROUP if one.theirs and one.theirs.account.may_be_changed:
            return f"{reverse('group-access', args=[one.theirs.pk])}?q={known.organization.slug}"
        case Remedy.EDIT_GROUP:
            group = _managed_at(known, one)
            return (
                reverse("group-edit", args=[group.pk])
                if group and group.account.may_be_changed
                else ""
            )
    return ""


def _managed_at(known: Known, one: Explained) -> RunnerGroup | None:
    """The row whose settings count: of an inherited group the enterprise's, as far as it is
    connected and visible.
    """
    if one.group is None or not one.group.inherited:
        return one.group
    enterprises = {account.pk for account in known.enterprises}
    same = (
        group
        for group in known.groups.values()
        if group.name == one.group.name and group.account_id in enterprises
    )
    return one.theirs or next(same, None)


@require_safe
def groups_explain_repositories(request: Request) -> HttpResponse:
    """Names to choose from while somebody types."""
    organization = _organization_or_404(request, request.GET.get("organization", ""))
    typed = request.GET.get("repository", "").rpartition("/")[2].replace("\0", "")[:100]
    rows = explaining.repositories_of(organization).filter(name__icontains=typed)
    return render(
        request,
        "explain/repository_options.html",
        {"rows": rows.order_by("name", "pk")[:NAMES_OFFERED]},
    )


@require_POST
def groups_explain_ask(request: Request) -> HttpResponse:
    """Check with GitHub now: everybody who sees the organization may ask, nothing is changed there."""
    organization = _organization_or_404(request, request.POST.get("organization", ""))
    name = request.POST.get("repository", "")
    if not REPOSITORY.fullmatch(name):
        raise Http404
    if organization.paused:
        messages.error(request, f"{organization} is paused, so GitHub is not asked.")
    elif not may_read_again(organization, timezone.now()):
        messages.warning(request, budget_words([organization.slug]))
    else:
        explaining.ask_github(organization, name, by=request.user)
    query = request.POST.get("query", "")[:2000]
    return redirect(f"{reverse('groups-explain')}?{query}")


def _organization_or_404(request: Request, asked: str) -> Account:
    rows = (
        Account.objects.visible_to(request.user)
        .filter(kind=Account.Kind.ORGANIZATION)
        .select_related("credential")
    )
    found = rows.filter(pk=id_or_404(asked)).first()
    if found is None:
        raise Http404
    return found
